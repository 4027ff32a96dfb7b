"""FlightDeck: is the candidate release of an AI agent safe to roll forward?

The package itself imports nothing; start at :mod:`flightdeck.otel` (agents), :mod:`flightdeck.sdk` (HTTP client),
:mod:`flightdeck.models` (the words on the wire) or :mod:`flightdeck.app` (the server).
"""

__version__ = "2.0.0"
