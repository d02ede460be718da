"""Overlap of test rows with training data: duplicates, near copies, compositions, pretraining sets.

Crystals are compared with pymatgen's ``StructureMatcher``, which is accurate but slow. Candidates are therefore limited
to pairs with the same reduced formula whose fingerprints (see :func:`fingerprints`) differ by at most `NEAR_TOLERANCE`.
They are compared nearest first; pairs already in the same group are skipped.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import percent
from zoo.data.graphs.neighbors import GraphSettings, build_graphs
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from zoo.data.crystal import Crystal
    from zoo.data.splits import How, Split
    from zoo.data.tables.records import Record

NEAR_TOLERANCE = 0.03
"""Maximum difference between the fingerprints of near copies, in any component."""

SAME_TOLERANCE = 0.005
"""Maximum difference between copies of the same crystal, in any component of the fingerprint or in log volume per
atom. Relaxations with different codes or cutoffs differ by less, different magnetic orders or compositions by more."""

UNKNOWN_IDS = (
    "none of the table's identifiers is in the lists of crystals that the backbones were trained on, so whether they "
    "saw these crystals is unknown"
)
"""Warning for a table none of whose identifiers occur in the backbones' training sets."""

MAX_COMPARISONS = 5_000
"""Maximum number of pairs compared; the number left out is reported."""


@dataclass(frozen=True)
class SeedLeaks:
    """Overlap of the test rows of one seed with its training and validation rows.

    Parameters
    ----------
    seed, test : int
        Seed and its number of test rows.
    duplicates, near, compositions, chemsys : int
        Number of test rows whose crystal, near copy, reduced formula or set of elements also occurs in the training and
        validation rows.
    """

    seed: int
    test: int
    duplicates: int
    near: int
    compositions: int
    chemsys: int


@dataclass(frozen=True)
class PretrainedRows:
    """Number of rows of a table in the training set of a backbone.

    Parameters
    ----------
    backbone : str
    listed : bool
        Whether its card lists its training crystals; if not, the overlap is unknown.
    rows : int
        Number of rows of the table that are in the training set.
    test : list of int
        The same, for the test rows of each seed.
    by_structure : bool
        Whether the crystals were compared by structure, and not only by identifier.
    """

    backbone: str
    listed: bool
    rows: int
    test: list[int]
    by_structure: bool = False


