"""Featurizers, structure → vector: element statistics, the same with geometry and symmetry, a network's embedding."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS, Crystal
from zoo.data.graphs.neighbors import GraphSettings, build_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Structure

_MAGPIE = "L. Ward et al., npj Computational Materials 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28"
_MATMINER = "L. Ward et al., Computational Materials Science 152, 60 (2018), doi:10.1016/j.commatsci.2018.05.018"
_SPGLIB = "A. Togo et al., Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024), doi:10.1080/27660400.2024.2384822"
_COMPLEXITY = "S. V. Krivovichev, Mineralogical Magazine 77, 275 (2013), doi:10.1180/minmag.2013.077.3.05"
_CGCNN = "T. Xie, J. C. Grossman, Physical Review Letters 120, 145301 (2018), doi:10.1103/PhysRevLett.120.145301"
_FROZEN = "V. Gupta et al., npj Computational Materials, doi:10.1038/s41524-023-01185-3"
_DENSITY = ("density", "vpa", "packing fraction")
_SYMMETRY = (
    "spacegroup_num",
    "crystal_system_int",
    "is_centrosymmetric",
    "structural complexity per atom",
    "point group order",
    "inequivalent sites",
)
_DISTANCES = (
    "minimum nearest distance",
    "mean nearest distance",
    "maximum nearest distance",
    "mean distance of 12 neighbours",
)
# The last space group of each crystal system, triclinic to cubic, and matminer's number for the system.
_LAST_GROUP = (2, 15, 74, 142, 167, 194, 230)
_SYSTEMS = (7, 6, 5, 4, 3, 2, 1)
_GRAMS = 1.66053906660
"""u/Å³ in g/cm³ (CODATA 2018)."""
_SYMPREC = 0.01
"""Tolerance in Å within which atoms count as symmetric, the default of pymatgen and matminer."""


class Magpie:
    """Statistics of 22 element properties over the composition, the *magpie* set of Ward et al. (2016).

    Minimum, maximum, range, mean, mean absolute deviation (both weighted by atomic fraction) and the value of
    the most frequent element, as computed by matminer's ``ElementProperty.from_preset("magpie", impute_nan=False)``.
    Where an element lacks a property (the electronegativity of a noble gas, much beyond californium), the statistics
    are NaN, for the regressor's pipeline to impute.

    The vector depends only on the reduced composition, hence neither on the cell nor on the order of the atoms.
    """

    name = "magpie"

    @property
    def labels(self) -> list[str]:
        """Names of the 132 columns, as in matminer."""
        labels: list[str] = _magpie().feature_labels()
        return labels

    @property
    def citations(self) -> list[str]:
        """Sources of the features and their tables."""
        return [_MAGPIE, _MATMINER]

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, 132).

        Raises
        ------
        InputError
            If a structure is disordered, or a site holds something other than an element.
        """
        rows = [_element_statistics(Crystal.from_structure(structure)) for structure in structures]
        return np.array(rows, dtype=np.float64).reshape(len(structures), len(self.labels))


