"""Feature vectors of crystals for a blend, from the featurizers in its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.data.composition import Composition, composition_vectors
from zoo.data.graphs.memory import vectors_kind
from zoo.errors import CheckpointError, InputError, PluginError, UnknownNameError
from zoo.models.regression.blends import labels_digest
from zoo.registry import plugins
from zoo.registry.plugin_files import one_line_with_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal
    from zoo.data.graphs.memory import CrystalMemory
    from zoo.models.checkpoint.schema import BlendConfig, FeaturizerConfig
    from zoo.registry.contracts import Featurizer

    Rows = dict[str, NDArray[np.float64]]


class Featurizers:
    """The featurizers of a blend, looked up by name.

    Parameters
    ----------
    model : str
        Name of the model, used in error messages.
    blend : BlendConfig

    Raises
    ------
    CheckpointError
        If a featurizer is not installed, or its columns differ from those the model was trained on.
    """

    def __init__(self, model: str, blend: BlendConfig) -> None:
        self._all: dict[str, tuple[Featurizer, int]] = {}
        for each in blend.featurizers:
            self._all[each.name] = (_checked(model, each), each.columns)

    def vectors(self, crystals: Sequence[Crystal], memory: CrystalMemory | None = None) -> list[Rows | InputError]:
        """Return the vectors of each crystal by featurizer, or the error if they cannot be computed.

        With `memory`, vectors that another model has computed are not computed again.
        """
        try:
            matrices = {name: self._rows(name, crystals, memory) for name in self._all}
        except InputError as error:
            if len(crystals) == 1:
                return [error]
            # One by one, to find the crystals that fail.
            return [self.vectors([crystal], memory)[0] for crystal in crystals]
        return [{name: matrix[row] for name, matrix in matrices.items()} for row in range(len(crystals))]

    def _rows(
        self, name: str, crystals: Sequence[Crystal], memory: CrystalMemory | None
    ) -> Sequence[NDArray[np.float64]] | NDArray[np.float64]:
        if memory is None:
            return self._matrix(name, crystals)

        def compute(missing: list[int]) -> list[NDArray[np.float64]]:
            matrix = self._matrix(name, [crystals[position] for position in missing])
            return [row.copy() for row in matrix]  # a row alone does not keep the matrix

        return memory.recall(vectors_kind(name), crystals, compute)

    def _matrix(self, name: str, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        featurizer, columns = self._all[name]
        try:
            fast = getattr(featurizer, "featurize_crystals", None)
            if isinstance(crystals[0], Composition):
                given = composition_vectors(name, featurizer, crystals)
            else:
                given = fast(crystals) if fast else featurizer.featurize([each.to_structure() for each in crystals])
            matrix = np.asarray(given, dtype=np.float64)
        except InputError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may raise anything
            raise InputError(f"featurizer {name!r} failed: {one_line_with_place(error)}") from error
        if matrix.shape != (len(crystals), columns):
            raise PluginError(f"featurizer {name!r} returned an array of shape {matrix.shape}, not {columns} columns")
        return matrix


def stacked(rows: Sequence[Rows]) -> Mapping[str, NDArray[np.float64]]:
    """Stack the vectors of n crystals into one matrix of shape (n, columns) per featurizer."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _checked(model: str, expected: FeaturizerConfig) -> Featurizer:
    try:
        featurizer = plugins.featurizer(expected.name)
        labels = featurizer.labels
    except UnknownNameError as error:
        raise CheckpointError(
            f"{model} reads vectors of the featurizer {expected.name!r}, which is not installed; install its package"
        ) from error
    if len(labels) != expected.columns or labels_digest(labels) != expected.labels_sha256:
        raise CheckpointError(
            f"{model} was trained on other columns of the featurizer {expected.name!r} than the one installed has; "
            "install the version of its package that the model was trained with, or fine-tune anew"
        )
    return featurizer
