"""Prices: tables, defaults and their resolution into tariffs. Pure: numbers in, numbers out."""
