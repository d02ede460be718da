# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The symmetry operations of crystals about which no tolerance has to decide, compiled.

The cell is reduced to a primitive one, whose basis is Minkowski-reduced. Every map of that basis onto lattice vectors
of equal lengths and angles, and every translation that takes an atom of the rarest element to another, is tried on all
atoms. An operation holds if no atom misses by `inner`; it is none if one misses by `outer`. A crystal with anything in
between is left to spglib, whose answer then depends on the order in which it lowers its tolerance.
"""

import numpy as np

from libc.math cimport acos, fabs, floor, rint, sqrt
from libc.stdlib cimport free, malloc

cdef enum:
    MAX_OPERATIONS = 48
    REACH = 2  # images of a basis vector: sums of up to two of each
    IMAGES = 125
    MIN_BOXED = 64  # atoms from which a grid saves time


cdef struct Crystal:
    Py_ssize_t n
    double basis[9]  # rows, in Å
    double *places  # fractional, of n atoms
    int *species
    int *origin  # index of each atom in the cell that was given
    int *image  # the atom that an operation takes each atom to
    int *rarest
    Py_ssize_t rare
    int *first  # the first atom of each box of a grid over the cell, or -1
    int *next  # the next atom of its box, or -1; ascending
    int boxes  # along each vector
    double reach[3]  # fractional coordinates: atoms further apart than that are not within `outer`


cdef struct Limits:
    double inner  # Å
    double outer  # Å
    double inner_angle  # radians
    double outer_angle  # radians


def operations(
    const unsigned char[::1] numbers,
    const double[:, ::1] frac,
    const double[:, :, ::1] lattices,
    const long long[::1] offsets,
    double inner,
    double outer,
    double inner_angle,
    double outer_angle,
    int[:, :, :, ::1] rotations,
    double[:, :, ::1] translations,
    double[:, :, ::1] bases,
    int[::1] orbits,
    int[::1] counts,
):
    """Find the operations of the space groups of some crystals, one for each rotation.

    Parameters
    ----------
    numbers, frac, lattices, offsets
        The crystals, concatenated: crystal c owns the atoms ``offsets[c]:offsets[c + 1]``.
        Coordinates are fractional and finite; lattice vectors are rows, in Å.
    inner, outer, inner_angle, outer_angle
        Deviations (Å, radians) below which an operation holds, and above which it does not.
    rotations, translations : arrays of shape (crystals, 48, 3, 3) and (crystals, 48, 3)
        Written to: on columns of fractional coordinates, with respect to `bases`.
    bases : array of shape (crystals, 3, 3)
        Written to: primitive lattice vectors, as rows, in Å.
    orbits : array of shape (atoms,)
        Written to: the orbit of each atom of the primitive cell, as one of its atoms; -1 for other atoms.
    counts : array of shape (crystals,)
        Written to: the number of operations, or 0 for crystals that are left to spglib.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    cdef Py_ssize_t crystal, first, n, total = numbers.shape[0], crystals = counts.shape[0]
    cdef Limits limits = Limits(inner, outer, inner_angle, outer_angle)
    cdef bint fits = (
        frac.shape[0] == orbits.shape[0] == total
        and lattices.shape[0] == rotations.shape[0] == translations.shape[0] == bases.shape[0] == crystals
        and offsets.shape[0] == crystals + 1
        and rotations.shape[1] == translations.shape[1] == MAX_OPERATIONS
        and rotations.shape[2] == rotations.shape[3] == translations.shape[2] == bases.shape[1] == bases.shape[2] == 3
        and frac.shape[1] == lattices.shape[1] == lattices.shape[2] == 3
        and offsets[0] == 0
        and offsets[crystals] == total
    )
    for crystal in range(crystals if fits else 0):
        fits &= offsets[crystal] < offsets[crystal + 1]
    if not fits or not (np.isfinite(frac).all() and np.isfinite(lattices).all()):
        raise ValueError("the arrays of the crystals and of their operations do not fit together, or are not finite")
    with nogil:
        for crystal in range(crystals):
            first, n = offsets[crystal], offsets[crystal + 1] - offsets[crystal]
            counts[crystal] = _operations(
                n, &numbers[first], &frac[first, 0], &lattices[crystal, 0, 0], &limits,
                &rotations[crystal, 0, 0, 0], &translations[crystal, 0, 0], &bases[crystal, 0, 0], &orbits[first],
            )


