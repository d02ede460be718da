"""Studies: methods, sizes and seeds compared on one table."""
