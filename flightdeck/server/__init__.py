"""The server: the HTTP API with the page, and the process that serves it beside the OTLP receivers."""
