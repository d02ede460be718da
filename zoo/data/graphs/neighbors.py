"""Crystals → crystal graphs.

A graph holds only what is expensive to compute: the atomic numbers, and for each atom the indices and distances of
its nearest neighbours. The network looks up atom features and expands distances itself.

**Ties.** Keeping exactly 12 neighbours cuts through a coordination shell whenever the 12th and the 13th neighbour are
equally far away, as in every body-centred or perovskite crystal. The selected members of the shell, and hence the
prediction, would then depend on the order of atoms in the file. ``ties="environment"`` breaks ties by the environments
of the candidates, which are invariant under reordering, translation, rotation and supercells. ``ties="order"`` is
the original authors' rule (first come, first kept), for their checkpoints.

**Two implementations.** The compiled search (:mod:`zoo.data.graphs.kernels.nearest`) handles nearly all crystals. The
NumPy search in this module, built on pymatgen's, handles the rest, or all if zoo was built without a compiler.
``tests/equivalence`` checks that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo._utils import compiled
from zoo.data.crystal import SYMBOLS, Crystal
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

TIE_TOLERANCE = 1e-4
"""Distances (Å) that differ by less belong to one shell; relaxed geometries are not more accurate."""

COINCIDENT = 0.1
"""Two atoms closer than this (Å) are duplicates; the shortest bond, H-H, is 0.74 Å."""

MAX_IMAGES = 2_000_000
"""Largest number of atoms, including periodic images, examined by one search (at most 3 s and 0.5 GB)."""

MAX_NEIGHBORS = 255
"""Largest number of neighbours per atom: packed graphs count equal ones in a byte."""

_MAX_LISTED_IMAGES = 1_000_000
"""Largest number of images listed by the compiled search; the rare cells that need more go to the NumPy search."""

_MAX_UNWRAPPED = 10.0
"""Fractional coordinates beyond this are wrapped into the cell even if the last bit of a distance matters."""

_START = 1.7
"""Average number of atoms in the first search sphere, relative to the number of neighbours needed."""

_REFINEMENTS = 4
"""Rounds of colour refinement: the range, in hops, of a neighbour's environment."""

_CRYSTALS_PER_CHUNK = 256
_PERIODIC = np.ones(3, dtype=np.int64)


@dataclass(frozen=True)
class GraphSettings:
    """Settings of graph construction; part of every checkpoint.

    Parameters
    ----------
    cutoff : float
        Search radius in Å. It is enlarged for atoms with too few neighbours: a crystal is infinite, so there are always
        enough, and no artificial edges are added.
    neighbors : int
        Number of nearest neighbours kept per atom, 1 to 255.
    ties : {"environment", "order"}
        Rule that selects among equally distant neighbours; see above.

    Raises
    ------
    InputError
        If `neighbors` is not within 1 to 255.
    """

    cutoff: float = 8.0
    neighbors: int = 12
    ties: Literal["environment", "order"] = "environment"

    def __post_init__(self) -> None:
        if not 1 <= self.neighbors <= MAX_NEIGHBORS:
            raise InputError(f"{self.neighbors} neighbours per atom; choose 1 to {MAX_NEIGHBORS}")


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """A crystal of n atoms, each with k neighbours.

    Parameters
    ----------
    numbers : array of shape (n,), uint8
        Atomic numbers.
    neighbors : array of shape (n, k), int32
        Index of the atom that each neighbour is a periodic image of.
    distances : array of shape (n, k), float32
        Distances to the neighbours in Å, ascending up to the tie tolerance.
    """

    numbers: NDArray[np.uint8]
    neighbors: NDArray[np.int32]
    distances: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return self.numbers.nbytes + self.neighbors.nbytes + self.distances.nbytes

    def copy(self) -> CrystalGraph:
        """Return a copy with arrays of its own."""
        return CrystalGraph(self.numbers.copy(), self.neighbors.copy(), self.distances.copy())


