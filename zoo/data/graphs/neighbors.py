"""Crystals → crystal graphs.

A graph keeps what cannot be recomputed cheaply and nothing else: the atomic numbers, and for each atom the
indices and distances of its nearest neighbours. Atom features are looked up and distances expanded by the
network.

**Ties.** Keeping exactly 12 neighbours cuts through a coordination shell whenever the 12th and the 13th
neighbour are equally far away, as in every body-centred or perovskite crystal. Which members of the shell are
kept then depends on the order of the atoms in the file, and with it the prediction. ``ties="environment"``
breaks such ties by what surrounds the candidates, which no reordering, translation, rotation or supercell can
change; ``ties="order"`` is the original authors' rule (first come, first kept), for their checkpoints.
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
"""Distances (Å) that differ by less are the same shell: below what a relaxed geometry resolves."""

COINCIDENT = 0.1
"""Two atoms nearer than this (Å) are one atom written twice; the shortest bond, H-H, is 0.74 Å."""

MAX_IMAGES = 20_000_000
"""Most atoms, with their periodic images, that one search may look at; a bound on its time and memory."""

MAX_NEIGHBORS = 255
"""Most neighbours of an atom: packed graphs count equal ones in a byte."""

_FEW_IMAGES = 1_000_000
"""Most images that the compiled search lists; it leaves odd cells that need more to the other one."""

_FAR = 10.0
"""Fractional coordinates beyond this are brought into the cell even where the last bit counts."""

_CHUNK = 256
_START = 1.7
_PERIODIC = np.ones(3, dtype=np.int64)
_ROUNDS = 4


@dataclass(frozen=True)
class GraphSettings:
    """How a crystal becomes a graph. A checkpoint carries the settings it was trained with.

    Parameters
    ----------
    cutoff : float
        Radius within which neighbours are looked for, in Å. An atom with too few neighbours in it has its
        search widened until it has enough: a crystal is infinite, and false edges are never added.
    neighbors : int
        Number of nearest neighbours kept per atom, 1 to 255.
    ties : {"environment", "order"}
        Which of several equally distant neighbours are kept; see the module's text.

    Raises
    ------
    InputError
        If there would be no neighbours, or more than can be counted in a byte.
    """

    cutoff: float = 8.0
    neighbors: int = 12
    ties: Literal["environment", "order"] = "environment"

    def __post_init__(self) -> None:
        if not 1 <= self.neighbors <= MAX_NEIGHBORS:
            raise InputError(f"{self.neighbors} neighbours per atom; 1 to {MAX_NEIGHBORS} can be kept")


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
        If two atoms stand on one site, or the cell is so flat or skewed that the search would take more than
        `MAX_IMAGES` atoms. The message is the bare reason.
    """
    (graph,) = build_graphs([crystal], settings)
    if isinstance(graph, InputError):
        raise graph
    return graph


def build_graphs(
    crystals: Iterable[Crystal], settings: GraphSettings | None = None
) -> Iterator[CrystalGraph | InputError]:
    """Build graphs, `_CHUNK` at a time; a crystal that cannot be one yields the error instead, in its place."""
    settings = settings or GraphSettings()
    fast = compiled.nearest is not None and settings.ties == "environment"
    stream = iter(crystals)
    while chunk := list(islice(stream, _CHUNK)):
        yield from _build_compiled(chunk, settings) if fast else _build(chunk, settings)


def _build_compiled(crystals: Sequence[Crystal], settings: GraphSettings) -> list[CrystalGraph | InputError]:
    """Build graphs with the compiled search, and those that it leaves with the other one.

    Where ties are broken by environment, the cutoff says no more than where a search begins; this one begins by itself.
    """
    assert compiled.nearest is not None
    offsets = np.cumsum([0, *(len(crystal.numbers) for crystal in crystals)], dtype=np.int64)
    neighbors = np.empty((offsets[-1], settings.neighbors), dtype=np.int32)
    distances = np.empty((offsets[-1], settings.neighbors), dtype=np.float32)
    found = np.empty(len(crystals), dtype=np.uint8)
    compiled.nearest.nearest(
        np.concatenate([crystal.numbers for crystal in crystals]),
        np.concatenate([crystal.frac for crystal in crystals]),
        np.concatenate([crystal.lattice for crystal in crystals]).reshape(-1, 3, 3),
        offsets,
        _START * settings.neighbors,
        TIE_TOLERANCE,
        COINCIDENT,
        _FEW_IMAGES,
        _ROUNDS,
        neighbors,
        distances,
        found,
    )
    ends = offsets.tolist()
    return [
        CrystalGraph(crystal.numbers, neighbors[start:end], distances[start:end])
        if done
        else _build([crystal], settings)[0]
        for crystal, start, end, done in zip(crystals, ends, ends[1:], found.tolist(), strict=False)
    ]