cdef int _operations(
    Py_ssize_t n, const unsigned char *numbers, const double *frac, const double *lattice, const Limits *limits,
    int *rotations, double *translations, double *basis, int *orbits,
) noexcept nogil:
    cdef Crystal crystal
    cdef void *memory = malloc(n * (3 * sizeof(double) + 6 * sizeof(int)))
    cdef Py_ssize_t i
    cdef int found = 0
    if memory == NULL:
        return 0
    crystal.n = n
    crystal.places = <double *>memory
    crystal.species = <int *>(crystal.places + 3 * n)
    crystal.origin, crystal.image = crystal.species + n, crystal.species + 2 * n
    crystal.rarest, crystal.first, crystal.next = (
        crystal.species + 3 * n, crystal.species + 4 * n, crystal.species + 5 * n
    )
    for i in range(n):
        crystal.species[i], crystal.origin[i], orbits[i] = numbers[i], <int>i, -1
    for i in range(9):
        crystal.basis[i] = lattice[i]
    for i in range(3 * n):
        crystal.places[i] = frac[i]
    _change_basis(&crystal, lattice)  # to the reduced one
    _find_rarest(&crystal)
    _fill_boxes(&crystal, limits.outer)
    if _make_primitive(&crystal, limits):
        _find_rarest(&crystal)
        _fill_boxes(&crystal, limits.outer)
        for i in range(crystal.n):
            orbits[crystal.origin[i]] = crystal.origin[i]
        for i in range(9):
            basis[i] = crystal.basis[i]
        found = _search(&crystal, limits, rotations, translations, orbits)
    free(memory)
    return found


cdef void _change_basis(Crystal *crystal, const double *basis) noexcept nogil:
    """Reduce a basis, make it right-handed, and express the atoms in it."""
    cdef double old[9]
    cdef double inverse[9]
    cdef double change[9]
    cdef double volume, x, y, z
    cdef Py_ssize_t i, j, k
    for i in range(9):
        old[i], crystal.basis[i] = crystal.basis[i], basis[i]
    _reduce(crystal.basis)
    volume = _triple(crystal.basis, crystal.basis + 3, crystal.basis + 6)
    if volume < 0:
        for i in range(9):
            crystal.basis[i] = -crystal.basis[i]
        volume = -volume
    for i in range(3):  # columns of the inverse are cross products of the rows
        j, k = 3 * ((i + 1) % 3), 3 * ((i + 2) % 3)
        inverse[i] = (
            crystal.basis[j + 1] * crystal.basis[k + 2] - crystal.basis[j + 2] * crystal.basis[k + 1]
        ) / volume
        inverse[3 + i] = (crystal.basis[j + 2] * crystal.basis[k] - crystal.basis[j] * crystal.basis[k + 2]) / volume
        inverse[6 + i] = (crystal.basis[j] * crystal.basis[k + 1] - crystal.basis[j + 1] * crystal.basis[k]) / volume
    for i in range(3):
        for j in range(3):
            change[3 * i + j] = (
                old[3 * i] * inverse[j] + old[3 * i + 1] * inverse[3 + j] + old[3 * i + 2] * inverse[6 + j]
            )
    for i in range(crystal.n):
        x, y, z = crystal.places[3 * i], crystal.places[3 * i + 1], crystal.places[3 * i + 2]
        for j in range(3):
            crystal.places[3 * i + j] = x * change[j] + y * change[3 + j] + z * change[6 + j]
            crystal.places[3 * i + j] -= rint(crystal.places[3 * i + j])


