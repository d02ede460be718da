# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The search of `zoo.data.graphs.neighbors` with ties broken by environment, compiled.

It finds what the plain search there finds. That one stays for machines without a compiler, for the authors' tie rule,
and for the odd crystals that are left to it (two atoms on one site, cells that are huge or too flat to search), so that
each reason is worded once.

For crystals of 1 to 200 atoms no grid of boxes pays: the images of all atoms around the cell are listed once, in the
order of their height over one face of it, and each atom looks through those that are near it in height. Its neighbours
are kept sorted, so that its sphere shrinks to the farthest of the nearest found so far.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport ceil, cos, exp, fabs, floor, rint, sin, sqrt
from libc.stdlib cimport qsort
from libc.string cimport memset

from zoo.data.graphs.kernels.cell cimport Cell, turn
from zoo.data.graphs.kernels.room cimport Edge, Site, Work, give_back, grow_edges, grow_images, grow_sites

cdef enum:
    BLOCK = 64  # images measured at once
    MAX_PAIRS = 1000000000  # atoms times images, a second's work where all have one height


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
        The crystals, one behind the other: crystal c owns the atoms ``offsets[c]:offsets[c + 1]``.
    start
        First radius: a sphere that holds so many atoms on average.
    tolerance, coincident, rounds
        `TIE_TOLERANCE`, `COINCIDENT` and `_ROUNDS` of `zoo.data.graphs.neighbors`.
    max_images
        Most images that are listed for a crystal.
    neighbors, distances : arrays of shape (atoms, k)
        Written to; neighbours are counted from the crystal's first atom.
    found : array of shape (crystals,)
        Written to: 1, or 0 for crystals that are left to the plain search.

    Raises
    ------
    MemoryError
        If there is no memory for a crystal.
    ValueError
        If the arrays do not fit together: nothing else would notice.
    """
    cdef Work work
    cdef Py_ssize_t crystal, first, n
    cdef int outcome = 0, k = <int>neighbors.shape[1]
    cdef bint fits = (
        frac.shape[0] == neighbors.shape[0] == distances.shape[0] == offsets[offsets.shape[0] - 1] == numbers.shape[0]
        and found.shape[0] == lattices.shape[0] == offsets.shape[0] - 1
        and neighbors.shape[1] == distances.shape[1] > 0
        and frac.shape[1] == lattices.shape[1] == lattices.shape[2] == 3
        and offsets[0] == 0
    )
    for crystal in range(offsets.shape[0] - 1):
        fits &= offsets[crystal] < offsets[crystal + 1]
    if not fits:
        raise ValueError("crystals and room for their neighbours do not fit together")
    memset(&work, 0, sizeof(Work))
    try:
        for crystal in range(found.shape[0]):
            PyErr_CheckSignals()
            first = offsets[crystal]
            n = offsets[crystal + 1] - first
            with nogil:
                outcome = grow_sites(&work, n)
                if outcome == 0:
                    outcome = _search(
                        &work, n, k, &frac[first, 0], &lattices[crystal, 0, 0], start, tolerance, coincident, max_images
                    )
                if outcome == 0:
                    _keep(&work, n, k, &numbers[first], rounds, &neighbors[first, 0], &distances[first, 0])
            if outcome < 0:
                raise MemoryError
            found[crystal] = outcome == 0
    finally:
        give_back(&work)


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
    Work *work,
    Py_ssize_t n,
    int k,
    const double *frac,
    const double *lattice,
    double start,
    double tolerance,
    double coincident,
    double max_images,
) noexcept nogil:
    """Find every atom's nearest neighbours, up to the tolerance beyond the k-th: 0, 1 (leave it) or -1 (no memory)."""
    cdef Cell cell
    cdef int last = turn(lattice, &cell), outcome
    cdef Py_ssize_t i, used = 0, count, low = 0
    cdef double radius
    cdef Site *site
    for i in range(n):
        site = &work.sites[i]
        site.a = frac[3 * i + (last + 1) % 3]
        site.b = frac[3 * i + (last + 2) % 3]
        site.c = frac[3 * i + last]
        site.a -= floor(site.a)
        site.b -= floor(site.b)
        site.c -= floor(site.c)
        site.atom = <int>i
    _sort_sites(work.sites, n)
    radius = (3.0 * start * cell.volume / (4.0 * 3.141592653589793 * n)) ** (1.0 / 3.0)
    outcome = _repeat(work, n, &cell, radius, max_images)
    i = 0
    while outcome == 0 and i < n:
        site = &work.sites[i]
        while work.z[low] < work.z[site.home] - radius:  # sites and images stand in the order of z
            low += 1
        count = _around(work, k, site.home, low, radius, tolerance, used)
        if count < 0:
            return -1
        if count < k or work.edges[used + k - 1].distance + tolerance > radius:
            radius *= 1.3
            low = 0
            outcome = _repeat(work, n, &cell, radius, max_images)
            continue
        if work.edges[used].distance < coincident:
            return 1
        site.start = <int>used
        site.shell = k - 1  # the shell of the k-th, which ties are broken in, begins here
        while (
            site.shell > 0
            and work.edges[used + site.shell - 1].distance >= work.edges[used + k - 1].distance - tolerance
        ):
            site.shell -= 1
        used += count
        site.end = <int>used
        i += 1
    return outcome


