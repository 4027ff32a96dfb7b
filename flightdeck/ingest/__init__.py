"""Ingest: what comes in is checked, gathered, stored, and made into runs."""
