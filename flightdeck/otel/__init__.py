"""OpenTelemetry in FlightDeck: the attribute table, spans, the rules that make runs of them, instrumentation."""