cdef int _repeat(Work *work, Py_ssize_t n, const Cell *cell, double radius, double max_images) noexcept nogil:
    """List the images of all sites that may be within a radius of a site in the cell, in the order of z.

    Returns 0, 1 (they would be too many) or -1 (no memory).
    """
    cdef double wide_a = radius / cell.height_a + 1e-9, wide_b = radius / cell.height_b + 1e-9
    cdef double wide_c = radius / cell.zz + 1e-9
    cdef double a_low = 1.0, a_high = 0.0, b_low = 1.0, b_high = 0.0
    cdef double a, b, c, a_start, t_b, t_c, most
    cdef Py_ssize_t i, used = 0
    cdef Site *site
    for i in range(n):
        site = &work.sites[i]
        a_low, a_high = min(a_low, site.a), max(a_high, site.a)
        b_low, b_high = min(b_low, site.b), max(b_high, site.b)
    a_low, a_high, b_low, b_high = a_low - wide_a, a_high + wide_a, b_low - wide_b, b_high + wide_b
    most = n * (a_high - a_low + 1.0) * (b_high - b_low + 1.0) * (2.0 * wide_c + 2.0)
    if not (most <= max_images and n * most <= MAX_PAIRS):  # or no number, where the cell has no volume
        return 1
    if grow_images(work, <Py_ssize_t>most + 1) < 0:
        return -1
    t_c = floor(work.sites[0].c - wide_c)
    while t_c <= work.sites[n - 1].c + wide_c:
        for i in range(n):
            site = &work.sites[i]
            c = site.c + t_c
            if c < work.sites[0].c - wide_c or c > work.sites[n - 1].c + wide_c:
                continue
            a_start = ceil(a_low - site.a)
            t_b = ceil(b_low - site.b)
            while site.b + t_b <= b_high:
                b = site.b + t_b
                a = site.a + a_start
                while a <= a_high:
                    if t_c == 0.0 and t_b == 0.0 and fabs(a - site.a) < 0.5:
                        site.home = <int>used
                    work.x[used] = a * cell.xx + b * cell.yx + c * cell.zx
                    work.y[used] = b * cell.yy + c * cell.zy
                    work.z[used] = c * cell.zz
                    work.point[used] = site.atom
                    used += 1
                    a += 1.0
                t_b += 1.0
        t_c += 1.0
    work.images = used
    return 0


cdef Py_ssize_t _around(
    Work *work, int k, Py_ssize_t home, Py_ssize_t low, double radius, double tolerance, Py_ssize_t used
) noexcept nogil:
    """Write the edges of the site at `home` behind the `used` ones, by distance; return how many, or -1 (no memory).

    Beyond the k-th, only those that are no farther than the tolerance behind it are kept.
    """
    cdef double square[BLOCK]
    cdef int hits[BLOCK]
    cdef int near, hit
    cdef const double *x = work.x
    cdef const double *y = work.y
    cdef const double *z = work.z
    cdef double x_0 = x[home], y_0 = y[home], z_0 = z[home]
    cdef double reach = radius, bound = radius * radius
    cdef Edge *edges
    cdef Py_ssize_t count = 0, i, size
    if grow_edges(work, used + k + 1) < 0:
        return -1
    edges = &work.edges[used]
    while low < work.images and z[low] - z_0 <= reach:
        size = min(BLOCK, work.images - low)
        for i in range(size):  # the compiler turns this into vector instructions
            square[i] = (
                (x[low + i] - x_0) * (x[low + i] - x_0)
                + (y[low + i] - y_0) * (y[low + i] - y_0)
                + (z[low + i] - z_0) * (z[low + i] - z_0)
            )
        near = 0
        for i in range(size):  # without a branch, which would be guessed wrongly at every neighbour
            hits[near] = <int>i
            near += square[i] <= bound
        for hit in range(near):
            i = hits[hit]
            if square[i] <= bound and low + i != home:
                if used + count >= work.edge_room:
                    if grow_edges(work, used + count + 1) < 0:
                        return -1
                    edges = &work.edges[used]
                count = _insert(edges, count, sqrt(square[i]), work.point[low + i])
                if count >= k:
                    reach = min(reach, edges[k - 1].distance + tolerance)
                    bound = reach * reach
                    while count > k and edges[count - 1].distance > reach:
                        count -= 1
        low += size
    return count


