# cython: language_level=3
"""What the compiled search holds of one crystal at a time, in memory that grows as needed."""

from libc.stdlib cimport free

from zoo.data.graphs.kernels.memory cimport resized

cdef struct Site:
    # An atom of the cell by its fractional coordinates, 0 to 1; sites are sorted by c.
    double a, b, c
    int atom
    int home  # its place among the images
    int start, end  # its edges
    int shell  # which of them is the first of the last shell

cdef struct Edge:
    double distance
    int point

cdef struct Work:
    Py_ssize_t site_room
    Site *sites
    double *color  # of each atom
    double *mixed
    Py_ssize_t image_room
    Py_ssize_t images
    double *x
    double *y
    double *z
    int *point  # atom that each image is one of
    Py_ssize_t edge_room
    Edge *edges
    double *weight


cdef inline int grow_sites(Work *work, Py_ssize_t n) noexcept nogil:
    """Make room for n atoms; -1 if there is none."""
    if n <= work.site_room:
        return 0
    if not (
        resized(<void **>&work.sites, n * sizeof(Site))
        and resized(<void **>&work.color, n * sizeof(double))
        and resized(<void **>&work.mixed, n * sizeof(double))
    ):
        return -1
    work.site_room = n
    return 0


cdef inline int grow_images(Work *work, Py_ssize_t room) noexcept nogil:
    """Make room for so many images; -1 if there is none."""
    if room <= work.image_room:
        return 0
    if not (
        resized(<void **>&work.x, room * sizeof(double))
        and resized(<void **>&work.y, room * sizeof(double))
        and resized(<void **>&work.z, room * sizeof(double))
        and resized(<void **>&work.point, room * sizeof(int))
    ):
        return -1
    work.image_room = room
    return 0


cdef inline int grow_edges(Work *work, Py_ssize_t room) noexcept nogil:
    """Make room for so many edges, keeping those that are there; -1 if there is none."""
    if room <= work.edge_room:
        return 0
    room += room // 2
    if not (
        resized(<void **>&work.edges, room * sizeof(Edge))
        and resized(<void **>&work.weight, room * sizeof(double))
    ):
        return -1
    work.edge_room = room
    return 0


cdef inline void give_back(Work *work) noexcept nogil:
    """Free all memory."""
    free(work.sites)
    free(work.color)
    free(work.mixed)
    free(work.x)
    free(work.y)
    free(work.z)
    free(work.point)
    free(work.edges)
    free(work.weight)
