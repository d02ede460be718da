"""Debye temperatures: what they are, and the oldest formula for them as a baseline.

Lindemann (1910) took a crystal to melt when its atoms' vibrations reach a fixed part of their distance. That
makes the Debye temperature proportional to sqrt(T_m / (M V^(2/3))), with the melting temperature T_m, the mean
atomic mass M and the volume per atom V: a straight line in the logarithms, which is what the baseline fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from zoo.plugins.featurizers import Magpie

from zoo import Baseline, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Structure

debye_temperature = Task(
    name="debye-temperature",
    target="debye_temperature",
    unit="K",
    transform="log10",
    # Caesium has 38 K, diamond 2230 K.
    valid=(10.0, 3000.0),
    description="Debye temperature, the measure of a crystal's highest vibrational frequency.",
    citation="C. Kittel, Introduction to Solid State Physics, 8th ed. (Wiley, 2005), chapter 5",
    aliases=("theta_D", "debye_temperature_K"),
    recommended_backbone="dEf-10k",
)


class LindemannTerms:
    """The logarithms that Lindemann's formula is linear in.

    Mean atomic mass (u), volume per atom (Å³), and the mean of the elements' melting temperatures (K), which
    stands in for the crystal's own and is NaN where an element's is not known.
    """

    labels = ("log10 mass", "log10 volume per atom", "log10 melting temperature")
    citations = ("F. A. Lindemann, Physikalische Zeitschrift 11, 609 (1910)",)

    def __init__(self) -> None:
        self._magpie = Magpie()
        self._columns = [self._magpie.labels.index(f"MagpieData mean {p}") for p in ("AtomicWeight", "MeltingT")]

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, 3)."""
        mass, melting = self._magpie.featurize(structures)[:, self._columns].T
        volume = np.array([structure.volume / len(structure) for structure in structures], dtype=np.float64)
        return np.log10(np.stack([mass, volume, melting], axis=1))


def _build(seed: int) -> Any:  # noqa: ARG001
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), LinearRegression())


lindemann = Baseline(
    name="lindemann",
    build=_build,
    featurizer="lindemann-terms",
    description="Lindemann's formula with fitted exponents.",
    citation="F. A. Lindemann, Physikalische Zeitschrift 11, 609 (1910)",
)
