# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The neighbour search of `zoo.data.graphs.neighbors` with ties broken by environment, compiled.

It finds the same neighbours as the search in NumPy. That one remains for machines without a compiler, for the authors'
tie rule, and for the rare crystals that this one leaves to it (two atoms on one site, cells that are huge or too flat
to search), so that each error is worded in one place.

For crystals of 1 to 200 atoms a grid of boxes does not pay. The images of all atoms around the cell are listed once, in
order of their height over one face of the cell, and each atom scans those near it in height. Its neighbours are kept
sorted, so its sphere shrinks to the farthest of the nearest found so far.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport ceil, cos, exp, fabs, floor, rint, sin, sqrt
from libc.stdlib cimport qsort
from libc.string cimport memset

from zoo.data.graphs.kernels.cell cimport Cell, triangulate
from zoo.data.graphs.kernels.workspace cimport (
    Edge, Site, Workspace, free_workspace, reserve_edges, reserve_images, reserve_sites
)

cdef enum:
    BLOCK = 64  # images measured at once
    MAX_PAIRS = 1000000000  # atoms times images, about one second where all have one height


def nearest(
    const unsigned char[::1] numbers,
    const double[:, ::1] frac,
    const double[:, :, ::1] lattices,
    const long long[::1] offsets,
    double start,
    double tolerance,
    double coincident,
    double max_images,
    int rounds,
    int[:, ::1] neighbors,
    float[:, ::1] distances,
    unsigned char[::1] found,
):
    """Find the nearest neighbours of every atom of some crystals.

    Parameters
    ----------
    numbers, frac, lattices, offsets
        The crystals, concatenated: crystal c owns the atoms ``offsets[c]:offsets[c + 1]``.
        Coordinates are fractional and finite; lattice vectors are rows, in Å.
    start
        Atoms that a sphere of the first radius holds on average.
    tolerance, coincident, rounds
        `TIE_TOLERANCE` and `COINCIDENT` (Å) of `zoo.data.graphs.neighbors`, and its number of colour refinements.
    max_images
        Most images that are listed for a crystal.
    neighbors, distances : arrays of shape (atoms, k)
        Written to; neighbours are counted from the crystal's first atom, distances are in Å.
    found : array of shape (crystals,)
        Written to: 1, or 0 for crystals that are left to the search in NumPy.

    Raises
    ------
    MemoryError
        If there is no memory for a crystal.
    ValueError
        If the arrays do not fit together, or a number is out of range. Without this check they would be read beyond
        their ends.
    """
    cdef Workspace workspace
    cdef Py_ssize_t crystal, first, n
    cdef int outcome = 0, k = <int>neighbors.shape[1]
    cdef bint fits = (
        offsets.shape[0] > 0
        and frac.shape[0] == neighbors.shape[0] == distances.shape[0] == numbers.shape[0]
        and numbers.shape[0] == offsets[offsets.shape[0] - 1]
        and found.shape[0] == lattices.shape[0] == offsets.shape[0] - 1
        and 0 < neighbors.shape[1] == distances.shape[1] < 256
        and frac.shape[1] == lattices.shape[1] == lattices.shape[2] == 3
        and offsets[0] == 0
    )
    for crystal in range(offsets.shape[0] - 1):
        fits &= offsets[crystal] < offsets[crystal + 1]
    if not fits:
        raise ValueError("the arrays of the crystals and of their neighbours do not fit together")
    if not (np.isfinite(frac).all() and np.isfinite(lattices).all()):
        raise ValueError("a coordinate or a lattice vector is not finite")
    if not (0.0 < start < 1e6 and 0.0 <= tolerance < 1.0 and coincident >= 0.0 and 0.0 < max_images < 1e9):
        raise ValueError("start, tolerance, coincident or max_images is out of range")
    memset(&workspace, 0, sizeof(Workspace))
    try:
        for crystal in range(found.shape[0]):
            PyErr_CheckSignals()
            first = offsets[crystal]
            n = offsets[crystal + 1] - first
            with nogil:
                outcome = reserve_sites(&workspace, n)
                if outcome == 0:
                    outcome = _search(
                        &workspace, n, k, &frac[first, 0], &lattices[crystal, 0, 0], start, tolerance, coincident,
                        max_images,
                    )
                if outcome == 0:
                    _write_neighbors(
                        &workspace, n, k, &numbers[first], rounds, &neighbors[first, 0], &distances[first, 0]
                    )
            if outcome < 0:
                raise MemoryError
            found[crystal] = outcome == 0
    finally:
        free_workspace(&workspace)


cdef int _by_c(const void *one, const void *other) noexcept nogil:
    cdef double difference = (<const Site *>one).c - (<const Site *>other).c
    return (difference > 0) - (difference < 0)