def build_graph(crystal: Crystal, settings: GraphSettings | None = None) -> CrystalGraph:
    """Find the nearest neighbours of every atom.

    Parameters
    ----------
    crystal : Crystal
    settings : GraphSettings, optional
        Cutoff, number of neighbours and tie rule; the defaults are those of Xie & Grossman,
        PRL 120, 145301 (2018), with invariant ties.

    Raises
    ------
    InputError
        If two atoms share a site, or the cell is so flat or skewed that the search would examine more than
        `MAX_IMAGES` atoms. The message gives only the reason.
    """
    (graph,) = build_graphs([crystal], settings)
    if isinstance(graph, InputError):
        raise graph
    return graph


def build_graphs(
    crystals: Iterable[Crystal], settings: GraphSettings | None = None
) -> Iterator[CrystalGraph | InputError]:
    """Yield the graphs in order; a crystal without a graph yields the error instead."""
    settings = settings or GraphSettings()
    fast = compiled.nearest is not None and settings.ties == "environment"
    stream = iter(crystals)
    while chunk := list(islice(stream, _CRYSTALS_PER_CHUNK)):
        whole = [crystal for crystal in chunk if crystal.has_structure]
        built = iter(_build_compiled(whole, settings) if fast and whole else _build(whole, settings))
        for crystal in chunk:
            yield (
                next(built)
                if crystal.has_structure
                else InputError(
                    f"only the formula {crystal.formula.replace(' ', '')} is known, and a graph needs a structure"
                )
            )


def _build_compiled(crystals: Sequence[Crystal], settings: GraphSettings) -> list[CrystalGraph | InputError]:
    """Build graphs with the compiled search, falling back to NumPy for the crystals that it cannot handle.

    The result does not depend on the initial search radius, so the two may choose different ones.
    """
    assert compiled.nearest is not None
    offsets = np.cumsum([0, *(len(crystal.numbers) for crystal in crystals)], dtype=np.int64)
    neighbors = np.empty((offsets[-1], settings.neighbors), dtype=np.int32)
    distances = np.empty((offsets[-1], settings.neighbors), dtype=np.float32)
    found = np.empty(len(crystals), dtype=np.uint8)
    try:
        compiled.nearest.nearest(
            np.concatenate([crystal.numbers for crystal in crystals]),
            np.concatenate([crystal.frac for crystal in crystals]),
            np.concatenate([crystal.lattice for crystal in crystals]).reshape(-1, 3, 3),
            offsets,
            _START * settings.neighbors,
            TIE_TOLERANCE,
            COINCIDENT,
            _MAX_LISTED_IMAGES,
            _REFINEMENTS,
            neighbors,
            distances,
            found,
        )
    except MemoryError:
        found[:] = 0  # one crystal at a time, so that only the large ones fail
    ends = offsets.tolist()
    return [
        CrystalGraph(crystal.numbers, neighbors[start:end], distances[start:end])
        if done
        else _build([crystal], settings)[0]
        for crystal, start, end, done in zip(crystals, ends, ends[1:], found.tolist(), strict=False)
    ]


@dataclass(frozen=True)
class _Edges:
    """Edges of several crystals with consecutively numbered atoms."""

    center: NDArray[np.int64]
    neighbor: NDArray[np.int64]
    distance: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return self.center, self.neighbor, self.distance

    @classmethod
    def sort(cls, parts: Sequence[_Edges], *, exact: bool) -> _Edges:
        """Join edges and sort them by centre, then by distance."""
        center = np.concatenate([part.center for part in parts])
        distance = np.concatenate([part.distance for part in parts])
        if exact:
            order = np.lexsort((distance, center))
        else:  # three times as fast; distances that differ by less than 1e-10 Å are not reordered
            order = np.argsort(center * (float(distance.max()) + 1.0) + distance, kind="stable")
        return cls(center[order], np.concatenate([part.neighbor for part in parts])[order], distance[order])

    def __getitem__(self, chosen: NDArray[np.bool_]) -> _Edges:
        return _Edges(self.center[chosen], self.neighbor[chosen], self.distance[chosen])


