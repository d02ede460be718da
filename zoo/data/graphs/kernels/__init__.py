"""Compiled loops: the search for neighbours, and the merging of symmetric copies."""
