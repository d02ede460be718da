"""Featurizers: element statistics, element statistics with geometry and symmetry, and embeddings of a network."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.composition import Composition
from zoo.data.graphs.neighbors import GraphSettings, build_graphs
from zoo.data.structures.conversion import as_crystals
from zoo.data.symmetry import find_symmetries
from zoo.errors import InputError

from .magpie import PROPERTIES, STATISTICS, element_statistics, element_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Composition as PymatgenComposition
    from pymatgen.core import Structure

    from zoo.data.crystal import Crystal
    from zoo.data.symmetry import Symmetry

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
# Last space group of each crystal system, from triclinic to cubic, and matminer's number for the system.
_LAST_GROUP = (2, 15, 74, 142, 167, 194, 230)
_SYSTEMS = (7, 6, 5, 4, 3, 2, 1)
_GRAMS = 1.66053906660
"""u/Å³ in g/cm³ (CODATA 2018)."""


class Magpie:
    """Statistics of 22 element properties over the composition, the *magpie* set of Ward et al. (2016).

    The statistics are minimum, maximum, range, mean, mean absolute deviation (both weighted by atomic fraction) and the
    value of the most frequent element, as computed by matminer's
    ``ElementProperty.from_preset("magpie", impute_nan=False)``. If a property is undefined for an element (such as the
    electronegativity of a noble gas, or many properties beyond californium), the statistics are NaN and are imputed in
    the regressor's pipeline.

    The vector depends only on the reduced composition, and is independent of the cell and the order of the atoms.
    """

    name = "magpie"

    @property
    def labels(self) -> list[str]:
        """Names of the 132 columns, as in matminer."""
        return [f"MagpieData {statistic} {prop}" for prop in PROPERTIES for statistic in STATISTICS]

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
        return self.featurize_crystals(as_crystals(structures))

    def featurize_crystals(self, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        """Return an array of shape (n, 132)."""
        return element_statistics(crystals) if crystals else np.empty((0, len(self.labels)))

    def featurize_compositions(self, compositions: Sequence[PymatgenComposition]) -> NDArray[np.float64]:
        """Return an array of shape (n, 132) from compositions of pymatgen."""
        return self.featurize_crystals([Composition.from_pymatgen(each) for each in compositions])


class MagpieStructure:
    """The columns of :class:`Magpie` and 13 structural quantities that are independent of the choice of cell.

    As in matminer: ``density`` (g/cm³), ``vpa`` (volume per atom, Å³), ``packing fraction`` (spheres with Slater's
    atomic radii; NaN if an element has none), ``spacegroup_num``, ``crystal_system_int`` (from 1, cubic, to 7,
    triclinic), ``is_centrosymmetric``, ``structural complexity per atom`` (bits). In addition: the order of the point
    group, the number of inequivalent sites, the nearest-neighbour distance (Å; minimum, mean and maximum over the
    atoms), and the mean distance to the twelve nearest neighbours.

    Symmetry is determined with spglib at a tolerance of 0.01 Å; its columns are NaN if spglib fails.
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
        return self.featurize_crystals(as_crystals(structures))

    def featurize_crystals(self, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        """Return an array of shape (n, 145).

        Raises
        ------
        InputError
            If two atoms share a site.
        """
        if not crystals:
            return np.empty((0, len(self.labels)))
        parts = [each(crystals) for each in (element_statistics, _densities, _symmetries, _distances)]
        return np.concatenate(parts, axis=1)


class Embedding:
    """Embedding of a crystal by a frozen backbone.

    Parameters
    ----------
    backbone : str
        A backbone as accepted by :func:`zoo.load`: a name, a run's folder, or ``hf://owner/repo@revision``.
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
        """Return an array of shape (n, d), where d is the length of the backbone's concatenated layer vectors.

        Raises
        ------
        ZooError
            If the backbone cannot be loaded, or a structure has no graph.
        """
        return np.asarray(self._model.embed(list(structures)), dtype=np.float64)

    def featurize_crystals(self, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        """Return an array of shape (n, d); see :meth:`featurize`."""
        return np.asarray(self._model.embed(list(crystals)), dtype=np.float64)

    @cached_property
    def _model(self) -> Any:
        import zoo

        return zoo.load(self.backbone)


def _densities(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    starts = np.cumsum([0, *map(len, crystals)])[:-1]
    mass, radius = element_table("Mass", "Radius")[np.concatenate([crystal.numbers for crystal in crystals])].T
    volumes = np.array([crystal.volume for crystal in crystals])
    spheres = 4 / 3 * np.pi * np.add.reduceat(radius**3, starts)
    sizes = np.array([len(crystal) for crystal in crystals])
    return np.stack([np.add.reduceat(mass, starts) / volumes * _GRAMS, volumes / sizes, spheres / volumes], axis=1)


def _symmetries(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    return np.array(
        [
            [np.nan] * len(_SYMMETRY) if found is None else _symmetry_columns(found)
            for found in find_symmetries(crystals)
        ]
    )


def _symmetry_columns(found: Symmetry) -> list[float]:
    shares = np.sort(found.orbit_sizes) / found.orbit_sizes.sum()
    complexity = max(0.0, float(-(shares * np.log2(shares)).sum()))
    system = _SYSTEMS[bisect_left(_LAST_GROUP, found.number)]
    return [found.number, system, found.is_centrosymmetric, complexity, found.point_group_order, len(shares)]


def _distances(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    parts = []
    for graph in build_graphs(crystals, GraphSettings(neighbors=12)):
        if isinstance(graph, InputError):
            raise graph
        parts.append(graph.distances)
    distances = np.concatenate(parts).astype(np.float64)
    owners = np.repeat(np.arange(len(crystals)), [len(part) for part in parts])
    starts, sizes = np.cumsum([0, *map(len, parts)])[:-1], np.array([len(part) for part in parts])
    # Sorted, so that the sums are bitwise independent of the order of the atoms.
    nearest = distances[np.lexsort((distances[:, 0], owners)), 0]
    mean = distances.mean(axis=1)
    mean = mean[np.lexsort((mean, owners))]
    least, largest = np.minimum.reduceat(nearest, starts), np.maximum.reduceat(nearest, starts)
    means = [np.add.reduceat(each, starts) / sizes for each in (nearest, mean)]
    return np.stack([least, means[0], largest, means[1]], axis=1)
