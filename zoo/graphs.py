"""Crystals → crystal graphs.

A graph keeps what cannot be recomputed cheaply and nothing else: the atomic numbers, and for each atom the
indices and distances of its nearest neighbours. Atom features are looked up and distances expanded by the
network, so a cached atom costs 97 bytes.

**Ties.** Keeping exactly 12 neighbours cuts through a coordination shell whenever the 12th and the 13th
neighbour are equally far away, as in every body-centred or perovskite crystal. Which members of the shell are
kept then depends on the order of the atoms in the file, and with it the prediction. ``ties="environment"``
breaks such ties by what surrounds the candidates, which no reordering, translation, rotation or supercell can
change; ``ties="order"`` is the original authors' rule (first come, first kept), for their checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo.crystals import SYMBOLS, Crystal
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

TIE_TOLERANCE = 1e-4
"""Distances (Å) that differ by less are the same shell: below what a relaxed geometry resolves."""

COINCIDENT = 0.1
"""Two atoms nearer than this (Å) are one atom written twice; the shortest bond, H-H, is 0.74 Å."""

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
        Number of nearest neighbours kept per atom.
    ties : {"environment", "order"}
        Which of several equally distant neighbours are kept; see the module's text.
    """

    cutoff: float = 8.0
    neighbors: int = 12
    ties: Literal["environment", "order"] = "environment"


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
        If two atoms stand on one site. The message is the bare reason.
    """
    settings = settings or GraphSettings()
    k = settings.neighbors
    center, point, distance, counts = _search(crystal, settings)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(center)) - np.repeat(starts, counts)
    nearest = distance[starts]
    if nearest.min() < COINCIDENT:
        i = int(nearest.argmin())
        j = int(point[starts[i]])
        raise InputError(
            f"atoms {i + 1} ({SYMBOLS[crystal.numbers[i]]}) and {j + 1} ({SYMBOLS[crystal.numbers[j]]}) "
            f"stand on one site ({nearest[i]:.3f} Å apart)"
        )
    if settings.ties == "environment":
        last = distance[starts + k - 1]
        closed = distance <= np.repeat(last + TIE_TOLERANCE, counts)
        if closed.sum() > k * len(crystal):
            center, point, distance = center[closed], point[closed], distance[closed]
            rank = _rank_with_ties(crystal.numbers, center, point, distance, last)
    kept = rank < k
    if settings.ties == "environment":
        # Ranks are unique within an atom but no longer ascend with position: put them in their order.
        order = np.lexsort((rank[kept], center[kept]))
        point, distance = point[kept][order], distance[kept][order]
    else:
        point, distance = point[kept], distance[kept]
    shape = (len(crystal), k)
    return CrystalGraph(
        crystal.numbers, point.astype(np.int32).reshape(shape), distance.astype(np.float32).reshape(shape)
    )


def _search(
    crystal: Crystal, settings: GraphSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return (center, point, distance) edges sorted by center and distance, and the number per center.

    Every center has at least ``settings.neighbors`` edges, and all edges up to the tie tolerance beyond the
    last of them.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    n, k = len(crystal), settings.neighbors
    radius = settings.cutoff
    if settings.ties == "environment":
        cartesian = np.ascontiguousarray(crystal.frac @ crystal.lattice)
        # The result does not depend on where the search starts: begin with about twice the neighbours needed.
        radius = min(radius, (3 * 2 * k * crystal.volume / (4 * np.pi * n)) ** (1 / 3))
    else:
        # The authors' rule depends on the last bit of each distance and on the order in which the search at the
        # full cutoff reports neighbours, so both are made as pymatgen makes them: site by site.
        cartesian = np.array([np.dot(site, crystal.lattice) for site in crystal.frac])
    pending = np.arange(n)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    while len(pending):
        center, point, _, distance = find_points_in_spheres(
            cartesian,
            np.ascontiguousarray(cartesian[pending]),
            r=float(radius),
            pbc=_PERIODIC,
            lattice=crystal.lattice,
            tol=1e-8,
        )
        center = pending[center]
        real = (center != point) | (distance > 1e-8)
        center, point, distance = center[real], point[real], distance[real]
        inside = np.bincount(center[distance <= radius - TIE_TOLERANCE], minlength=n)
        done = inside[pending] >= k
        finished = np.zeros(n, dtype=bool)
        finished[pending[done]] = True
        take = finished[center]
        parts.append((center[take], point[take], distance[take]))
        pending = pending[~done]
        radius = min(radius * 1.3, settings.cutoff) if radius < settings.cutoff else radius * 1.3
    center, point, distance = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((distance, center))
    center, point, distance = center[order], point[order], distance[order]
    return center, point, distance, np.bincount(center, minlength=n)


def _rank_with_ties(
    numbers: NDArray[np.uint8],
    center: NDArray[np.int64],
    point: NDArray[np.int64],
    distance: NDArray[np.float64],
    last: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Rank each atom's closed shell by (inside the shell or on it, environment of the neighbour).

    The environment is a colour refined over `_ROUNDS` hops, as in the Weisfeiler-Lehman test: a number that
    depends on the neighbour's element and on the distances and colours of everything in its own closed shell.
    Two tied neighbours of one colour look the same to that many convolutions, so either may be kept.
    """
    n = len(numbers)
    weight = np.exp(-distance)
    color = numbers.astype(np.float64)
    for _ in range(_ROUNDS):
        # Any smooth function that mixes distance and colour will do; this one keeps colours of order 1.
        message = weight * np.sin(1.0 + 0.7310585 * color[point] + distance)
        color = np.cos(0.3678794 * color) + np.bincount(center, weights=message, minlength=n)
    on_shell = distance >= last[center] - TIE_TOLERANCE
    key = np.where(on_shell, np.round(color[point], 7), -np.inf)
    # Inside the shell the distance decides; on it, element first, then colour.
    element = np.where(on_shell, numbers[point], 0)
    order = np.lexsort((np.where(on_shell, 0.0, distance), key, element, on_shell, center))
    counts = np.bincount(center, minlength=n)
    rank = np.empty(len(center), dtype=np.int64)
    rank[order] = np.arange(len(center)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def build_graphs(
    crystals: Iterable[Crystal], settings: GraphSettings | None = None
) -> Iterator[CrystalGraph | InputError]:
    """Build graphs one after the other; a crystal that cannot be one yields the error instead."""
    for crystal in crystals:
        try:
            yield build_graph(crystal, settings)
        except InputError as error:
            yield error
