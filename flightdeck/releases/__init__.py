"""Releases: bundles and their hashes, registration, the diff and its text. Each module says what it needs installed."""
