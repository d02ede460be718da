"""Loops over crystals, compiled: `symmetry` finds the symmetry operations that no tolerance has to decide.

It is absent where zoo was installed without a C compiler (see :mod:`zoo._utils.compiled`).
"""

__all__ = ["symmetry"]