cdef Py_ssize_t _insert(Edge *edges, Py_ssize_t count, double distance, int point) noexcept nogil:
    """Insert an edge into sorted ones; return how many there are now."""
    cdef Py_ssize_t place = count
    while place > 0 and edges[place - 1].distance > distance:
        edges[place] = edges[place - 1]
        place -= 1
    edges[place].distance = distance
    edges[place].point = point
    return count + 1


cdef void _keep(
    Work *work,
    Py_ssize_t n,
    int k,
    const unsigned char *numbers,
    int rounds,
    int *neighbors,
    float *distances,
) noexcept nogil:
    """Write the k neighbours of every atom that are kept."""
    cdef Py_ssize_t i, j
    cdef Site *site
    cdef Edge *edges
    if work.sites[n - 1].end > n * k:
        memset(work.color, 0, n * sizeof(double))
        if _order_shells(work, n, k, numbers):
            _color(work, n, numbers, rounds)
            _order_shells(work, n, k, numbers)
    for i in range(n):
        site = &work.sites[i]
        edges = &work.edges[site.start]
        for j in range(k):
            neighbors[site.atom * k + j] = edges[j].point
            distances[site.atom * k + j] = <float>edges[j].distance


cdef void _color(Work *work, Py_ssize_t n, const unsigned char *numbers, int rounds) noexcept nogil:
    """Give every atom a number made of all that surrounds it, as `zoo.data.graphs.neighbors._rank_with_ties` says."""
    cdef Py_ssize_t i, j
    cdef int _round
    cdef double mixed
    cdef Site *site
    cdef Edge *edges = work.edges
    for i in range(n):
        work.color[i] = numbers[i]
    for i in range(work.sites[n - 1].end):
        work.weight[i] = exp(-edges[i].distance)
    for _round in range(rounds):
        for i in range(n):
            site = &work.sites[i]
            mixed = 0.0
            for j in range(site.start, site.end):
                mixed += work.weight[j] * sin(1.0 + 0.7310585 * work.color[edges[j].point] + edges[j].distance)
            work.mixed[site.atom] = cos(0.3678794 * work.color[site.atom]) + mixed
        work.color, work.mixed = work.mixed, work.color
    for i in range(n):
        work.color[i] = rint(work.color[i] * 1e7)


cdef bint _order_shells(Work *work, Py_ssize_t n, int k, const unsigned char *numbers) noexcept nogil:
    """Sort each shell that a k-th neighbour belongs to by element, then by colour.

    Returns whether colours decide which neighbours are kept: a shell is cut between atoms of one element.
    """
    cdef Py_ssize_t center, first, count, i, j
    cdef double color
    cdef unsigned char number
    cdef Edge edge
    cdef Edge *edges
    cdef bint undecided = False
    for center in range(n):
        edges = &work.edges[work.sites[center].start]
        count = work.sites[center].end - work.sites[center].start
        if count == k:
            continue
        first = work.sites[center].shell
        for i in range(first + 1, count):
            edge = edges[i]
            number, color = numbers[edge.point], work.color[edge.point]
            j = i
            while j > first and (
                numbers[edges[j - 1].point] > number
                or (numbers[edges[j - 1].point] == number and work.color[edges[j - 1].point] > color)
            ):
                edges[j] = edges[j - 1]
                j -= 1
            edges[j] = edge
        number = numbers[edges[k - 1].point]
        if numbers[edges[k].point] == number:
            for i in range(first, count):
                undecided |= numbers[edges[i].point] == number and edges[i].point != edges[k].point
    return undecided
