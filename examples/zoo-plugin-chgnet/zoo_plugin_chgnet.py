"""What a universal potential knows of a crystal: CHGNet's atom vectors, pooled over the atoms.

CHGNet was trained on energies, forces, stresses and magnetic moments of 1.6 million structures of the Materials
Project. Its package brings the weights, so nothing is downloaded. Pooled vectors of universal potentials are good
inputs of classical regressors where data are few.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Structure

WIDTH = 64
"""Length of CHGNet's atom vectors."""

POOLS = ("mean", "standard deviation")


class AtomVectors:
    """Mean and standard deviation of CHGNet's atom vectors over the atoms of a crystal.

    Neither depends on the choice of the cell or on the order of the atoms. The vectors are those after the last
    interaction, from which CHGNet reads energies.
    """

    name = "chgnet"
    labels = tuple(f"CHGNet {pool} {i}" for pool in POOLS for i in range(WIDTH))
    citations = ("B. Deng et al., Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3",)

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, 128); NaN for a crystal of which CHGNet makes no graph."""
        return np.array([self._vector(structure) for structure in structures]).reshape(-1, len(self.labels))

    def _vector(self, structure: Structure) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about lone atoms, and about torch
            try:
                # One at a time: CHGNet rounds differently in batches, and a vector should not depend on its neighbours.
                found = self._network.predict_structure(structure, task="e", return_atom_feas=True)
            except ValueError:  # an atom without neighbours, or an element beyond plutonium
                return np.full(len(self.labels), np.nan)
        atoms = np.asarray(found["atom_fea"], dtype=np.float64)
        return np.concatenate([atoms.mean(axis=0), atoms.std(axis=0)])

    @cached_property
    def _network(self) -> Any:
        from chgnet.model import CHGNet  # takes seconds, which only its users should wait for

        return CHGNet.load(use_device="cpu", verbose=False)
