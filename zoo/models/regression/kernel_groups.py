"""The kernel machines of a blend's member, evaluated together: each distance from a training row is computed once.

The machines of a member were fitted to the same rows, and most of their features are standardised in the same way: one
reads what two others read, side by side. A squared distance is the sum of those in blocks of columns, and the machines
share the blocks. Only machines that refer to training rows are grouped (:mod:`zoo.models.regression.training_rows`),
because the rows of different machines are then known to be the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from zoo.models.regression.regressors import KernelMachine, squared_distances, standardised
from zoo.models.regression.training_rows import by_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo.models.regression.blends import Inputs, WeightedRegressor
    from zoo.models.regression.regressors import Regressor

    Array = NDArray[np.float64]

ROWS = 256
"""Crystals whose distances from the training rows stay in a core's cache."""


@dataclass(frozen=True, eq=False)
class _Machine:
    """A kernel machine among the regressors of a member: its place there, and in its classifier."""

    place: int
    part: int
    regressor: Regressor
    model: KernelMachine


@dataclass(frozen=True, eq=False)
class _Block:
    """Columns that the same machines read in the same preparation.

    Parameters
    ----------
    featurizers, experts : tuples
        Sources of the columns.
    machines : tuple of int
    preparation : tuple of four arrays of shape (d,)
        See :func:`zoo.models.regression.regressors.standardised`.
    vectors : array of shape (m, d), float32
        Prepared training rows; zero where no machine of the block refers to the row.
    """

    featurizers: tuple[str, ...]
    experts: tuple[int, ...]
    machines: tuple[int, ...]
    preparation: tuple[Array, Array, Array, Array]
    vectors: NDArray[np.float32]


class KernelGroup:
    """The kernel machines of a member that refer to training rows.

    Parameters
    ----------
    regressors : sequence of WeightedRegressor
        All regressors of the member.
    width : callable
        Returns the number of columns of a featurizer, given by name, or of an expert, given by position.
    """

    def __init__(self, regressors: Sequence[WeightedRegressor], width: Callable[[str | int], int]) -> None:
        self._regressors, self._width = regressors, width
        self._machines = [
            _Machine(place, position, part, part.model)
            for place, each in enumerate(regressors)
            if by_row(each.regressor)
            for position, part in enumerate(each.regressor.parts)
            if isinstance(part.model, KernelMachine)
        ]

    def predict(self, inputs: Inputs) -> dict[tuple[int, int], Array]:
        """Return the numbers that the machines give, by the places of their regressors and parts."""
        if not self._machines:
            return {}
        blocks, coefficients = self._blocks, self._coefficients
        features = [inputs.of(each.featurizers, each.experts) for each in blocks]
        vectors = [each.vectors.astype(np.float64) for each in blocks]
        squares = [np.einsum("ij,ij->i", each, each) for each in vectors]
        count = len(features[0])
        sums = np.empty((len(self._machines), count))
        for start in range(0, count, ROWS):
            rows = slice(start, start + ROWS)
            apart = [
                squared_distances(standardised(read[rows], *block.preparation), *those)
                for read, block, *those in zip(features, blocks, vectors, squares, strict=True)
            ]
            for place, machine in enumerate(self._machines):
                own = [each for each, block in zip(apart, blocks, strict=True) if place in block.machines]
                kernel = sum(own[1:], own[0]) * -machine.model.gamma[0]
                np.exp(kernel, out=kernel)
                sums[place, rows] = kernel @ coefficients[place]
        return {
            (each.place, each.part): each.regressor.target[0]
            + each.regressor.target[1] * (found + each.model.intercept[0])
            for each, found in zip(self._machines, sums, strict=True)
        }

    @cached_property
    def _rows(self) -> NDArray[np.int32]:
        """All rows to which a machine refers, ascending."""
        return np.unique(np.concatenate([each.model.rows for each in self._machines if each.model.rows is not None]))

    def _positions(self, machine: _Machine) -> NDArray[np.intp]:
        assert machine.model.rows is not None
        return np.searchsorted(self._rows, machine.model.rows)

    @cached_property
    def _coefficients(self) -> Array:
        found = np.zeros((len(self._machines), len(self._rows)))
        for own, machine in zip(found, self._machines, strict=True):
            np.add.at(own, self._positions(machine), machine.model.coefficients)
        return found

    @cached_property
    def _blocks(self) -> list[_Block]:
        readers: dict[tuple[str | int, bytes], list[tuple[int, slice]]] = {}
        for place, machine in enumerate(self._machines):
            start = 0
            weighted = self._regressors[machine.place]
            sources: tuple[str | int, ...] = (*weighted.featurizers, *weighted.experts)
            for source in sources:
                columns = slice(start, start := start + self._width(source))
                prepared = b"".join(each[columns].tobytes() for each in _preparation(machine.regressor))
                readers.setdefault((source, prepared), []).append((place, columns))
        ordered = sorted(readers, key=lambda key: ([each for each, _ in readers[key]], isinstance(key[0], int)))
        joined = groupby(ordered, key=lambda key: tuple(each for each, _ in readers[key]))
        return [self._block(machines, {key[0]: readers[key] for key in keys}) for machines, keys in joined]

    def _block(self, machines: tuple[int, ...], sources: dict[str | int, list[tuple[int, slice]]]) -> _Block:
        columns = [
            np.concatenate([np.arange(own.start, own.stop) for own in (read[index][1] for read in sources.values())])
            for index in range(len(machines))
        ]
        vectors = np.zeros((len(self._rows), len(columns[0])), dtype=np.float32)
        for place, chosen in zip(machines, columns, strict=True):
            machine = self._machines[place]
            vectors[self._positions(machine)] = machine.model.vectors[:, chosen]
        fill, mean, scale, clip = (each[columns[0]] for each in _preparation(self._machines[machines[0]].regressor))
        return _Block(
            tuple(source for source in sources if isinstance(source, str)),
            tuple(source for source in sources if isinstance(source, int)),
            machines,
            (fill, mean, scale, clip),
            vectors,
        )


def _preparation(regressor: Regressor) -> tuple[Array, Array, Array, Array]:
    return regressor.fill, regressor.mean, regressor.scale, np.broadcast_to(regressor.clip, regressor.mean.shape)
