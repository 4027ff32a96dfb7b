"""Evidence and policy in, verdict out. Pure: no clock, no store, no randomness."""
