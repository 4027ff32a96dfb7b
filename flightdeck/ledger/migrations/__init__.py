"""The ledger's numbered schema changes."""