class MagpieStructure:
    """The columns of :class:`Magpie`, and 13 quantities of the structure that do not depend on the choice of the cell.

    As in matminer: ``density`` (g/cm³), ``vpa`` (volume per atom, Å³), ``packing fraction`` (spheres of
    Slater's atomic radii; NaN where an element has none), ``spacegroup_num``, ``crystal_system_int`` (from 1,
    cubic, to 7, triclinic), ``is_centrosymmetric``, ``structural complexity per atom`` (bits). In addition: the
    order of the point group, the number of inequivalent sites, the distance from an atom to its nearest
    neighbour (Å; minimum, mean and maximum over the atoms), and the mean distance to the twelve nearest.

    Symmetry is spglib's at a tolerance of 0.01 Å; where it finds none, its columns are NaN.
    """

    name = "magpie-structure"

    @property
    def labels(self) -> list[str]:
        """Names of the 145 columns."""
        return [*Magpie().labels, *_DENSITY, *_SYMMETRY, *_DISTANCES]

    @property
    def citations(self) -> list[str]:
        """Sources of the features and their tables."""
        return [_MAGPIE, _MATMINER, _COMPLEXITY, _SPGLIB]

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, 145).

        Raises
        ------
        InputError
            If a structure is disordered, a site holds something other than an element, or two atoms share a site.
        """
        rows = []
        for structure in structures:
            crystal = Crystal.from_structure(structure)
            statistics = _element_statistics(crystal)
            rows.append(np.concatenate([statistics, _density(crystal), _symmetry(crystal), _distances(crystal)]))
        return np.array(rows, dtype=np.float64).reshape(len(structures), len(self.labels))


class Embedding:
    """The embedding of a crystal in a backbone whose weights are frozen.

    Parameters
    ----------
    backbone : str
        Whatever :func:`zoo.load` takes: a name, a run's folder, ``hf://owner/repo@revision``.
    """

    name = "embedding"

    def __init__(self, backbone: str = "dEf-10k") -> None:
        self.backbone = backbone

    @property
    def labels(self) -> list[str]:
        """Names of the columns, one per component; loads the backbone."""
        return [f"{self.backbone} {i}" for i in range(self._model.embed([]).shape[1])]

    @property
    def citations(self) -> list[str]:
        """Sources of the network and of the method; the backbone's card names its training set."""
        return [_CGCNN, _FROZEN]

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, d), d the length of the backbone's vectors: all layers side by side.

        Raises
        ------
        ZooError
            If the backbone cannot be loaded, or a structure has no graph.
        """
        return np.asarray(self._model.embed(list(structures)), dtype=np.float64)

    @cached_property
    def _model(self) -> Any:
        import zoo

        return zoo.load(self.backbone)


@lru_cache(maxsize=1)
def _magpie() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.composition import ElementProperty

        return ElementProperty.from_preset("magpie", impute_nan=False)


def _element_statistics(crystal: Crystal) -> list[float]:
    """Return matminer's statistics of the element properties, in the order of its labels."""
    from pymatgen.core import Composition

    present, counts = np.unique(crystal.numbers, return_counts=True)
    counts //= np.gcd.reduce(counts)  # in lowest terms: a supercell gives the same numbers to the last bit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = zip(present.tolist(), counts.tolist(), strict=True)
        statistics: list[float] = _magpie().featurize(Composition({SYMBOLS[number]: count for number, count in named}))
    return statistics


@lru_cache(maxsize=1)
def _masses_and_radii() -> NDArray[np.float64]:
    """Return atomic masses (u) and Slater's atomic radii (Å), shape (2, 119); NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.core import Element

        elements = [Element(symbol) for symbol in SYMBOLS[1:]]
        radii = [element.atomic_radius for element in elements]
    table = np.full((2, MAX_ATOMIC_NUMBER + 1), np.nan)
    table[0, 1:] = [float(element.atomic_mass) for element in elements]
    table[1, 1:] = [np.nan if radius is None else float(radius) for radius in radii]
    return table


def _density(crystal: Crystal) -> list[float]:
    mass, radius = _masses_and_radii()[:, crystal.numbers]
    spheres = 4 / 3 * np.pi * (radius**3).sum()
    return [mass.sum() / crystal.volume * _GRAMS, crystal.volume / len(crystal), spheres / crystal.volume]


def _symmetry(crystal: Crystal) -> list[float]:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # A plain copy, without charges and moments on the sites. One search gives all columns, where matminer's
            # featurizers make one each.
            found = SpacegroupAnalyzer(crystal.to_structure(), symprec=_SYMPREC).get_symmetry_dataset()
        except SymmetryUndeterminedError:
            return [float("nan")] * len(_SYMMETRY)
        order, centrosymmetric = _point_group(found.pointgroup)
    # Orbits of the space group, which are the same in every cell; the equivalent atoms under the operations of the
    # given cell are not.
    sizes = np.unique(found.crystallographic_orbits, return_counts=True)[1]
    shares = np.sort(sizes) / sizes.sum()
    complexity = max(0.0, float(-(shares * np.log2(shares)).sum()))
    system = _SYSTEMS[bisect_left(_LAST_GROUP, found.number)]
    return [found.number, system, centrosymmetric, complexity, order, len(sizes)]


@lru_cache(maxsize=64)
def _point_group(symbol: str) -> tuple[int, bool]:
    """Return the order of a point group, and whether it contains the inversion."""
    from pymatgen.symmetry.groups import PointGroup

    rotations = np.array([operation.rotation_matrix for operation in PointGroup(symbol).symmetry_ops])
    return len(rotations), bool((rotations == -np.eye(3)).all(axis=(1, 2)).any())


def _distances(crystal: Crystal) -> list[float]:
    distances = build_graph(crystal, GraphSettings(neighbors=12)).distances.astype(np.float64)
    nearest = np.sort(distances[:, 0])
    return [nearest[0], nearest.mean(), nearest[-1], np.sort(distances.mean(axis=1)).mean()]
