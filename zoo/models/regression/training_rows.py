"""The table of training rows to which the kernel machines of a checkpoint refer.

Its support vectors take nearly all the space of a machine, and the machines of all folds and seeds have the same ones,
each standardised by the statistics of its own training rows. So the features of these rows are stored once, as they
are, and each machine has the positions of its rows; its vectors are prepared anew when it is read, with the same bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import CheckpointError
from zoo.models.regression.classifiers import from_tensors, kinds_of
from zoo.models.regression.regressors import KernelMachine, Regressor, standardised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.models.regression.blends import Inputs, WeightedRegressor
    from zoo.models.regression.classifiers import Classifier, Link

    Array = NDArray[np.float64]


def by_row(regressor: Regressor | Classifier) -> bool:
    """Return whether it has kernel machines, and all of them refer to rows."""
    machines = [part.model for part in regressor.parts if isinstance(part.model, KernelMachine)]
    return bool(machines) and all(machine.rows is not None for machine in machines)


def refer_to_rows(
    members: Sequence[Sequence[WeightedRegressor]], inputs: Inputs
) -> tuple[list[tuple[WeightedRegressor, ...]], NDArray[np.int64]]:
    """Find the rows of which the vectors of kernel machines are made.

    Parameters
    ----------
    members : sequence of sequence of WeightedRegressor
        Regressors of the members of a checkpoint.
    inputs : Inputs
        Features of all rows of the table on which they were fitted.

    Returns
    -------
    members : list of tuple of WeightedRegressor
        Their kernel machines refer to the kept rows, except those with a vector that no row gives, bit by bit.
    rows : array of int
        Rows of the table to keep.
    """
    found = [[_matched(each, inputs) for each in regressors] for regressors in members]
    machines = [
        part.model.rows
        for regressors in found
        for each in regressors
        for part in each.regressor.parts
        if isinstance(part.model, KernelMachine) and part.model.rows is not None
    ]
    kept = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *machines]))
    renamed = [tuple(_renumbered(each, kept) for each in regressors) for regressors in found]
    return renamed, kept


def from_rows(
    tensors: Mapping[str, NDArray[Any]], kind: str, parts: Sequence[str], link: Link, features: Array
) -> Regressor | Classifier:
    """Build a regressor or a classifier whose kernel machines refer to rows.

    Parameters
    ----------
    tensors, kind, parts, link
        As in :func:`zoo.models.regression.classifiers.from_tensors`, with ``rows`` in place of ``vectors``.
    features : array of shape (n, d)
        What it reads of the n rows.

    Raises
    ------
    CheckpointError
        As :meth:`zoo.models.regression.regressors.Regressor.from_tensors` does, or if there is no such row.
    """
    tensors = dict(tensors)
    rows: dict[str, NDArray[np.int32]] = {}
    prefixes = kinds_of(kind, parts)
    for prefix in (prefix for prefix, part in prefixes.items() if part == KernelMachine.kind):
        chosen = rows[prefix] = tensors.pop(f"{prefix}model.rows")
        if chosen.dtype != np.int32 or chosen.ndim != 1 or not bool(np.all((chosen >= 0) & (chosen < len(features)))):
            raise CheckpointError(f"regressor: a kernel machine refers to a row that is not one of {len(features)}")
        # In their place until everything else is checked.
        tensors[f"{prefix}model.vectors"] = np.broadcast_to(np.float32(0), (len(chosen), features.shape[1]))
    regressor = from_tensors(tensors, kind, parts, link)
    made = []
    for prefix, part in zip(prefixes, regressor.parts, strict=True):
        model = part.model
        if isinstance(model, KernelMachine):
            with np.errstate(over="ignore"):
                vectors = _vectors(part, features[rows[prefix]])
            if not np.isfinite(vectors).all():
                raise CheckpointError("regressor: vectors of a kernel machine are not finite")
            model = replace(model, vectors=vectors, rows=rows[prefix])
        made.append(replace(part, model=model))
    return _with_parts(regressor, made)


def _matched(weighted: WeightedRegressor, inputs: Inputs) -> WeightedRegressor:
    """Return a regressor whose kernel machines refer to rows of the table, if each of their vectors is made of one."""
    if not any(isinstance(part.model, KernelMachine) for part in weighted.regressor.parts):
        return weighted
    features = inputs.of(weighted.featurizers, weighted.experts)
    parts = []
    for part in weighted.regressor.parts:
        model = part.model
        if isinstance(model, KernelMachine):
            places = {row.tobytes(): place for place, row in enumerate(_vectors(part, features))}
            rows = [places.get(vector.tobytes(), -1) for vector in model.vectors]
            if -1 in rows:
                return weighted
            model = replace(model, rows=np.array(rows, dtype=np.int32))
        parts.append(replace(part, model=model))
    return replace(weighted, regressor=_with_parts(weighted.regressor, parts))


def _renumbered(weighted: WeightedRegressor, kept: NDArray[np.int64]) -> WeightedRegressor:
    """Return a regressor whose kernel machines refer to positions among the kept rows."""
    if not by_row(weighted.regressor):
        return weighted
    parts = []
    for part in weighted.regressor.parts:
        model = part.model
        if isinstance(model, KernelMachine) and model.rows is not None:
            model = replace(model, rows=np.searchsorted(kept, model.rows).astype(np.int32))
        parts.append(replace(part, model=model))
    return replace(weighted, regressor=_with_parts(weighted.regressor, parts))


def _with_parts(regressor: Regressor | Classifier, parts: Sequence[Regressor]) -> Regressor | Classifier:
    return parts[0] if isinstance(regressor, Regressor) else replace(regressor, parts=tuple(parts))


def _vectors(part: Regressor, features: Array) -> NDArray[np.float32]:
    prepared = standardised(features, part.fill, part.mean, part.scale, part.clip)
    return np.ascontiguousarray(prepared, dtype=np.float32)
