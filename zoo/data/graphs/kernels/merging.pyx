# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The merging of symmetric atoms and edges in `zoo.data.graphs.packing`, compiled; one crystal after the other."""

from libc.limits cimport INT_MAX
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from zoo.data.graphs.kernels.memory cimport resized

cdef struct Workspace:
    # Memory for the largest crystal.
    uint32_t *keys  # the bits of distances as integers, which sort like them
    uint32_t *other_keys
    int *order
    int *other_order
    int *kind
    double *length
    int *repeats
    uint64_t *edge
    uint64_t *color
    uint64_t *mixed
    uint64_t *table
    int *owner
    int *group
    int *first
    int slots


def merge(
    const uint8_t[::1] numbers not None,
    const int[:, ::1] neighbors not None,
    const float[:, ::1] distances not None,
    const long long[::1] offsets not None,
    double same,
    packed,
):
    """Merge the graphs of several crystals.

    Parameters
    ----------
    numbers, neighbors, distances, offsets
        The graphs, concatenated; neighbours are counted from the crystal's first atom.
    same
        `SAME_DISTANCE` of `zoo.data.graphs.packing`.
    packed : PackedGraphs
        Its arrays are written to; they are as long as if nothing could be merged.

    Returns
    -------
    int
        Number of distinct edges; that of distinct atoms is ``packed.offsets[-1]``.

    Raises
    ------
    MemoryError
        If there is no memory for the largest crystal.
    ValueError
        If the arrays do not fit together, a neighbour is not an atom of its crystal, or a distance is negative or NaN.
        Without this check they would be read beyond their ends.
    """
    cdef uint8_t[::1] kept_numbers = packed.numbers, degrees = packed.degrees, counts = packed.counts
    cdef int[::1] copies = packed.copies, kept_neighbors = packed.neighbors
    cdef float[::1] kept_distances = packed.distances
    cdef long long[::1] kept_offsets = packed.offsets
    cdef Workspace workspace
    cdef Py_ssize_t crystal, first, n, largest = 1, atoms = 0, edges = 0, groups
    cdef int k = <int>neighbors.shape[1]
    cdef Py_ssize_t atom, j
    cdef bint fits = offsets.shape[0] > 0 and numbers.shape[0] == offsets[offsets.shape[0] - 1]
    fits &= neighbors.shape[0] == distances.shape[0] == numbers.shape[0]
    fits &= distances.shape[1] == k and offsets[0] == 0
    fits &= kept_numbers.shape[0] == copies.shape[0] == degrees.shape[0] == numbers.shape[0]
    fits &= kept_neighbors.shape[0] == kept_distances.shape[0] == counts.shape[0] == numbers.shape[0] * k
    fits &= kept_offsets.shape[0] == offsets.shape[0]
    if not 0 < k < 256:
        raise ValueError(f"{k} neighbours per atom; 1 to 255 can be counted")
    for crystal in range(offsets.shape[0] - 1):
        fits &= offsets[crystal] <= offsets[crystal + 1]
        largest = max(largest, offsets[crystal + 1] - offsets[crystal])
    fits = fits and largest * k <= INT_MAX
    if fits:
        for crystal in range(offsets.shape[0] - 1):
            for atom in range(offsets[crystal], offsets[crystal + 1]):
                for j in range(k):
                    fits &= 0 <= neighbors[atom, j] < offsets[crystal + 1] - offsets[crystal]
                    fits &= distances[atom, j] >= 0
    if not fits:
        raise ValueError("the arrays do not fit together, or hold neighbours or distances that cannot be")
    memset(&workspace, 0, sizeof(Workspace))
    try:
        if not _allocate(&workspace, largest, k):
            raise MemoryError
        with nogil:
            kept_offsets[0] = 0
            for crystal in range(offsets.shape[0] - 1):
                first = offsets[crystal]
                n = offsets[crystal + 1] - first
                if n > 0:
                    _sort(&workspace, n * k, &distances[first, 0])
                    _measure(&workspace, n * k, &distances[first, 0], same)
                    groups = _refine(&workspace, n, k, &numbers[first], &neighbors[first, 0])
                    edges += _write(
                        &workspace, n, k, groups, &numbers[first], &neighbors[first, 0], &kept_numbers[atoms],
                        &copies[atoms], &degrees[atoms], &kept_neighbors[edges], &kept_distances[edges], &counts[edges],
                    )
                    atoms += groups
                kept_offsets[crystal + 1] = atoms
    finally:
        _free(&workspace)
    return edges