def _build(crystals: Sequence[Crystal], settings: GraphSettings) -> list[CrystalGraph | InputError]:
    """Build graphs with NumPy; after the search, the edges of all crystals are processed together."""
    errors: list[InputError | None] = []
    parts, fine, atoms = [], [], 0
    for crystal in crystals:
        try:
            parts.append(_search(crystal, settings, atoms))
        except InputError as error:
            errors.append(error)
        except MemoryError:
            errors.append(InputError("there is not enough memory to search for its neighbours"))
        else:
            fine.append(crystal)
            atoms += len(crystal)
            errors.append(None)
    graphs = iter(_keep_nearest(fine, _Edges.sort(parts, exact=settings.ties == "order"), settings) if fine else ())
    return [error or next(graphs) for error in errors]


def _keep_nearest(
    crystals: Sequence[Crystal], edges: _Edges, settings: GraphSettings
) -> Iterator[CrystalGraph | InputError]:
    """Keep the nearest neighbours of every atom, given all edges up to the tie tolerance beyond them."""
    k = settings.neighbors
    numbers = np.concatenate([crystal.numbers for crystal in crystals])
    offsets = np.cumsum([0, *(len(crystal) for crystal in crystals)])
    atoms = len(numbers)
    counts = np.bincount(edges.center, minlength=atoms)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(edges.center)) - np.repeat(starts, counts)
    nearest, nearest_atom = edges.distance[starts], edges.neighbor[starts]
    if settings.ties == "environment":
        last = edges.distance[starts + k - 1]
        closed = edges.distance <= np.repeat(last + TIE_TOLERANCE, counts)
        crystal_of_edge = np.repeat(np.arange(len(crystals)), np.diff(offsets))[edges.center]
        tied = np.bincount(crystal_of_edge[closed], minlength=len(crystals)) > k * np.diff(offsets)
        shells = closed & tied[crystal_of_edge]
        rank[shells] = _rank_by_environment(numbers, edges[shells], rank[shells], last)
        rank[~closed] = k
    kept = rank < k
    place = edges.center[kept] * k + rank[kept]
    neighbors, distances = np.empty(atoms * k, dtype=np.int32), np.empty(atoms * k, dtype=np.float32)
    neighbors[place] = edges.neighbor[kept]
    distances[place] = edges.distance[kept]
    for crystal, start, end in zip(crystals, offsets, offsets[1:], strict=False):
        if nearest[start:end].min() < COINCIDENT:
            i = int(nearest[start:end].argmin())
            j = int(nearest_atom[start + i] - start)
            yield _coincidence(crystal, i, j, float(nearest[start + i]))
            continue
        own, shape = slice(start * k, end * k), (len(crystal), k)
        yield CrystalGraph(
            crystal.numbers, (neighbors[own] - np.int32(start)).reshape(shape), distances[own].reshape(shape)
        )


def _coincidence(crystal: Crystal, i: int, j: int, distance: float) -> InputError:
    one, other = (f"{atom + 1} ({SYMBOLS[crystal.numbers[atom]]})" for atom in (i, j))
    return InputError(f"atoms {one} and {other} occupy the same site ({distance:.3f} Å apart)")