cdef void _reduce(double *basis) noexcept nogil:
    """Minkowski-reduce a basis in place: no vector is shortened by adding the shorter ones."""
    cdef bint changed = True
    cdef Py_ssize_t i, j, k, rounds = 0
    cdef double turns
    while changed and rounds < 1000:
        changed = False
        rounds += 1
        for i in range(2):
            for j in range(2 - i):
                if _dot(basis + 3 * j, basis + 3 * j) > _dot(basis + 3 * j + 3, basis + 3 * j + 3):
                    for k in range(3):
                        basis[3 * j + k], basis[3 * j + 3 + k] = basis[3 * j + 3 + k], basis[3 * j + k]
        for i in range(1, 3):
            for j in range(i):
                turns = rint(_dot(basis + 3 * i, basis + 3 * j) / _dot(basis + 3 * j, basis + 3 * j))
                changed |= _shorten(basis + 3 * i, basis + 3 * j, -turns, basis + 3 * j, 0.0)
        for i in range(-1, 2, 2):
            for j in range(-1, 2, 2):
                changed |= _shorten(basis + 6, basis, i, basis + 3, j)


cdef bint _shorten(double *vector, const double *one, double first, const double *other, double second) noexcept nogil:
    """Add multiples of two vectors to another if that makes it shorter."""
    cdef double tried[3]
    cdef Py_ssize_t i
    for i in range(3):
        tried[i] = vector[i] + first * one[i] + second * other[i]
    if _dot(tried, tried) >= _dot(vector, vector) * (1 - 1e-9):
        return False
    for i in range(3):
        vector[i] = tried[i]
    return True


cdef void _find_rarest(Crystal *crystal) noexcept nogil:
    """List the atoms of the element that has the fewest."""
    cdef int counts[256]
    cdef Py_ssize_t i
    cdef int least = 0
    for i in range(256):
        counts[i] = 0
    for i in range(crystal.n):
        counts[crystal.species[i]] += 1
    for i in range(256):
        if counts[i] > 0 and (counts[least] == 0 or counts[i] < counts[least]):
            least = <int>i
    crystal.rare = 0
    for i in range(crystal.n):
        if crystal.species[i] == least:
            crystal.rarest[crystal.rare] = <int>i
            crystal.rare += 1


cdef void _fill_boxes(Crystal *crystal, double outer) noexcept nogil:
    """Sort the atoms of a large cell into boxes, so that an atom near a place is found in constant time."""
    cdef double area[3]
    cdef double volume = fabs(_triple(crystal.basis, crystal.basis + 3, crystal.basis + 6))
    cdef const double *one
    cdef const double *other
    cdef Py_ssize_t i, k, box
    crystal.boxes = 1
    while crystal.n >= MIN_BOXED and (crystal.boxes + 1) ** 3 <= crystal.n:
        crystal.boxes += 1
    for k in range(3):  # in fractions of the distance between opposite faces; some more, for rounding
        one, other = crystal.basis + 3 * ((k + 1) % 3), crystal.basis + 3 * ((k + 2) % 3)
        area[0] = one[1] * other[2] - one[2] * other[1]
        area[1] = one[2] * other[0] - one[0] * other[2]
        area[2] = one[0] * other[1] - one[1] * other[0]
        crystal.reach[k] = outer * sqrt(_dot(area, area)) / volume * (1 + 1e-6) + 1e-9
        if not crystal.reach[k] < 0.25:  # a flat cell
            crystal.boxes = 1
    for box in range(crystal.boxes ** 3):
        crystal.first[box] = -1
    for i in range(crystal.n - 1, -1, -1):
        box = 0
        for k in range(3):
            box = box * crystal.boxes + _box(crystal.places[3 * i + k], crystal.boxes)
        crystal.next[i], crystal.first[box] = crystal.first[box], <int>i


