"""FlightDeck inside the agent's process: a distribution of OpenTelemetry, and a way to report runs without OTLP.

What runs here runs in somebody else's program. Nothing raises into it, nothing waits for the network on its threads,
every buffer is bounded, and trouble costs at most one log line a minute.
"""
