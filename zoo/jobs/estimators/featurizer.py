"""`CrystalFeaturizer`: feature vectors of crystals as a scikit-learn transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from zoo.data.graphs.memory import memory
from zoo.errors import InputError, UnknownNameError
from zoo.hub.pull import sha256
from zoo.jobs.estimators import rows
from zoo.models.checkpoint.weights import WEIGHTS_FILE
from zoo.models.outline import outline
from zoo.registry import backbones, plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.data.crystal import Crystal
    from zoo.data.structures.conversion import OnError
    from zoo.jobs.predict.model import Model


class CrystalFeaturizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Feature vectors of crystals, for any model of scikit-learn. Nothing is fitted.

    Parameters
    ----------
    featurizer : str
        Name of a registered featurizer, such as "magpie-structure" or "magpie"; or a backbone, by its name, folder or
        ``hf://owner/repo@revision``, whose pooled layers are the vectors.
    device : {"auto", "cpu", "cuda"}
        For a backbone.
    on_error : {"raise", "skip"}
        Whether a crystal that cannot be used ends in an error, or gets a vector of NaN with a warning.

    Examples
    --------
    >>> import zoo
    >>> from zoo.testing import crystals
    >>> vectors = zoo.CrystalFeaturizer("magpie").fit_transform(list(crystals().values()))
    >>> vectors.shape[0] == len(crystals())
    True
    """

    def __init__(
        self, featurizer: str = "magpie-structure", *, device: Device = "auto", on_error: OnError = "raise"
    ) -> None:
        self.featurizer = featurizer
        self.device = device
        self.on_error = on_error

    def fit(self, X: Any = None, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Check that the featurizer exists; crystals and targets are not used.

        Raises
        ------
        UnknownNameError
            If there is no featurizer or backbone of the name.
        InvalidDataError
            If it is a folder that holds no checkpoint.
        """
        with rows.value_errors():
            self.get_feature_names_out()
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the vectors of n crystals, shape (n, d); NaN where a feature is undefined.

        Parameters
        ----------
        X : sequence of n crystals
            pymatgen Structures, ASE Atoms, ``zoo.Crystal``, dictionaries, CIF or POSCAR text, or paths; in a list,
            array, Series or data frame of one column.

        Raises
        ------
        InvalidDataError
            If a crystal cannot be used; the message names its position.
        """
        with rows.value_errors():
            records, skipped = rows.read(X, self.on_error)
            vectors = self._vectors([record.crystal for record in records])
            failed = {
                record.row - 1: str(vector)
                for record, vector in zip(records, vectors, strict=True)
                if isinstance(vector, InputError)
            }
            rows.refuse_or_skip(failed, len(records) + len(skipped), self.on_error)
        matrix = np.full((len(records) + len(skipped), len(self.get_feature_names_out())), np.nan)
        for record, vector in zip(records, vectors, strict=True):
            if not isinstance(vector, InputError):
                matrix[record.row - 1] = vector
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Return the names of the d columns."""
        model = self._backbone()
        if model is None:
            return np.array(plugins.featurizer(self.featurizer).labels, dtype=object)
        width = outline(model.config.architecture.transferred).vector_size
        return np.array([f"{model.name}_{index}" for index in range(width)], dtype=object)

    def _vectors(self, crystals: Sequence[Crystal]) -> list[NDArray[np.float64] | InputError]:
        model = self._backbone()
        if model is None:
            from zoo.jobs.baselines import vectors

            return list(vectors(self.featurizer, crystals))
        kind = ("embedding", sha256(model.directory / WEIGHTS_FILE), model.device)
        return memory.recall(kind, crystals, lambda missing: _embed(model, [crystals[row] for row in missing]))

    def _backbone(self) -> Model | None:
        """Return the backbone; None for a registered featurizer."""
        known = {plugin.name for plugin in plugins.plugins("featurizer")}
        name = self.featurizer
        if not isinstance(name, str):
            raise InputError(f"featurizer={name!r}: give a name")
        try:
            plugins.find("featurizer", name)
        except UnknownNameError:
            pass
        else:
            return None
        from zoo.jobs.predict.model import load

        try:
            return load(name, device=self.device)
        except UnknownNameError:
            raise UnknownNameError("featurizer or backbone", name, known | set(backbones.named())) from None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.no_validation = True
        return tags


def _embed(model: Model, crystals: Sequence[Crystal]) -> list[NDArray[np.float64] | InputError]:
    try:
        return [row.copy() for row in model.embed(crystals)]
    except InputError as error:
        if len(crystals) == 1:
            return [InputError(str(error).removeprefix("structure 0: "))]
        return [vector for crystal in crystals for vector in _embed(model, [crystal])]  # to find those that fail