cdef bint _allocate(Workspace *workspace, Py_ssize_t n, int k) noexcept:
    """Allocate memory for n atoms; return whether there is enough."""
    workspace.slots = 4
    while workspace.slots < 2 * n:
        workspace.slots *= 2
    return (
        resized(<void **>&workspace.keys, n * k * sizeof(uint32_t))
        and resized(<void **>&workspace.other_keys, n * k * sizeof(uint32_t))
        and resized(<void **>&workspace.order, n * k * sizeof(int))
        and resized(<void **>&workspace.other_order, n * k * sizeof(int))
        and resized(<void **>&workspace.kind, n * k * sizeof(int))
        and resized(<void **>&workspace.length, n * k * sizeof(double))
        and resized(<void **>&workspace.repeats, n * k * sizeof(int))
        and resized(<void **>&workspace.edge, n * k * sizeof(uint64_t))
        and resized(<void **>&workspace.color, n * sizeof(uint64_t))
        and resized(<void **>&workspace.mixed, n * sizeof(uint64_t))
        and resized(<void **>&workspace.table, workspace.slots * sizeof(uint64_t))
        and resized(<void **>&workspace.owner, workspace.slots * sizeof(int))
        and resized(<void **>&workspace.group, n * sizeof(int))
        and resized(<void **>&workspace.first, n * sizeof(int))
    )


cdef void _free(Workspace *workspace) noexcept:
    free(workspace.keys)
    free(workspace.other_keys)
    free(workspace.order)
    free(workspace.other_order)
    free(workspace.kind)
    free(workspace.length)
    free(workspace.repeats)
    free(workspace.edge)
    free(workspace.color)
    free(workspace.mixed)
    free(workspace.table)
    free(workspace.owner)
    free(workspace.group)
    free(workspace.first)


cdef void _sort(Workspace *workspace, Py_ssize_t size, const float *distances) noexcept nogil:
    """Sort edges by distance: a radix sort of the bits, because positive floats sort as integers do."""
    cdef int total[4][256]
    cdef Py_ssize_t i, place
    cdef int digit, value, total_before, count
    cdef uint32_t key
    memset(total, 0, sizeof(total))
    memcpy(workspace.keys, distances, size * sizeof(uint32_t))
    for i in range(size):
        key = workspace.keys[i]
        workspace.order[i] = <int>i
        for digit in range(4):
            total[digit][(key >> (8 * digit)) & 255] += 1
    for digit in range(4):
        if total[digit][(workspace.keys[0] >> (8 * digit)) & 255] == size:
            continue  # all have the same byte here
        total_before = 0
        for value in range(256):
            count = total[digit][value]
            total[digit][value] = total_before
            total_before += count
        for i in range(size):
            key = workspace.keys[i]
            value = (key >> (8 * digit)) & 255
            place = total[digit][value]
            total[digit][value] += 1
            workspace.other_keys[place] = key
            workspace.other_order[place] = workspace.order[i]
        workspace.keys, workspace.other_keys = workspace.other_keys, workspace.keys
        workspace.order, workspace.other_order = workspace.other_order, workspace.order


cdef void _measure(Workspace *workspace, Py_ssize_t size, const float *distances, double same) noexcept nogil:
    """Number the crystal's distances; those that are very close to the next are merged into their mean."""
    cdef Py_ssize_t i
    cdef int kind = 0, edge
    cdef double before = distances[workspace.order[0]], distance
    workspace.length[0] = 0.0
    workspace.repeats[0] = 0
    for i in range(size):
        edge = workspace.order[i]
        distance = distances[edge]
        if distance - before > same:
            kind += 1
            workspace.length[kind] = 0.0
            workspace.repeats[kind] = 0
        before = distance
        workspace.kind[edge] = kind
        workspace.length[kind] += distance
        workspace.repeats[kind] += 1
    for i in range(kind + 1):
        workspace.length[i] /= workspace.repeats[i]


