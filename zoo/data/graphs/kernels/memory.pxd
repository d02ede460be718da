# cython: language_level=3
"""Arrays that the compiled loops allocate."""

from libc.stdlib cimport realloc


cdef inline bint resized(void **array, Py_ssize_t size) noexcept nogil:
    """Resize an array, NULL at first, to a number of bytes; without memory, return False and leave it as it is."""
    cdef void *moved = realloc(array[0], size)
    if moved == NULL:
        return False
    array[0] = moved
    return True