cdef void _sort_sites(Site *sites, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Site site
    if n > 64:
        qsort(sites, n, sizeof(Site), _by_c)
        return
    for i in range(1, n):
        site = sites[i]
        j = i
        while j > 0 and sites[j - 1].c > site.c:
            sites[j] = sites[j - 1]
            j -= 1
        sites[j] = site


cdef int _search(
    Workspace *workspace,
    Py_ssize_t n,
    int k,
    const double *frac,
    const double *lattice,
    double start,
    double tolerance,
    double coincident,
    double max_images,
) noexcept nogil:
    """Find every atom's neighbours, up to the tolerance beyond the k-th; 0, 1 (left to NumPy) or -1 (no memory)."""
    cdef Cell cell
    cdef int last = triangulate(lattice, &cell), outcome
    cdef Py_ssize_t i, used = 0, count, low = 0
    cdef double radius
    cdef Site *site
    for i in range(n):
        site = &workspace.sites[i]
        site.a = frac[3 * i + (last + 1) % 3]
        site.b = frac[3 * i + (last + 2) % 3]
        site.c = frac[3 * i + last]
        site.a -= floor(site.a)
        site.b -= floor(site.b)
        site.c -= floor(site.c)
        site.atom = <int>i
    _sort_sites(workspace.sites, n)
    radius = (3.0 * start * cell.volume / (4.0 * 3.141592653589793 * n)) ** (1.0 / 3.0)
    outcome = _list_images(workspace, n, &cell, radius, max_images)
    i = 0
    while outcome == 0 and i < n:
        site = &workspace.sites[i]
        while workspace.z[low] < workspace.z[site.center] - radius:  # sites and images are in order of z
            low += 1
        count = _find_edges(workspace, k, site.center, low, radius, tolerance, used)
        if count < 0:
            return -1
        if count < k or workspace.edges[used + k - 1].distance + tolerance > radius:
            radius *= 1.3
            low = 0
            outcome = _list_images(workspace, n, &cell, radius, max_images)
            continue
        if workspace.edges[used].distance < coincident:
            return 1
        site.start = <int>used
        site.shell = k - 1  # where the shell of the k-th neighbour begins, in which ties are broken
        while (
            site.shell > 0
            and workspace.edges[used + site.shell - 1].distance >= workspace.edges[used + k - 1].distance - tolerance
        ):
            site.shell -= 1
        used += count
        site.end = <int>used
        i += 1
    return outcome


cdef int _list_images(
    Workspace *workspace, Py_ssize_t n, const Cell *cell, double radius, double max_images
) noexcept nogil:
    """List the images of all sites that may be within a radius of a site in the cell, in order of z.

    Returns 0, 1 (too many) or -1 (no memory).
    """
    cdef double wide_a = radius / cell.height_a + 1e-9, wide_b = radius / cell.height_b + 1e-9
    cdef double wide_c = radius / cell.zz + 1e-9
    cdef double a_low = 1.0, a_high = 0.0, b_low = 1.0, b_high = 0.0
    cdef double a, b, c, a_start, t_b, t_c, most
    cdef Py_ssize_t i, used = 0
    cdef Site *site
    for i in range(n):
        site = &workspace.sites[i]
        a_low, a_high = min(a_low, site.a), max(a_high, site.a)
        b_low, b_high = min(b_low, site.b), max(b_high, site.b)
    a_low, a_high, b_low, b_high = a_low - wide_a, a_high + wide_a, b_low - wide_b, b_high + wide_b
    most = n * (a_high - a_low + 1.0) * (b_high - b_low + 1.0) * (2.0 * wide_c + 2.0)
    if not (most <= max_images and n * most <= MAX_PAIRS):  # true also for NaN, from a cell without volume
        return 1
    if reserve_images(workspace, <Py_ssize_t>most + 1) < 0:
        return -1
    t_c = floor(workspace.sites[0].c - wide_c)
    while t_c <= workspace.sites[n - 1].c + wide_c:
        for i in range(n):
            site = &workspace.sites[i]
            c = site.c + t_c
            if c < workspace.sites[0].c - wide_c or c > workspace.sites[n - 1].c + wide_c:
                continue
            a_start = ceil(a_low - site.a)
            t_b = ceil(b_low - site.b)
            while site.b + t_b <= b_high:
                b = site.b + t_b
                a = site.a + a_start
                while a <= a_high:
                    if t_c == 0.0 and t_b == 0.0 and fabs(a - site.a) < 0.5:
                        site.center = <int>used
                    workspace.x[used] = a * cell.xx + b * cell.yx + c * cell.zx
                    workspace.y[used] = b * cell.yy + c * cell.zy
                    workspace.z[used] = c * cell.zz
                    workspace.atom[used] = site.atom
                    used += 1
                    a += 1.0
                t_b += 1.0
        t_c += 1.0
    workspace.images = used
    return 0


cdef Py_ssize_t _find_edges(
    Workspace *workspace, int k, Py_ssize_t center, Py_ssize_t low, double radius, double tolerance, Py_ssize_t used
) noexcept nogil:
    """Append the edges of the site at image `center` to the `used` ones, by distance;
    return how many (-1: no memory).

    Those beyond the k-th are kept only up to the tolerance.
    """
    cdef double square[BLOCK]
    cdef int hits[BLOCK]
    cdef int near, hit
    cdef const double *x = workspace.x
    cdef const double *y = workspace.y
    cdef const double *z = workspace.z
    cdef double x_0 = x[center], y_0 = y[center], z_0 = z[center]
    cdef double reach = radius, bound = radius * radius
    cdef Edge *edges
    cdef Py_ssize_t count = 0, i, size
    if reserve_edges(workspace, used + k + 1) < 0:
        return -1
    edges = &workspace.edges[used]
    while low < workspace.images and z[low] - z_0 <= reach:
        size = min(BLOCK, workspace.images - low)
        for i in range(size):  # vectorised by the compiler
            square[i] = (
                (x[low + i] - x_0) * (x[low + i] - x_0)
                + (y[low + i] - y_0) * (y[low + i] - y_0)
                + (z[low + i] - z_0) * (z[low + i] - z_0)
            )
        near = 0
        for i in range(size):  # no branch: it would be mispredicted at every neighbour
            hits[near] = <int>i
            near += square[i] <= bound
        for hit in range(near):
            i = hits[hit]
            if square[i] <= bound and low + i != center:
                if used + count >= workspace.edge_capacity:
                    if reserve_edges(workspace, used + count + 1) < 0:
                        return -1
                    edges = &workspace.edges[used]
                count = _insert(edges, count, sqrt(square[i]), workspace.atom[low + i])
                if count >= k:
                    reach = min(reach, edges[k - 1].distance + tolerance)
                    bound = reach * reach
                    while count > k and edges[count - 1].distance > reach:
                        count -= 1
        low += size
    return count


cdef Py_ssize_t _insert(Edge *edges, Py_ssize_t count, double distance, int neighbor) noexcept nogil:
    """Insert an edge into a sorted list; return the new length."""
    cdef Py_ssize_t place = count
    while place > 0 and edges[place - 1].distance > distance:
        edges[place] = edges[place - 1]
        place -= 1
    edges[place].distance = distance
    edges[place].neighbor = neighbor
    return count + 1


cdef void _write_neighbors(
    Workspace *workspace,
    Py_ssize_t n,
    int k,
    const unsigned char *numbers,
    int rounds,
    int *neighbors,
    float *distances,
) noexcept nogil:
    """Write the k nearest neighbours of every atom."""
    cdef Py_ssize_t i, j
    cdef Site *site
    cdef Edge *edges
    if workspace.sites[n - 1].end > n * k:
        memset(workspace.color, 0, n * sizeof(double))
        if _sort_shells(workspace, n, k, numbers):
            _refine_colors(workspace, n, numbers, rounds)
            _sort_shells(workspace, n, k, numbers)
    for i in range(n):
        site = &workspace.sites[i]
        edges = &workspace.edges[site.start]
        for j in range(k):
            neighbors[site.atom * k + j] = edges[j].neighbor
            distances[site.atom * k + j] = <float>edges[j].distance


cdef void _refine_colors(Workspace *workspace, Py_ssize_t n, const unsigned char *numbers, int rounds) noexcept nogil:
    """Colour every atom by its environment, as in `zoo.data.graphs.neighbors`."""
    cdef Py_ssize_t i, j
    cdef int _round
    cdef double message
    cdef Site *site
    cdef Edge *edges = workspace.edges
    for i in range(n):
        workspace.color[i] = numbers[i]
    for i in range(workspace.sites[n - 1].end):
        workspace.weight[i] = exp(-edges[i].distance)
    for _round in range(rounds):
        for i in range(n):
            site = &workspace.sites[i]
            message = 0.0
            for j in range(site.start, site.end):
                message += workspace.weight[j] * sin(
                    1.0 + 0.7310585 * workspace.color[edges[j].neighbor] + edges[j].distance
                )
            workspace.next_color[site.atom] = cos(0.3678794 * workspace.color[site.atom]) + message
        workspace.color, workspace.next_color = workspace.next_color, workspace.color
    for i in range(n):
        workspace.color[i] = rint(workspace.color[i] * 1e7)


cdef bint _sort_shells(Workspace *workspace, Py_ssize_t n, int k, const unsigned char *numbers) noexcept nogil:
    """Sort the last shell of every atom by element, then by colour.

    Returns whether colours decide which neighbours are kept, that is, whether a shell is cut between atoms of one
    element.
    """
    cdef Py_ssize_t center, first, count, i, j
    cdef double color
    cdef unsigned char number
    cdef Edge edge
    cdef Edge *edges
    cdef bint undecided = False
    for center in range(n):
        edges = &workspace.edges[workspace.sites[center].start]
        count = workspace.sites[center].end - workspace.sites[center].start
        if count == k:
            continue
        first = workspace.sites[center].shell
        for i in range(first + 1, count):
            edge = edges[i]
            number, color = numbers[edge.neighbor], workspace.color[edge.neighbor]
            j = i
            while j > first and (
                numbers[edges[j - 1].neighbor] > number
                or (numbers[edges[j - 1].neighbor] == number and workspace.color[edges[j - 1].neighbor] > color)
            ):
                edges[j] = edges[j - 1]
                j -= 1
            edges[j] = edge
        number = numbers[edges[k - 1].neighbor]
        if numbers[edges[k].neighbor] == number:
            for i in range(first, count):
                undecided |= numbers[edges[i].neighbor] == number and edges[i].neighbor != edges[k].neighbor
    return undecided
