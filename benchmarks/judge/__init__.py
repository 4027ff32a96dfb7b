"""Simulations of the judge: each table of the statistical design again, 1.3's rule beside it."""
