"""The command line. Every command speaks the HTTP API: to a running server, else to the same application in-process."""
