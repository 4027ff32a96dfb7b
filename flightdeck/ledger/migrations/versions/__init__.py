"""One module per schema change, in order of their numbers."""
