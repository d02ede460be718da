# cython: language_level=3
"""Memory of the compiled search, for one crystal at a time; it grows as needed."""

from libc.stdlib cimport free

from zoo.data.graphs.kernels.memory cimport resized

cdef struct Site:
    # An atom of the cell by its fractional coordinates, 0 to 1; sites are sorted by c.
    double a, b, c
    int atom
    int center  # index of the atom itself among the images
    int start, end  # range of its edges
    int shell  # first of its edges that is in the last shell

cdef struct Edge:
    double distance
    int neighbor

cdef struct Workspace:
    Py_ssize_t site_capacity
    Site *sites
    double *color  # of each atom
    double *next_color
    Py_ssize_t image_capacity
    Py_ssize_t images
    double *x
    double *y
    double *z
    int *atom  # of the cell, that each is an image of
    Py_ssize_t edge_capacity
    Edge *edges
    double *weight


cdef inline int reserve_sites(Workspace *workspace, Py_ssize_t n) noexcept nogil:
    """Make size for n atoms; -1 if there is none."""
    if n <= workspace.site_capacity:
        return 0
    if not (
        resized(<void **>&workspace.sites, n * sizeof(Site))
        and resized(<void **>&workspace.color, n * sizeof(double))
        and resized(<void **>&workspace.next_color, n * sizeof(double))
    ):
        return -1
    workspace.site_capacity = n
    return 0


cdef inline int reserve_images(Workspace *workspace, Py_ssize_t size) noexcept nogil:
    """Make room for this number of images; return -1 if there is no memory."""
    if size <= workspace.image_capacity:
        return 0
    if not (
        resized(<void **>&workspace.x, size * sizeof(double))
        and resized(<void **>&workspace.y, size * sizeof(double))
        and resized(<void **>&workspace.z, size * sizeof(double))
        and resized(<void **>&workspace.atom, size * sizeof(int))
    ):
        return -1
    workspace.image_capacity = size
    return 0


cdef inline int reserve_edges(Workspace *workspace, Py_ssize_t size) noexcept nogil:
    """Make room for this number of edges, keeping those that are there; return -1 if there is no memory."""
    if size <= workspace.edge_capacity:
        return 0
    size += size // 2
    if not (
        resized(<void **>&workspace.edges, size * sizeof(Edge))
        and resized(<void **>&workspace.weight, size * sizeof(double))
    ):
        return -1
    workspace.edge_capacity = size
    return 0


cdef inline void free_workspace(Workspace *workspace) noexcept nogil:
    """Free all memory."""
    free(workspace.sites)
    free(workspace.color)
    free(workspace.next_color)
    free(workspace.x)
    free(workspace.y)
    free(workspace.z)
    free(workspace.atom)
    free(workspace.edges)
    free(workspace.weight)
