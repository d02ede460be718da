# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What symmetry repeats, merged as in `zoo.data.graphs.packing`, compiled: one crystal after the other."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from zoo.data.graphs.kernels.memory cimport resized

cdef struct Work:
    # Room for the largest crystal.
    uint32_t *keys  # distances as whole numbers, which sort alike
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
    const uint8_t[::1] numbers,
    const int[:, ::1] neighbors,
    const float[:, ::1] distances,
    const long long[::1] offsets,
    double same,
    packed,
):
    """Merge the graphs of some crystals.

    Parameters
    ----------
    numbers, neighbors, distances, offsets
        The graphs, one behind the other; neighbours are counted from the crystal's first atom.
    same
        `SAME_DISTANCE` of `zoo.data.graphs.packing`.
    packed : PackedGraphs
        Its arrays are written to; they have room for as many atoms and edges as there are before.

    Returns
    -------
    int
        Number of edges that are left; ``packed.offsets[-1]`` atoms are.

    Raises
    ------
    MemoryError
        If there is no memory for the largest crystal.
    ValueError
        If the arrays do not fit together, a neighbour is no atom of its crystal, or a distance is negative or no
        number: nothing else would notice.
    """
    cdef uint8_t[::1] kept_numbers = packed.numbers, degrees = packed.degrees, counts = packed.counts
    cdef int[::1] copies = packed.copies, kept_neighbors = packed.neighbors
    cdef float[::1] kept_distances = packed.distances
    cdef long long[::1] kept_offsets = packed.offsets
    cdef Work work
    cdef Py_ssize_t crystal, first, n, largest = 1, atoms = 0, edges = 0, groups
    cdef int k = <int>neighbors.shape[1]
    cdef Py_ssize_t atom, j
    cdef bint fits = neighbors.shape[0] == distances.shape[0] == numbers.shape[0] == offsets[offsets.shape[0] - 1]
    fits &= distances.shape[1] == k and offsets[0] == 0
    fits &= kept_numbers.shape[0] == copies.shape[0] == degrees.shape[0] == numbers.shape[0]
    fits &= kept_neighbors.shape[0] == kept_distances.shape[0] == counts.shape[0] == numbers.shape[0] * k
    fits &= kept_offsets.shape[0] == offsets.shape[0]
    if not 0 < k < 256:
        raise ValueError(f"{k} neighbours an atom; 1 to 255 can be counted")
    for crystal in range(offsets.shape[0] - 1):
        fits &= offsets[crystal] <= offsets[crystal + 1]
        largest = max(largest, offsets[crystal + 1] - offsets[crystal])
    if fits:
        for crystal in range(offsets.shape[0] - 1):
            for atom in range(offsets[crystal], offsets[crystal + 1]):
                for j in range(k):
                    fits &= 0 <= neighbors[atom, j] < offsets[crystal + 1] - offsets[crystal]
                    fits &= distances[atom, j] >= 0
    if not fits:
        raise ValueError("graphs whose neighbours are no atoms of theirs, or at no distance")
    memset(&work, 0, sizeof(Work))
    try:
        if not _allocate(&work, largest, k):
            raise MemoryError
        with nogil:
            kept_offsets[0] = 0
            for crystal in range(offsets.shape[0] - 1):
                first = offsets[crystal]
                n = offsets[crystal + 1] - first
                if n > 0:
                    _sort(&work, n * k, &distances[first, 0])
                    _measure(&work, n * k, &distances[first, 0], same)
                    groups = _refine(&work, n, k, &numbers[first], &neighbors[first, 0])
                    edges += _write(
                        &work, n, k, groups, &numbers[first], &neighbors[first, 0], &kept_numbers[atoms],
                        &copies[atoms], &degrees[atoms], &kept_neighbors[edges], &kept_distances[edges], &counts[edges],
                    )
                    atoms += groups
                kept_offsets[crystal + 1] = atoms
    finally:
        _free(&work)
    return edges


cdef bint _allocate(Work *work, Py_ssize_t n, int k) noexcept:
    """Make room for n atoms; tell whether there is enough memory."""
    work.slots = 4
    while work.slots < 2 * n:
        work.slots *= 2
    return (
        resized(<void **>&work.keys, n * k * sizeof(uint32_t))
        and resized(<void **>&work.other_keys, n * k * sizeof(uint32_t))
        and resized(<void **>&work.order, n * k * sizeof(int))
        and resized(<void **>&work.other_order, n * k * sizeof(int))
        and resized(<void **>&work.kind, n * k * sizeof(int))
        and resized(<void **>&work.length, n * k * sizeof(double))
        and resized(<void **>&work.repeats, n * k * sizeof(int))
        and resized(<void **>&work.edge, n * k * sizeof(uint64_t))
        and resized(<void **>&work.color, n * sizeof(uint64_t))
        and resized(<void **>&work.mixed, n * sizeof(uint64_t))
        and resized(<void **>&work.table, work.slots * sizeof(uint64_t))
        and resized(<void **>&work.owner, work.slots * sizeof(int))
        and resized(<void **>&work.group, n * sizeof(int))
        and resized(<void **>&work.first, n * sizeof(int))
    )


