"""Graph building, compiled: `nearest` finds neighbours, `merging` merges symmetric copies.

Both are absent where zoo was installed without a C compiler (see :mod:`zoo._utils.compiled`).
"""

__all__ = [
    "merging",
    "nearest",
]
