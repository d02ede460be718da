# cython: language_level=3, cdivision=True
"""The lattice of a crystal in triangular form, for the compiled search."""

from libc.math cimport fabs, sqrt

cdef struct Cell:
    # The lattice, rotated so that its vectors a, b, c are (xx, 0, 0), (yx, yy, 0) and (zx, zy, zz). The vector called
    # c is the one with the largest height over the face of the other two; that height is zz.
    double xx, yx, yy, zx, zy, zz
    double height_a, height_b
    double volume


cdef inline double dot(const double *one, const double *other) noexcept nogil:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


cdef inline int triangulate(const double *lattice, Cell *cell) noexcept nogil:
    """Bring a lattice to triangular form; return which of its vectors is c (a and b are the two after it)."""
    cdef double normal[3]
    cdef double heights[3]
    cdef double x[3]
    cdef double y[3]
    cdef double z[3]
    cdef const double *one
    cdef const double *other
    cdef int axis, i, last = 0
    for axis in range(3):
        one, other = &lattice[3 * ((axis + 1) % 3)], &lattice[3 * ((axis + 2) % 3)]
        normal[0] = one[1] * other[2] - one[2] * other[1]
        normal[1] = one[2] * other[0] - one[0] * other[2]
        normal[2] = one[0] * other[1] - one[1] * other[0]
        cell.volume = fabs(dot(&lattice[3 * axis], normal))
        heights[axis] = cell.volume / sqrt(dot(normal, normal))
        if heights[axis] > heights[last]:
            last = axis
    cell.height_a, cell.height_b = heights[(last + 1) % 3], heights[(last + 2) % 3]
    for i in range(3):
        x[i] = lattice[3 * ((last + 1) % 3) + i]
        y[i] = lattice[3 * ((last + 2) % 3) + i]
        z[i] = lattice[3 * last + i]
    # Modified Gram-Schmidt, which keeps the digits of skewed cells.
    cell.xx = sqrt(dot(x, x))
    for i in range(3):
        x[i] /= cell.xx
    cell.yx = dot(x, y)
    cell.zx = dot(x, z)
    for i in range(3):
        y[i] -= cell.yx * x[i]
        z[i] -= cell.zx * x[i]
    cell.yy = sqrt(dot(y, y))
    for i in range(3):
        y[i] /= cell.yy
    cell.zy = dot(y, z)
    for i in range(3):
        z[i] -= cell.zy * y[i]
    cell.zz = sqrt(dot(z, z))
    return last
