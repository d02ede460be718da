# cython: language_level=3
"""Arrays whose shapes a compiled loop relies on."""


cdef inline int need(bint fits) except -1:
    """Refuse arrays that do not fit: nothing else would notice."""
    if not fits:
        raise ValueError("arrays do not fit together")
    return 0