@dataclass(frozen=True)
class Leaks:
    """Overlap of test rows with training data.

    Parameters
    ----------
    split : {"random", "composition", "chemsys"}
    rows : int
    duplicates, near : list of list of str
        Groups of identifiers: copies of one crystal; near copies, which have the same elements on the same sites up to
        small displacements and a change of scale, and include the former.
    unchecked : int
        Number of candidate pairs beyond `MAX_COMPARISONS`, which were not compared.
    seeds : list of SeedLeaks
    pretrained : list of PretrainedRows
    """

    split: How
    rows: int
    duplicates: list[list[str]]
    near: list[list[str]]
    unchecked: int
    seeds: list[SeedLeaks]
    pretrained: list[PretrainedRows]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``leaks.json``."""
        return asdict(self)

    @property
    def across(self) -> dict[str, float]:
        """Fractions of the test rows, over all seeds, that overlap with training data."""
        total = sum(each.test for each in self.seeds)
        names = ("duplicates", "near", "compositions", "chemsys")
        return {name: sum(getattr(each, name) for each in self.seeds) / total for name in names}

    def lines(self, *, unseen: bool = False) -> list[str]:
        """Return a summary in a few lines; `unseen` if the training rows of backbones were left out."""
        copies, near = sum(map(len, self.duplicates)), sum(map(len, self.near))
        more = f"; {self.unchecked:,} further pairs were not compared" if self.unchecked else ""
        shares = self.across
        lines = [
            f"{copies} of {self.rows:,} rows are copies of one another, {near} are near copies{more}",
            f"of the test rows, {percent(shares['duplicates'])} have a copy among the training rows, "
            f"{percent(shares['near'])} a near copy, {percent(shares['compositions'])} their composition, "
            f"{percent(shares['chemsys'])} their set of elements (--split {self.split})",
        ]
        for each in self.pretrained:
            if not each.listed:
                lines.append(f"backbone {each.backbone} does not say which crystals it was trained on")
            elif each.rows:
                share = sum(each.test) / sum(seed.test for seed in self.seeds)
                lines.append(
                    f"backbone {each.backbone} was trained, perhaps on another property, on {each.rows:,} of the "
                    f"{self.rows:,} crystals and {percent(share)} of the test rows"
                )
        listed = [each for each in self.pretrained if each.listed]
        if listed and not unseen and not any(each.rows or each.by_structure for each in listed):
            lines.append(UNKNOWN_IDS)
        return lines

    def check(self) -> None:
        """Raise an error if leaks make the test errors optimistic.

        Raises
        ------
        InputError
            Names the leak and the remedy.
        """
        remedy = "--split composition keeps them together, --split chemsys also those of the same elements"
        shares = self.across
        for name, what in (("near", "a near copy"), ("compositions", "their composition")):
            if shares[name]:
                raise InputError(
                    f"--strict: {percent(shares[name])} of the test rows have {what} among the training rows; {remedy}"
                )
        for each in self.pretrained:
            if not each.listed:
                raise InputError(f"--strict: {each.backbone} does not say which crystals it was trained on")
            if any(each.test):
                raise InputError(
                    f"--strict: {each.backbone} was trained on {each.rows:,} of the {self.rows:,} crystals, and "
                    f"{sum(each.test):,} are test rows; --unseen leaves them out"
                )


def find(
    records: Sequence[Record],
    splits: Mapping[tuple[int, int], Split],
    trained_on: Mapping[str, frozenset[str] | None],
    how: How,
    by_structure: Collection[str] = (),
) -> Leaks:
    """Find the overlap of test rows with training data.

    Parameters
    ----------
    records : sequence of Record
    splits : dict of (size, seed) to Split
        For each seed, the largest training set is checked together with its validation rows.
    trained_on : dict of str to set of str
        Identifiers of the records that each backbone was trained on; None if its card does not list them.
    how : {"random", "composition", "chemsys"}
        Splitting scheme.
    by_structure : collection of str
        Backbones whose training crystals are recognised by structure, and not only by identifier.
    """
    crystals = [record.crystal for record in records]
    same, near, unchecked = copies(crystals)
    formulas = _labels([crystal.formula for crystal in crystals])
    systems = _labels([crystal.chemsys for crystal in crystals])
    largest = {seed: splits[size, seed] for size, seed in sorted(splits)}
    seeds = [
        SeedLeaks(seed, len(split.test), *(_shared(labels, split) for labels in (same, near, formulas, systems)))
        for seed, split in largest.items()
    ]
    pretrained = []
    for backbone, ids in trained_on.items():
        known = np.array([record.id in (ids or ()) for record in records])
        tested = [int(known[split.test].sum()) for split in largest.values()]
        pretrained.append(PretrainedRows(backbone, ids is not None, int(known.sum()), tested, backbone in by_structure))
    groups = [_groups(labels, records) for labels in (same, near)]
    return Leaks(how, len(records), groups[0], groups[1], unchecked, seeds, pretrained)


def copies(crystals: Sequence[Crystal]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Group copies and near copies of crystals.

    Returns
    -------
    same, near : array of shape (n,), int64
        Crystals with equal labels are copies (`same`) or near copies (`near`).
    unchecked : int
        Number of candidate pairs not compared.
    """
    from scipy.cluster.hierarchy import DisjointSet

    same, near = DisjointSet(range(len(crystals))), DisjointSet(range(len(crystals)))
    pairs = _candidates(crystals)
    reduced: dict[int, Structure] = {}
    compared = unchecked = 0
    for distance, one, other in pairs:
        apart = abs(_log_volume(crystals[one]) - _log_volume(crystals[other]))
        alike = distance <= SAME_TOLERANCE and apart <= SAME_TOLERANCE
        if near.connected(one, other) and (not alike or same.connected(one, other)):
            continue
        if compared == MAX_COMPARISONS:
            unchecked += 1
            continue
        compared += 1
        if _match(*(_reduced(crystals, index, reduced) for index in (one, other))):
            near.merge(one, other)
            if alike:
                same.merge(one, other)
    labels = [np.array([groups[index] for index in range(len(crystals))], dtype=np.int64) for groups in (same, near)]
    return labels[0], labels[1], unchecked


