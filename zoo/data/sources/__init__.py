"""Databases that tables are fetched from."""