cdef inline int _box(double place, int boxes) noexcept nogil:
    return max(0, min(<int>((place - floor(place)) * boxes), boxes - 1))


cdef bint _make_primitive(Crystal *crystal, const Limits *limits) noexcept nogil:
    """Reduce a crystal to its primitive cell; return whether that was beyond doubt."""
    cdef int identity[9]
    cdef double shift[3]
    cdef double vector[3]
    cdef double basis[9]
    cdef double lengths[3]
    cdef double missed, length
    cdef Py_ssize_t i, j, k, m, c, translations = 1, atoms = 0, chosen
    cdef bint repeated
    for i in range(9):
        identity[i] = i % 4 == 0
    # Pure translations take the place of the rarest atoms that are not needed any more: the first stays first.
    for i in range(1, crystal.rare):
        for k in range(3):
            shift[k] = crystal.places[3 * crystal.rarest[i] + k] - crystal.places[3 * crystal.rarest[0] + k]
        missed = _misses(crystal, identity, shift, limits.outer)
        if missed >= limits.inner and missed < limits.outer:
            return False
        if missed < limits.inner:
            crystal.rarest[translations] = crystal.rarest[i]
            translations += 1
    if translations == 1:
        return True
    if crystal.n % translations:
        return False
    # The three shortest vectors that are not in one plane are a basis of a lattice in space.
    for chosen in range(3):
        lengths[chosen] = 1e300
        for i in range(translations):
            for m in range(27):
                for k in range(3):
                    shift[k] = crystal.places[3 * crystal.rarest[i] + k] - crystal.places[3 * crystal.rarest[0] + k]
                    shift[k] -= rint(shift[k])
                shift[0] += m // 9 - 1
                shift[1] += m // 3 % 3 - 1
                shift[2] += m % 3 - 1
                _to_cartesian(crystal.basis, shift, vector)
                length = sqrt(_dot(vector, vector))
                if length < limits.outer or length >= lengths[chosen]:
                    continue
                if chosen == 1 and fabs(_dot(vector, basis)) > 0.9 * length * lengths[0]:
                    continue
                if chosen == 2 and fabs(_triple(basis, basis + 3, vector)) < 0.3 * lengths[0] * lengths[1] * length:
                    continue
                lengths[chosen] = length
                for k in range(3):
                    basis[3 * chosen + k] = vector[k]
        if lengths[chosen] == 1e300:
            return False
    length = _triple(crystal.basis, crystal.basis + 3, crystal.basis + 6)
    if fabs(fabs(_triple(basis, basis + 3, basis + 6)) * translations / fabs(length) - 1) > 0.01:
        return False
    _change_basis(crystal, basis)
    for i in range(crystal.n):
        repeated = False
        for j in range(atoms):
            repeated |= crystal.species[j] == crystal.species[i] and _distance(crystal, i, j) < limits.outer
        if not repeated:
            crystal.species[atoms], crystal.origin[atoms] = crystal.species[i], crystal.origin[i]
            for k in range(3):
                crystal.places[3 * atoms + k] = crystal.places[3 * i + k]
            atoms += 1
    c = crystal.n // translations
    crystal.n = atoms
    return atoms == c