def _search(crystal: Crystal, settings: GraphSettings, first: int) -> _Edges:
    """Return the edges of a crystal, whose atoms are numbered from `first`.

    Every centre gets at least ``settings.neighbors`` edges, and all edges up to the tie tolerance beyond the last
    of them.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    n, k = len(crystal), settings.neighbors
    radius = settings.cutoff
    frac = crystal.frac
    if settings.ties == "environment" or np.abs(frac).max() > _MAX_UNWRAPPED:
        frac = frac - np.floor(frac)  # the search allocates all cells between the atoms
    if settings.ties == "environment":
        cartesian = np.ascontiguousarray(frac @ crystal.lattice)
        # The result does not depend on the initial radius: start with a few more neighbours than needed.
        radius = min(radius, (3 * _START * k * crystal.volume / (4 * np.pi * n)) ** (1 / 3))
    else:
        # The authors' rule depends on the last bit of each distance and on the order in which pymatgen reports
        # neighbours within the full cutoff. So coordinates are computed as in pymatgen, site by site.
        cartesian = np.array([np.dot(site, crystal.lattice) for site in frac])
    pending = np.arange(n)
    parts: list[_Edges] = []
    while len(pending):
        _check_size(crystal, radius)
        center, neighbor, _, distance = find_points_in_spheres(
            cartesian,
            cartesian if len(pending) == n else np.ascontiguousarray(cartesian[pending]),
            r=float(radius),
            pbc=_PERIODIC,
            lattice=crystal.lattice,
            tol=1e-8,
        )
        center = pending[center]
        real = (center != neighbor) | (distance > 1e-8)
        edges = _Edges(center, neighbor, distance)[real]
        inside = np.bincount(edges.center[edges.distance <= radius - TIE_TOLERANCE], minlength=n)
        done = inside[pending] >= k
        if done.all():
            parts.append(edges)
            break
        finished = np.zeros(n, dtype=bool)
        finished[pending[done]] = True
        parts.append(edges[finished[edges.center]])
        pending = pending[~done]
        radius = min(radius * 1.3, settings.cutoff) if radius < settings.cutoff else radius * 1.3
    center, neighbor, distance = (np.concatenate(each) for each in zip(*map(_Edges.arrays, parts), strict=True))
    return _Edges(center + first, neighbor + first, distance)


def _check_size(crystal: Crystal, radius: float) -> None:
    """Refuse a search that would examine very many images, as in a cell whose lattice planes are close together."""
    a, b, c = crystal.lattice
    # Cheap bound first: the smallest height of the cell is its volume over the largest face, which is at most the
    # product of the two longest vectors.
    lengths = sorted(float(np.sqrt(vector @ vector)) for vector in (a, b, c))
    min_height = crystal.volume / (lengths[1] * lengths[2])
    if len(crystal) * (2 * radius / min_height + 3) ** 3 < MAX_IMAGES:
        return
    heights = 1 / np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    images = len(crystal) * float(np.prod(2 * np.ceil(radius / heights) + 1))
    if images > MAX_IMAGES:
        raise InputError(
            f"the cell is too flat or too skewed: its planes are {heights.min():.3g} Å apart, and {images:.2g} atoms "
            f"would have to be examined within {radius:.3g} Å; use a reduced cell"
        )


def _rank_by_environment(
    numbers: NDArray[np.uint8], edges: _Edges, rank: NDArray[np.int64], last: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rank the candidates in each atom's last shell by element, then by environment.

    The environment is a colour refined over `_REFINEMENTS` hops, as in the Weisfeiler-Leman test: a number that
    depends on the neighbour's element and on the distances and colours of all atoms in its own closed shell. Two tied
    neighbours of equal colour are indistinguishable to that many convolutions, so either may be kept.

    Parameters
    ----------
    numbers : array of shape (n,)
        Atomic numbers.
    edges : _Edges
        E edges: those of each atom up to the tie tolerance beyond its k-th.
    rank : array of shape (E,)
        Rank of each edge at its centre by distance.
    last : array of shape (n,)
        Distance of each atom's k-th neighbour in Å.

    Returns
    -------
    array of shape (E,)
        The ranks, rearranged within each last shell.
    """
    n = len(numbers)
    weight = np.exp(-edges.distance)
    color = numbers.astype(np.float64)
    for _ in range(_REFINEMENTS):
        # Any smooth function of distance and colour would do; this one keeps colours of order 1.
        message = weight * np.sin(1.0 + 0.7310585 * color[edges.neighbor] + edges.distance)
        color = np.cos(0.3678794 * color) + np.bincount(edges.center, weights=message, minlength=n)
    # Ranks below the last shell are kept; within it, element decides first, then colour.
    shell = np.flatnonzero(edges.distance >= last[edges.center] - TIE_TOLERANCE)
    center, neighbor = edges.center[shell], edges.neighbor[shell]
    order = np.lexsort((np.round(color[neighbor], 7), numbers[neighbor], center))
    result = rank.copy()
    # The shell of an atom has consecutive ranks: assign them in the new order.
    result[shell[order]] = rank[shell]
    return result
