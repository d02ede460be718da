# cython: language_level=3
"""Checks of the shapes that a compiled loop relies on."""


cdef inline int check_shapes(bint fits) except -1:
    """Raise an error unless the shapes fit; nothing else would notice."""
    if not fits:
        raise ValueError("arrays do not fit together")
    return 0