cdef int _search(
    Crystal *crystal, const Limits *limits, int *rotations, double *translations, int *orbits
) noexcept nogil:
    """Try all rotations of the lattice with all translations; return the number of operations, or 0 in doubt."""
    cdef int coefficients[IMAGES][3]
    cdef double vectors[IMAGES][3]
    cdef double lengths[IMAGES]
    cdef double sides[3]
    cdef double angles[3]
    cdef int rotation[9]
    cdef Py_ssize_t images = 0, a, b, c, i, m
    cdef int found = 0, outcome
    cdef double turned, tilted, worst
    cdef bint exact_a, exact_b, exact
    for a in range(crystal.n):
        for b in range(a):
            if _distance(crystal, a, b) < limits.outer:  # one atom written twice
                return 0
    for i in range(3):
        sides[i] = sqrt(_dot(crystal.basis + 3 * i, crystal.basis + 3 * i))
        angles[i] = _angle(crystal.basis + 3 * i, crystal.basis + 3 * ((i + 1) % 3))
    worst = max(sides[0], max(sides[1], sides[2])) + limits.outer
    for m in range(IMAGES):
        coefficients[images][0] = <int>(m // 25) - REACH
        coefficients[images][1] = <int>(m // 5 % 5) - REACH
        coefficients[images][2] = <int>(m % 5) - REACH
        for i in range(3):
            vectors[images][i] = (
                coefficients[images][0] * crystal.basis[i]
                + coefficients[images][1] * crystal.basis[3 + i]
                + coefficients[images][2] * crystal.basis[6 + i]
            )
        lengths[images] = sqrt(_dot(vectors[images], vectors[images]))
        if lengths[images] > limits.outer and lengths[images] < worst:
            images += 1
    for a in range(images):
        if fabs(lengths[a] - sides[0]) >= limits.outer:
            continue
        exact_a = fabs(lengths[a] - sides[0]) < limits.inner
        for b in range(images):
            if fabs(lengths[b] - sides[1]) >= limits.outer:
                continue
            turned = fabs(_angle(vectors[a], vectors[b]) - angles[0])
            if turned >= limits.outer_angle:
                continue
            exact_b = exact_a and fabs(lengths[b] - sides[1]) < limits.inner and turned < limits.inner_angle
            for c in range(images):
                if fabs(lengths[c] - sides[2]) >= limits.outer:
                    continue
                turned = fabs(_angle(vectors[b], vectors[c]) - angles[1])
                if turned >= limits.outer_angle:
                    continue
                tilted = fabs(_angle(vectors[c], vectors[a]) - angles[2])
                if tilted >= limits.outer_angle:
                    continue
                exact = (
                    exact_b and fabs(lengths[c] - sides[2]) < limits.inner
                    and turned < limits.inner_angle and tilted < limits.inner_angle
                )
                for i in range(3):  # rows of the basis are mapped, so columns of coordinates are by the transpose
                    rotation[3 * i] = coefficients[a][i]
                    rotation[3 * i + 1] = coefficients[b][i]
                    rotation[3 * i + 2] = coefficients[c][i]
                if abs(_determinant(rotation)) != 1:
                    continue
                outcome = _translate(crystal, limits, rotation, translations + 3 * found)
                if outcome == 0:
                    continue
                if outcome < 0 or not exact or found == MAX_OPERATIONS:
                    return 0
                for i in range(9):
                    rotations[9 * found + i] = rotation[i]
                for i in range(crystal.n):
                    _unite(orbits, crystal.origin[i], crystal.origin[crystal.image[i]])
                found += 1
                if found == MAX_OPERATIONS:
                    break
            if found == MAX_OPERATIONS:
                break
        if found == MAX_OPERATIONS:
            break
    for i in range(crystal.n):
        orbits[crystal.origin[i]] = _root(orbits, crystal.origin[i])
    return found


cdef int _translate(Crystal *crystal, const Limits *limits, const int *rotation, double *shift) noexcept nogil:
    """Find the translation that belongs to a rotation: 1, 0 if there is none, -1 in doubt."""
    cdef double turned[3]
    cdef double missed
    cdef Py_ssize_t i, k
    # All translations of a primitive cell's operation are equal up to lattice vectors: one is enough.
    for i in range(crystal.rare):
        _rotate(rotation, crystal.places + 3 * crystal.rarest[0], turned)
        for k in range(3):
            shift[k] = crystal.places[3 * crystal.rarest[i] + k] - turned[k]
            shift[k] -= rint(shift[k])
        missed = _misses(crystal, rotation, shift, limits.outer)
        if missed < limits.inner:
            return 1
        if missed < limits.outer:
            return -1
    return 0


cdef double _misses(Crystal *crystal, const int *rotation, double *shift, double outer) noexcept nogil:
    """Return by how much (Å) an operation misses, at most; `outer` or more if it takes an atom to none.

    Where it holds, the images of the atoms are noted, and the translation is corrected to the mean over the atoms.
    """
    cdef double turned[3]
    cdef double apart[3]
    cdef double offset[3]
    cdef double mean[3]
    cdef double nearest[3]
    cdef double square, met_square, largest = 0.0
    cdef Py_ssize_t i, k
    cdef int low[3]
    cdef int high[3]
    cdef int a, b, c, j, met, boxes = crystal.boxes
    mean[0] = mean[1] = mean[2] = 0.0
    for i in range(crystal.n):
        _rotate(rotation, crystal.places + 3 * i, turned)
        for k in range(3):
            turned[k] += shift[k]
            low[k] = _box(turned[k] - crystal.reach[k], boxes)
            high[k] = _box(turned[k] + crystal.reach[k], boxes)
            high[k] += boxes if high[k] < low[k] else 0
        met, met_square = -1, 0
        for a in range(low[0], high[0] + 1):
            for b in range(low[1], high[1] + 1):
                for c in range(low[2], high[2] + 1):
                    j = crystal.first[(a % boxes * boxes + b % boxes) * boxes + c % boxes]
                    while j >= 0 and (met < 0 or j < met):  # the first atom that is near
                        if crystal.species[j] == crystal.species[i]:
                            for k in range(3):
                                apart[k] = crystal.places[3 * j + k] - turned[k]
                                apart[k] -= rint(apart[k])
                            _to_cartesian(crystal.basis, apart, offset)
                            square = _dot(offset, offset)
                            if square < outer * outer:
                                met, met_square = j, square
                                for k in range(3):
                                    nearest[k] = apart[k]
                                break
                        j = crystal.next[j]
        if met < 0:
            return outer
        largest = max(largest, met_square)
        crystal.image[i] = met
        for k in range(3):
            mean[k] += nearest[k] / crystal.n
    for k in range(3):
        shift[k] += mean[k]
    return sqrt(largest)


cdef double _distance(const Crystal *crystal, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Return the distance (Å) of two atoms; right for near ones, as rounding finds their nearest images."""
    cdef double apart[3]
    cdef double offset[3]
    cdef Py_ssize_t k
    for k in range(3):
        apart[k] = crystal.places[3 * i + k] - crystal.places[3 * j + k]
        apart[k] -= rint(apart[k])
    _to_cartesian(crystal.basis, apart, offset)
    return sqrt(_dot(offset, offset))


cdef inline void _rotate(const int *rotation, const double *place, double *turned) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(3):
        turned[i] = rotation[3 * i] * place[0] + rotation[3 * i + 1] * place[1] + rotation[3 * i + 2] * place[2]


cdef inline void _to_cartesian(const double *basis, const double *place, double *vector) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(3):
        vector[i] = place[0] * basis[i] + place[1] * basis[3 + i] + place[2] * basis[6 + i]


cdef inline double _dot(const double *one, const double *other) noexcept nogil:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


cdef inline double _triple(const double *a, const double *b, const double *c) noexcept nogil:
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    )


cdef inline int _determinant(const int *m) noexcept nogil:
    return (
        m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6])
    )


cdef inline double _angle(const double *one, const double *other) noexcept nogil:
    cdef double cosine = _dot(one, other) / sqrt(_dot(one, one) * _dot(other, other))
    return acos(max(-1.0, min(1.0, cosine)))


cdef inline int _root(const int *orbits, int atom) noexcept nogil:
    while orbits[atom] != atom:
        atom = orbits[atom]
    return atom


cdef inline void _unite(int *orbits, int one, int other) noexcept nogil:
    one, other = _root(orbits, one), _root(orbits, other)
    orbits[max(one, other)] = min(one, other)