cdef inline uint64_t _mix(uint64_t value) noexcept nogil:
    """Scramble a 64-bit number (the finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)


cdef Py_ssize_t _refine(
    Workspace *workspace, Py_ssize_t n, int k, const uint8_t *numbers, const int *neighbors
) noexcept nogil:
    """Group atoms by environment, in order of first appearance; return the number of groups."""
    cdef Py_ssize_t i, j, found, now
    cdef uint64_t total
    for i in range(n):
        workspace.color[i] = _mix(numbers[i])
    for i in range(n * k):
        workspace.edge[i] = _mix(<uint64_t>workspace.kind[i] + <uint64_t>0x9E3779B97F4A7C15)
    found = 0
    now = _groups(workspace, n)
    while found < now < n:
        found = now
        for i in range(n):
            total = 0
            for j in range(i * k, (i + 1) * k):
                total += _mix(workspace.color[neighbors[j]] ^ workspace.edge[j])
            workspace.mixed[i] = _mix(workspace.color[i] * <uint64_t>0x9E3779B97F4A7C15 + total)
        workspace.color, workspace.mixed = workspace.mixed, workspace.color
        now = _groups(workspace, n)
    return now


cdef Py_ssize_t _groups(Workspace *workspace, Py_ssize_t n) noexcept nogil:
    """Number the distinct colours with a hash table; return how many there are."""
    cdef Py_ssize_t i, found = 0
    cdef int mask = workspace.slots - 1, slot
    while mask + 1 >= 4 * n and mask > 3:
        mask >>= 1
    memset(workspace.owner, 255, (mask + 1) * sizeof(int))
    for i in range(n):
        slot = <int>(workspace.color[i] & <uint64_t>mask)
        while workspace.owner[slot] >= 0 and workspace.table[slot] != workspace.color[i]:
            slot = (slot + 1) & mask
        if workspace.owner[slot] < 0:
            workspace.owner[slot] = <int>found
            workspace.table[slot] = workspace.color[i]
            workspace.first[found] = <int>i
            found += 1
        workspace.group[i] = workspace.owner[slot]
    return found


cdef Py_ssize_t _write(
    Workspace *workspace,
    Py_ssize_t n,
    int k,
    Py_ssize_t groups,
    const uint8_t *numbers,
    const int *neighbors,
    uint8_t *kept_numbers,
    int *copies,
    uint8_t *degrees,
    int *kept_neighbors,
    float *kept_distances,
    uint8_t *counts,
) noexcept nogil:
    """Write the first atom of every group and its distinct edges; return the number of edges."""
    cdef Py_ssize_t i, j, group, used = 0, begin
    cdef uint64_t key, before
    cdef uint64_t *keys = workspace.edge
    memset(copies, 0, groups * sizeof(int))
    for i in range(n):
        copies[workspace.group[i]] += 1
    for group in range(groups):
        i = workspace.first[group]
        kept_numbers[group] = numbers[i]
        for j in range(k):  # sorted by distance, then by the group of the other end
            key = (<uint64_t>workspace.kind[i * k + j] << 32) | <uint64_t>workspace.group[neighbors[i * k + j]]
            begin = j
            while begin > 0 and keys[begin - 1] > key:
                keys[begin] = keys[begin - 1]
                begin -= 1
            keys[begin] = key
        begin = used
        for j in range(k):
            key = keys[j]
            if j > 0 and key == before:
                counts[used - 1] += 1
                continue
            kept_neighbors[used] = <int>(key & <uint64_t>0xFFFFFFFF)
            kept_distances[used] = <float>workspace.length[key >> 32]
            counts[used] = 1
            before = key
            used += 1
        degrees[group] = <uint8_t>(used - begin)
    return used
