"""CIF text → crystal.

`reader` is the entry point; `blocks` reads names and values, `sites` the asymmetric unit. `symmetry` finds the symmetry
operations that a file lists or names, and `orbits` applies them to the sites.
"""

__all__ = ["blocks", "orbits", "reader", "sites", "symmetry"]