def fingerprints(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return vectors of shape (n, 24), invariant to the choice of cell, origin, order of atoms and scale.

    They hold the mean and standard deviation over atoms of the distances to the first twelve neighbours, in units of
    the cube root of the volume per atom.
    """
    rows = np.full((len(crystals), 24), np.inf)
    for row, graph in enumerate(build_graphs(crystals, GraphSettings())):
        if not isinstance(graph, InputError):
            crystal = crystals[row]
            scaled = np.sort(graph.distances, axis=1) / (crystal.volume / len(crystal)) ** (1 / 3)
            rows[row] = np.concatenate([scaled.mean(axis=0), scaled.std(axis=0)])
    return rows


def _candidates(crystals: Sequence[Crystal]) -> list[tuple[float, int, int]]:
    """Return candidate pairs with the distance between their fingerprints, nearest first."""
    from scipy.spatial import cKDTree

    buckets: dict[str, list[int]] = defaultdict(list)
    for index, crystal in enumerate(crystals):
        buckets[crystal.formula].append(index)
    shared = [members for members in buckets.values() if len(members) > 1]
    rows = [index for members in shared for index in members]
    prints = dict(zip(rows, fingerprints([crystals[index] for index in rows]), strict=True))
    found = []
    for members in shared:
        points = np.array([prints[index] for index in members])
        usable = np.flatnonzero(np.isfinite(points).all(axis=1))
        if len(usable) < 2:
            continue
        pairs = usable[cKDTree(points[usable]).query_pairs(NEAR_TOLERANCE, p=np.inf, output_type="ndarray")]
        distances = np.abs(points[pairs[:, 0]] - points[pairs[:, 1]]).max(axis=1)
        found += [(float(d), members[i], members[j]) for d, (i, j) in zip(distances, pairs.reshape(-1, 2), strict=True)]
    return sorted(found)


def _reduced(crystals: Sequence[Crystal], index: int, known: dict[int, Structure]) -> Structure:
    """Return the Niggli-reduced primitive cell, computed once per crystal."""
    import spglib
    from pymatgen.core import Structure

    if index not in known:
        crystal = crystals[index]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spglib.find_primitive((crystal.lattice, crystal.frac, crystal.numbers), symprec=0.05)
            structure = crystal.to_structure() if found is None else Structure(found[0], found[2], found[1])
            try:
                known[index] = structure.get_reduced_structure("niggli")
            except ValueError:  # a cell too flat to be reduced is compared unreduced
                known[index] = structure
    return known[index]


def _match(one: Structure, other: Structure) -> bool:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    if len(one) != len(other):
        return False
    matcher = StructureMatcher(primitive_cell=False, scale=True)
    return bool(matcher.fit(one, other, skip_structure_reduction=True))


def _log_volume(crystal: Crystal) -> float:
    return float(np.log(crystal.volume / len(crystal)))


def _shared(labels: NDArray[np.int64], split: Split) -> int:
    """Count the test rows whose label also occurs among the training and validation rows."""
    return int(np.isin(labels[split.test], labels[np.concatenate([split.train, split.val])]).sum())


def _labels(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _groups(labels: NDArray[np.int64], records: Sequence[Record]) -> list[list[str]]:
    members: dict[int, list[str]] = defaultdict(list)
    for label, record in zip(labels, records, strict=True):
        members[int(label)].append(record.id)
    return [group for group in members.values() if len(group) > 1]