@dataclass(frozen=True)
class _Edges:
    """Edges of some crystals, sorted by centre and distance; atoms are numbered through."""

    center: NDArray[np.int64]
    point: NDArray[np.int64]
    distance: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return self.center, self.point, self.distance

    @classmethod
    def sort(cls, parts: Sequence[_Edges], *, exact: bool) -> _Edges:
        center = np.concatenate([part.center for part in parts])
        distance = np.concatenate([part.distance for part in parts])
        if exact:
            order = np.lexsort((distance, center))
        else:  # three times as fast; distances that differ by less than 1e-10 Å stay in the order in which they came
            order = np.argsort(center * (float(distance.max()) + 1.0) + distance, kind="stable")
        return cls(center[order], np.concatenate([part.point for part in parts])[order], distance[order])

    def __getitem__(self, chosen: NDArray[np.bool_]) -> _Edges:
        return _Edges(self.center[chosen], self.point[chosen], self.distance[chosen])


def _build(crystals: Sequence[Crystal], settings: GraphSettings) -> list[CrystalGraph | InputError]:
    """Build graphs together: what follows the search runs once over the edges of all."""
    k = settings.neighbors
    result: list[CrystalGraph | InputError] = []
    parts, fine, atoms = [], [], 0
    for crystal in crystals:
        try:
            parts.append(_search(crystal, settings, atoms))
        except InputError as error:
            result.append(error)
        else:
            fine.append(crystal)
            atoms += len(crystal)
            result.append(InputError())  # until its graph is there
    if not fine:
        return result
    edges = _Edges.sort(parts, exact=settings.ties == "order")
    counts = np.bincount(edges.center, minlength=atoms)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(edges.center)) - np.repeat(starts, counts)
    nearest, nearest_point = edges.distance[starts], edges.point[starts]
    numbers = np.concatenate([crystal.numbers for crystal in fine])
    offsets = np.cumsum([0, *(len(crystal) for crystal in fine)])
    if settings.ties == "environment":
        last = edges.distance[starts + k - 1]
        closed = edges.distance <= np.repeat(last + TIE_TOLERANCE, counts)
        crystal_of_edge = np.repeat(np.arange(len(fine)), np.diff(offsets))[edges.center]
        tied = np.bincount(crystal_of_edge[closed], minlength=len(fine)) > k * np.diff(offsets)
        shells = closed & tied[crystal_of_edge]
        rank[shells] = _rank_with_ties(numbers, edges[shells], rank[shells], last)
        rank[~closed] = k
    kept = rank < k
    place = edges.center[kept] * k + rank[kept]
    neighbors, distances = np.empty(atoms * k, dtype=np.int32), np.empty(atoms * k, dtype=np.float32)
    neighbors[place] = edges.point[kept]
    distances[place] = edges.distance[kept]
    graphs: list[CrystalGraph | InputError] = []
    for crystal, start, end in zip(fine, offsets, offsets[1:], strict=False):
        if nearest[start:end].min() < COINCIDENT:
            i = int(nearest[start:end].argmin())
            j = int(nearest_point[start + i] - start)
            graphs.append(_coincidence(crystal, i, j, float(nearest[start + i])))
            continue
        own = slice(start * k, end * k)
        shape = (len(crystal), k)
        graphs.append(
            CrystalGraph(
                crystal.numbers, (neighbors[own] - np.int32(start)).reshape(shape), distances[own].reshape(shape)
            )
        )
    made = iter(graphs)
    return [next(made) if not each.args else each for each in result]  # type: ignore[union-attr]


