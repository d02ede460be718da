"""Element properties of the magpie set, and their statistics over compositions, vectorised over crystals."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal

PROPERTIES = (
    "Number", "MendeleevNumber", "AtomicWeight", "MeltingT", "Column", "Row", "CovalentRadius", "Electronegativity",
    "NsValence", "NpValence", "NdValence", "NfValence", "NValence", "NsUnfilled", "NpUnfilled", "NdUnfilled",
    "NfUnfilled", "NUnfilled", "GSvolume_pa", "GSbandgap", "GSmagmom", "SpaceGroupNumber",
)  # fmt: skip
"""The 22 properties, with matminer's names."""

STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
"""Statistics of each property over a composition, with matminer's names."""


@lru_cache(maxsize=8)
def element_table(*columns: str) -> NDArray[np.float64]:
    """Return columns of ``magpie.csv`` by atomic number, shape (119, columns); NaN for unknown values.

    The table avoids importing matminer and pymatgen for the same numbers, which takes seconds.
    """
    table = np.full((MAX_ATOMIC_NUMBER + 1, len(columns)), np.nan)
    with files("zoo.plugins").joinpath("magpie.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(line for line in handle if not line.startswith("#")):
            table[SYMBOLS.index(row["Symbol"])] = [float(row[column] or "nan") for column in columns]
    table.setflags(write=False)
    return table


def element_statistics(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return the statistics of the element properties, shape (n, 132), ordered by property.

    The values equal those of matminer's ``ElementProperty.from_preset("magpie", impute_nan=False)``, which takes
    milliseconds per composition and is too slow for predictions at thousands of crystals per second.

    The statistics are minimum, maximum, range, mean and mean absolute deviation (both weighted by atomic fraction), and
    the value of the most frequent element (the smallest value if several are equally frequent). They are NaN if a
    property is undefined for one of the elements.
    """
    sizes = np.array([len(crystal) for crystal in crystals])
    owners = np.repeat(np.arange(len(crystals)), sizes)
    keys = owners * (MAX_ATOMIC_NUMBER + 1) + np.concatenate([crystal.numbers for crystal in crystals])
    # One row per element of each crystal, grouped by crystal.
    present, counts = np.unique(keys, return_counts=True)
    owner, element = np.divmod(present, MAX_ATOMIC_NUMBER + 1)
    starts = np.searchsorted(owner, np.arange(len(crystals)))
    counts //= np.gcd.reduceat(counts, starts)[owner]  # reduced, so that supercells give bitwise equal values
    weights = (counts / np.add.reduceat(counts, starts)[owner])[:, None]
    values = element_table(*PROPERTIES)[element]
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    mean = np.add.reduceat(weights * values, starts)
    deviation = np.add.reduceat(weights * np.abs(values - mean[owner]), starts)
    frequent = counts == np.maximum.reduceat(counts, starts)[owner]
    mode = np.minimum.reduceat(np.where(frequent[:, None], values, np.inf), starts)
    return np.stack([low, high, high - low, mean, deviation, mode], axis=2).reshape(len(crystals), -1)
