"""Crystals recognised by their structure, whatever their identifiers: lists of known crystals, and look-ups in them.

A crystal is reduced to its formula and a fingerprint of seven numbers: the logarithm of the volume per atom, and six
means over its atoms of a function of their environments. They do not depend on the order of the atoms, the origin, the
orientation or the choice of the cell. They are continuous in the positions of the atoms: a neighbour's weight falls to
zero at the distance of the last one, so it does not matter which of several equally distant neighbours come last.
Fingerprints are therefore compared within a tolerance rather than by equality, and small errors have small effects.

The six are, up to their weights, two rounds of message passing with fixed pseudo-random coefficients (as in a
Weisfeiler-Leman test), on distances in units of the cube root of the volume per atom. They do not change if the whole
crystal is scaled. What the tolerances mean in practice is measured in ``docs/explanation/leaks.md``.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import bounded
from zoo._utils.files import write_bytes
from zoo.data.graphs.neighbors import GraphSettings, build_graphs
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal
    from zoo.data.graphs.neighbors import CrystalGraph

SAME, NEAR = (0.02, 0.008), (0.1, 0.06)
"""Largest differences between two crystals that count as the same or as nearly the same: of the logarithm of the volume
per atom, and of each of the other components."""

STEP = 0.004
"""Resolution of a stored fingerprint."""

MAX_BYTES = 200_000_000
"""Size limit of an unpacked list; 100,000 crystals take three million."""

_WIDTH = 6
_GRAPH = GraphSettings(neighbors=24)
_CRYSTALS_PER_CHUNK = 256


@dataclass(frozen=True)
class Match:
    """A known crystal that a crystal was recognised as.

    Parameters
    ----------
    id : str
        Identifier of the known crystal.
    same : bool
        Whether the two are the same within `SAME`; if not, they are nearly the same, within `NEAR`.
    """

    id: str
    same: bool


@dataclass(frozen=True)
class Neighbor:
    """A known crystal of the same composition.

    Parameters
    ----------
    id : str
        Identifier of the known crystal.
    distance : float
        Largest difference between components of the fingerprints, in units of those within which two crystals are the
        same; 1 or less is the same crystal.
    volume : float
        Its volume per atom divided by that of the crystal that was looked up.
    """

    id: str
    distance: float
    volume: float


@dataclass(frozen=True, eq=False)
class KnownCrystals:
    """A list of n known crystals.

    Parameters
    ----------
    ids : list of n str
    keys : array of shape (n,), uint32
        24 bits of the hash of the formula, ascending.
    fingerprints : array of shape (n, 7), int16
        In units of `STEP`.
    """

    ids: list[str]
    keys: NDArray[np.uint32]
    fingerprints: NDArray[np.int16]

    @classmethod
    def build(cls, rows: Iterable[tuple[str, Crystal]]) -> KnownCrystals:
        """Return the list of crystals with their identifiers; those without a graph are left out."""
        pairs = list(rows)
        found = fingerprints([crystal for _, crystal in pairs])
        keys = np.array([_key(crystal.formula) for _, crystal in pairs], dtype=np.uint32)
        usable = np.flatnonzero(np.isfinite(found).all(axis=1))
        order = usable[np.lexsort((usable, keys[usable]))]
        ids = [pairs[row][0].replace("\n", " ") for row in order]  # a file holds one a line
        return cls(ids, keys[order], np.round(found[order] / STEP).astype(np.int16))

    def __len__(self) -> int:
        return len(self.ids)

    def matches(self, crystals: Sequence[Crystal]) -> list[list[Match]]:
        """Return, for each crystal, the known crystals that are the same or nearly the same, the nearest first.

        Crystals whose formula is not in the list cost next to nothing.
        """
        keys = np.array([_key(crystal.formula) for crystal in crystals], dtype=np.uint32)
        starts, ends = (np.searchsorted(self.keys, keys, side) for side in ("left", "right"))
        candidates = np.flatnonzero(ends > starts)
        found: list[list[Match]] = [[] for _ in crystals]
        prints = fingerprints([crystals[row] for row in candidates.tolist()]) / STEP
        for row, own in zip(candidates, prints, strict=True):
            if np.isfinite(own).all():
                found[row] = self._matches(np.round(own), int(starts[row]), int(ends[row]))
        return found

    def nearest(self, crystal: Crystal) -> list[Neighbor]:
        """Return the known crystals of the same composition as a crystal, the nearest first."""
        key = _key(crystal.formula)
        start, end = (int(np.searchsorted(self.keys, np.uint32(key), side)) for side in ("left", "right"))
        own = fingerprints([crystal])[0] / STEP if end > start else np.full(_WIDTH + 1, np.nan)
        if not np.isfinite(own).all():
            return []
        apart = self.fingerprints[start:end] - np.round(own)
        limits = np.round(np.array([SAME[0], *[SAME[1]] * _WIDTH]) / STEP)
        distances = (np.abs(apart) / limits).max(axis=1)
        return [
            Neighbor(self.ids[start + row], float(distances[row]), float(np.exp(apart[row, 0] * STEP)))
            for row in np.argsort(distances, kind="stable").tolist()
        ]

    def _matches(self, own: NDArray[np.float64], start: int, end: int) -> list[Match]:
        apart = np.abs(self.fingerprints[start:end] - own)
        volume, rest = apart[:, 0], apart[:, 1:].max(axis=1)
        same, near = (
            (volume <= round(limits[0] / STEP)) & (rest <= round(limits[1] / STEP)) for limits in (SAME, NEAR)
        )
        rows = np.flatnonzero(near)
        order = rows[np.lexsort((rows, apart[rows].sum(axis=1), ~same[rows]))]
        return [Match(self.ids[start + row], bool(same[row])) for row in order]

    def only(self, ids: Container[str]) -> KnownCrystals:
        """Return the list of those crystals whose identifiers are among `ids`."""
        rows = [row for row, name in enumerate(self.ids) if name in ids]
        return KnownCrystals([self.ids[row] for row in rows], self.keys[rows], self.fingerprints[rows])

    def packed(self) -> bytes:
        """Return the content of a file with the list; equal lists give equal bytes."""
        from safetensors.numpy import save

        text = np.frombuffer("\n".join(self.ids).encode(), dtype=np.uint8)
        # Differences of the sorted keys, and high and low bytes apart, pack best.
        planes = np.ascontiguousarray(self.fingerprints.astype("<i2").T).view(np.uint8).reshape(_WIDTH + 1, -1, 2)
        steps = np.diff(self.keys, prepend=np.uint32(0)).astype("<u4").view(np.uint8).reshape(-1, 4)
        data = save(
            {
                "ids": text,
                "keys": np.ascontiguousarray(steps.T),
                "fingerprints": np.ascontiguousarray(planes.transpose(0, 2, 1)),
            }
        )
        return gzip.compress(data, compresslevel=9, mtime=0)

    def write(self, path: Path) -> None:
        """Write the list to a file."""
        write_bytes(path, self.packed())

    @classmethod
    def read(cls, path: Path) -> KnownCrystals:
        """Read a list.

        Raises
        ------
        InputError
            If the file is not a list of known crystals.
        OSError
            If it cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(bounded.read_bytes(path, MAX_BYTES))
            text = arrays["ids"].tobytes().decode()
            ids = text.split("\n") if text else []
            steps = np.ascontiguousarray(arrays["keys"].reshape(4, len(ids)).T).view("<u4")[:, 0]
            planes = arrays["fingerprints"].reshape(_WIDTH + 1, 2, len(ids)).transpose(2, 0, 1)
            prints = np.ascontiguousarray(planes).view("<i2")[:, :, 0]
        except (bounded.MalformedError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a list of known crystals: {error}") from None
        return cls(ids, np.cumsum(steps, dtype=np.uint32), prints)


def read_cached(path: Path) -> KnownCrystals | None:
    """Read a list, once until its file changes; None if there is no such file."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=8)
def _read(path: Path, mtime: int) -> KnownCrystals:  # noqa: ARG001 - a part of the cache key
    return KnownCrystals.read(path)


def fingerprints(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return the fingerprints of n crystals, shape (n, 7); NaN for a crystal without a graph."""
    rows = np.full((len(crystals), _WIDTH + 1), np.nan)
    for row, (crystal, graph) in enumerate(zip(crystals, build_graphs(crystals, _GRAPH), strict=True)):
        if not isinstance(graph, InputError):
            rows[row] = _fingerprint(crystal, graph)
    return rows


def _fingerprint(crystal: Crystal, graph: CrystalGraph) -> NDArray[np.float64]:
    volume = crystal.volume / len(crystal)
    distances = graph.distances.astype(np.float64) / volume ** (1 / 3)
    weights = 1 - (distances / distances.max(axis=1, keepdims=True)) ** 2
    weights *= 1.5 / weights.sum(axis=1).mean()
    elements, mixing, phases, frequencies = _coefficients()
    own = 2 * elements[crystal.numbers]
    color = own / 2
    for weight, phase, frequency in zip(mixing, phases, frequencies, strict=True):
        messages = np.cos(frequency * distances[:, :, None] + color[graph.neighbors])
        color = np.cos(phase + own + 4 * np.einsum("nk,nkc->nc", weights, messages) @ weight)
    return np.concatenate([[np.log(volume)], color.mean(axis=0)])


@lru_cache(maxsize=1)
def _coefficients() -> tuple[NDArray[np.float64], ...]:
    """Return features of the elements (119, 6), and for two rounds matrices, phases and frequencies.

    They come from a hash, so that they are the same on every machine and with every version of NumPy.
    """
    shapes = ((119, _WIDTH), (2, _WIDTH, _WIDTH), (2, _WIDTH), (2, _WIDTH))
    sizes = [int(np.prod(shape)) for shape in shapes]
    bits = hashlib.shake_128(b"known crystals").digest(4 * sum(sizes))
    uniform = np.frombuffer(bits, dtype="<u4") / 2.0**32
    parts = [part.reshape(shape) for part, shape in zip(np.split(uniform, np.cumsum(sizes)[:-1]), shapes, strict=True)]
    elements, mixing, phases, frequencies = parts
    return 2 * elements - 1, (2 * mixing - 1) * np.sqrt(3 / _WIDTH), 3 * phases, 0.5 + frequencies


def _key(formula: str) -> int:
    return int.from_bytes(hashlib.sha256(formula.encode()).digest()[:3], "big")
