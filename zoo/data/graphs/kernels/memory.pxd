# cython: language_level=3
"""Arrays that belong to a compiled loop."""

from libc.stdlib cimport realloc


cdef inline bint resized(void **array, Py_ssize_t size) noexcept nogil:
    """Give an array, at first NULL, so many bytes; False, and the array as it was, if there is no memory."""
    cdef void *moved = realloc(array[0], size)
    if moved == NULL:
        return False
    array[0] = moved
    return True