cdef void _free(Work *work) noexcept:
    free(work.keys)
    free(work.other_keys)
    free(work.order)
    free(work.other_order)
    free(work.kind)
    free(work.length)
    free(work.repeats)
    free(work.edge)
    free(work.color)
    free(work.mixed)
    free(work.table)
    free(work.owner)
    free(work.group)
    free(work.first)


cdef void _sort(Work *work, Py_ssize_t size, const float *distances) noexcept nogil:
    """Sort edges by distance, byte by byte from the last to the first (positive floats sort as whole numbers do)."""
    cdef int total[4][256]
    cdef Py_ssize_t i, place
    cdef int digit, value, sum_, here
    cdef uint32_t key
    memset(total, 0, sizeof(total))
    memcpy(work.keys, distances, size * sizeof(uint32_t))
    for i in range(size):
        key = work.keys[i]
        work.order[i] = <int>i
        for digit in range(4):
            total[digit][(key >> (8 * digit)) & 255] += 1
    for digit in range(4):
        if total[digit][(work.keys[0] >> (8 * digit)) & 255] == size:
            continue  # all have this byte in common
        sum_ = 0
        for value in range(256):
            here = total[digit][value]
            total[digit][value] = sum_
            sum_ += here
        for i in range(size):
            key = work.keys[i]
            value = (key >> (8 * digit)) & 255
            place = total[digit][value]
            total[digit][value] += 1
            work.other_keys[place] = key
            work.other_order[place] = work.order[i]
        work.keys, work.other_keys = work.other_keys, work.keys
        work.order, work.other_order = work.other_order, work.order


cdef void _measure(Work *work, Py_ssize_t size, const float *distances, double same) noexcept nogil:
    """Number the crystal's distances: those that follow each other closely are one, the mean of them."""
    cdef Py_ssize_t i
    cdef int kind = 0, edge
    cdef double before = distances[work.order[0]], distance
    work.length[0] = 0.0
    work.repeats[0] = 0
    for i in range(size):
        edge = work.order[i]
        distance = distances[edge]
        if distance - before > same:
            kind += 1
            work.length[kind] = 0.0
            work.repeats[kind] = 0
        before = distance
        work.kind[edge] = kind
        work.length[kind] += distance
        work.repeats[kind] += 1
    for i in range(kind + 1):
        work.length[i] /= work.repeats[i]


cdef inline uint64_t _mix(uint64_t value) noexcept nogil:
    """Scramble a number (the finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)


cdef Py_ssize_t _refine(Work *work, Py_ssize_t n, int k, const uint8_t *numbers, const int *neighbors) noexcept nogil:
    """Group atoms by environment, in the order in which groups appear; return how many groups there are."""
    cdef Py_ssize_t i, j, found, now
    cdef uint64_t total
    for i in range(n):
        work.color[i] = _mix(numbers[i])
    for i in range(n * k):
        work.edge[i] = _mix(<uint64_t>work.kind[i] + <uint64_t>0x9E3779B97F4A7C15)
    found = 0
    now = _groups(work, n)
    while found < now < n:
        found = now
        for i in range(n):
            total = 0
            for j in range(i * k, (i + 1) * k):
                total += _mix(work.color[neighbors[j]] ^ work.edge[j])
            work.mixed[i] = _mix(work.color[i] * <uint64_t>0x9E3779B97F4A7C15 + total)
        work.color, work.mixed = work.mixed, work.color
        now = _groups(work, n)
    return now


cdef Py_ssize_t _groups(Work *work, Py_ssize_t n) noexcept nogil:
    """Number the colours that there are."""
    cdef Py_ssize_t i, found = 0
    cdef int mask = work.slots - 1, slot
    while mask + 1 >= 4 * n and mask > 3:
        mask >>= 1
    memset(work.owner, 255, (mask + 1) * sizeof(int))
    for i in range(n):
        slot = <int>(work.color[i] & <uint64_t>mask)
        while work.owner[slot] >= 0 and work.table[slot] != work.color[i]:
            slot = (slot + 1) & mask
        if work.owner[slot] < 0:
            work.owner[slot] = <int>found
            work.table[slot] = work.color[i]
            work.first[found] = <int>i
            found += 1
        work.group[i] = work.owner[slot]
    return found


cdef Py_ssize_t _write(
    Work *work,
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
    """Write the first atom of every group, and of its equal edges one; return how many edges."""
    cdef Py_ssize_t i, j, group, used = 0, begin
    cdef uint64_t key, before
    cdef uint64_t *keys = work.edge
    memset(copies, 0, groups * sizeof(int))
    for i in range(n):
        copies[work.group[i]] += 1
    for group in range(groups):
        i = work.first[group]
        kept_numbers[group] = numbers[i]
        for j in range(k):  # sorted by distance, then by what is at the other end
            key = (<uint64_t>work.kind[i * k + j] << 32) | <uint64_t>work.group[neighbors[i * k + j]]
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
            kept_distances[used] = <float>work.length[key >> 32]
            counts[used] = 1
            before = key
            used += 1
        degrees[group] = <uint8_t>(used - begin)
    return used