def _coincidence(crystal: Crystal, i: int, j: int, distance: float) -> InputError:
    one, other = (f"{atom + 1} ({SYMBOLS[crystal.numbers[atom]]})" for atom in (i, j))
    return InputError(f"atoms {one} and {other} stand on one site ({distance:.3f} Å apart)")


def _search(crystal: Crystal, settings: GraphSettings, first: int) -> _Edges:
    """Return edges of a crystal whose atoms are numbered from `first`.

    Every centre has at least ``settings.neighbors`` edges, and all edges up to the tie tolerance beyond the
    last of them.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    n, k = len(crystal), settings.neighbors
    radius = settings.cutoff
    frac = crystal.frac
    if settings.ties == "environment" or np.abs(frac).max() > _FAR:
        frac = frac - np.floor(frac)  # the search makes room for all that lies between the atoms
    if settings.ties == "environment":
        cartesian = np.ascontiguousarray(frac @ crystal.lattice)
        # The result does not depend on where the search starts: begin with a few more neighbours than needed.
        radius = min(radius, (3 * _START * k * crystal.volume / (4 * np.pi * n)) ** (1 / 3))
    else:
        # The authors' rule depends on the last bit of each distance and on the order in which the search at the
        # full cutoff reports neighbours, so both are made as pymatgen makes them: site by site.
        cartesian = np.array([np.dot(site, crystal.lattice) for site in frac])
    pending = np.arange(n)
    parts: list[_Edges] = []
    while len(pending):
        _check_size(crystal, radius)
        center, point, _, distance = find_points_in_spheres(
            cartesian,
            cartesian if len(pending) == n else np.ascontiguousarray(cartesian[pending]),
            r=float(radius),
            pbc=_PERIODIC,
            lattice=crystal.lattice,
            tol=1e-8,
        )
        center = pending[center]
        real = (center != point) | (distance > 1e-8)
        edges = _Edges(center, point, distance)[real]
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
    center, point, distance = (np.concatenate(each) for each in zip(*map(_Edges.arrays, parts), strict=True))
    return _Edges(center + first, point + first, distance)


def _check_size(crystal: Crystal, radius: float) -> None:
    """Refuse a search that would take very long: planes of the cell that are close together hold many images."""
    a, b, c = crystal.lattice
    # The smallest height of the cell is its volume over the largest face, and no face is larger than this.
    longest = sorted(float(np.sqrt(vector @ vector)) for vector in (a, b, c))
    least = crystal.volume / (longest[1] * longest[2])
    if len(crystal) * (2 * radius / least + 3) ** 3 < MAX_IMAGES:
        return
    heights = 1 / np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    images = len(crystal) * float(np.prod(2 * np.ceil(radius / heights) + 1))
    if images > MAX_IMAGES:
        raise InputError(
            f"the cell is too flat or too skewed: its planes are {heights.min():.3g} Å apart, and {images:.2g} atoms "
            f"would have to be looked at within {radius:.3g} Å; give a reduced cell"
        )


def _rank_with_ties(
    numbers: NDArray[np.uint8], edges: _Edges, rank: NDArray[np.int64], last: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rank each atom's closed shell by (inside the shell or on it, environment of the neighbour).

    The environment is a colour refined over `_ROUNDS` hops, as in the Weisfeiler-Lehman test: a number that
    depends on the neighbour's element and on the distances and colours of everything in its own closed shell.
    Two tied neighbours of one colour look the same to that many convolutions, so either may be kept.
    """
    n = len(numbers)
    weight = np.exp(-edges.distance)
    color = numbers.astype(np.float64)
    for _ in range(_ROUNDS):
        # Any smooth function that mixes distance and colour will do; this one keeps colours of order 1.
        message = weight * np.sin(1.0 + 0.7310585 * color[edges.point] + edges.distance)
        color = np.cos(0.3678794 * color) + np.bincount(edges.center, weights=message, minlength=n)
    # Inside the shell distances decide, as they did; on it, element first, then colour.
    shell = np.flatnonzero(edges.distance >= last[edges.center] - TIE_TOLERANCE)
    center, point = edges.center[shell], edges.point[shell]
    order = np.lexsort((np.round(color[point], 7), numbers[point], center))
    result = rank.copy()
    # An atom's shell has consecutive ranks: hand them out in the new order.
    result[shell[order]] = rank[shell]
    return result
