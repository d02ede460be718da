# cython: language_level=3
"""What the compiled search holds of one crystal at a time, in memory that grows as needed."""

from libc.stdlib cimport free, malloc, realloc

cdef struct Site:
    # An atom of the cell by its fractional coordinates, 0 to 1; sites are sorted by c.
    double a, b, c
    int atom

cdef struct Edge:
    double distance
    int point

cdef struct Work:
    Py_ssize_t site_room
    Site *sites
    int *home  # place of each site among the images
    int *starts  # first edge of each site
    int *shells  # which of its edges is the first of the last shell
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
    free(work.sites)
    free(work.color)
    free(work.mixed)
    free(work.starts)
    free(work.shells)
    free(work.home)
    work.sites = <Site *>malloc(n * sizeof(Site))
    work.color = <double *>malloc(n * sizeof(double))
    work.mixed = <double *>malloc(n * sizeof(double))
    work.starts = <int *>malloc((n + 1) * sizeof(int))
    work.shells = <int *>malloc(n * sizeof(int))
    work.home = <int *>malloc(n * sizeof(int))
    work.site_room = n
    return 0 if (
        work.home and work.sites and work.color and work.mixed and work.starts and work.shells
    ) else -1


cdef inline int grow_images(Work *work, Py_ssize_t room) noexcept nogil:
    """Make room for so many images; -1 if there is none."""
    if room <= work.image_room:
        return 0
    free(work.x)
    free(work.y)
    free(work.z)
    free(work.point)
    work.x = <double *>malloc(room * sizeof(double))
    work.y = <double *>malloc(room * sizeof(double))
    work.z = <double *>malloc(room * sizeof(double))
    work.point = <int *>malloc(room * sizeof(int))
    work.image_room = room
    return 0 if work.x and work.y and work.z and work.point else -1


cdef inline int grow_edges(Work *work, Py_ssize_t room) noexcept nogil:
    """Make room for so many edges, keeping those that are there; -1 if there is none."""
    cdef Edge *edges
    cdef double *weight
    if room <= work.edge_room:
        return 0
    room += room // 2
    edges = <Edge *>realloc(work.edges, room * sizeof(Edge))
    if edges:
        work.edges = edges
    weight = <double *>realloc(work.weight, room * sizeof(double))
    if weight:
        work.weight = weight
    if not (edges and weight):
        return -1
    work.edge_room = room
    return 0


cdef inline void give_back(Work *work) noexcept nogil:
    """Free all memory."""
    free(work.sites)
    free(work.home)
    free(work.starts)
    free(work.shells)
    free(work.color)
    free(work.mixed)
    free(work.x)
    free(work.y)
    free(work.z)
    free(work.point)
    free(work.edges)
    free(work.weight)
