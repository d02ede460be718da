"""Graphs and targets → batches, in an order that depends only on the seed and the epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo.data.graphs.batch import GraphBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.data.scaling import TargetScaler

VALIDATION_BATCH = 256
"""Crystals per batch in validation."""


@dataclass(frozen=True, eq=False)
class LabelledGraphs:
    """Graphs with targets, and the rows of them that belong to this set.

    Parameters
    ----------
    graphs : PackedGraphs
        Of C crystals.
    targets : array of shape (C,) or (C, T), float64
        Targets of all graphs in their tasks' units, one column per target of the network; NaN where there is none.
    rows : array of shape (n,), int64
        Indices of the graphs that belong to this set.
    vectors : tensor of shape (n, D), float32, or None
        Vectors of a network's frozen experts for the rows of this set.
    """

    graphs: PackedGraphs
    targets: NDArray[np.float64]
    rows: NDArray[np.int64]
    vectors: Tensor | None = None


RAREST_VISIT = 4
"""The largest crystals take part in every fourth epoch at least."""


def visits(data: LabelledGraphs, edges: int) -> NDArray[np.int64]:
    """Return how often each row takes part, every k-th epoch, so that a visit costs about the given number of edges."""
    return np.clip(-(-data.graphs.edges[data.rows] // edges), 1, RAREST_VISIT)


@dataclass(frozen=True)
class ShuffledOrder:
    """The order of n rows in each epoch, shared among processes.

    Each process takes every `world_size`-th row of the same permutation, the same number each, in batches of
    `batch_size`. A smaller last batch would distort the batch statistics, so it is dropped; its rows are used in other
    epochs.

    Parameters
    ----------
    rows : int
    batch_size : int
        Crystals per batch on each process; fewer if there are fewer rows.
    seed : int
    rank, world_size : int
        This process, and how many there are.
    every : array of shape (n,), int64, optional
        Row i takes part in every `every[i]`-th epoch, at most `RAREST_VISIT`; by default in all. Every epoch has the
        same number of batches.
    """

    rows: int
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1
    every: NDArray[np.int64] | None = None

    @cached_property
    def share(self) -> int:
        """Number of rows per epoch on each process."""
        if self.every is None:
            return self.rows // self.world_size
        period = math.lcm(*range(1, RAREST_VISIT + 1))
        return min(len(self._taking_part(epoch)) for epoch in range(period)) // self.world_size

    def _taking_part(self, epoch: int) -> NDArray[np.int64]:
        rows = np.arange(self.rows)
        return rows if self.every is None else rows[(rows + epoch) % self.every == 0]

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return self.share // min(self.batch_size, self.share)

    def batches(self, epoch: int, start: int = 0) -> Iterator[NDArray[np.int64]]:
        """Yield the positions of each batch of an epoch, from batch `start` on."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self._taking_part(epoch))
        share = order[self.rank :: self.world_size][: self.share]
        size = min(self.batch_size, len(share))
        for batch in range(start, len(self)):
            yield share[batch * size : (batch + 1) * size]


class BatchMaker:
    """Maker of batches of a set: graphs and scaled targets.

    Parameters
    ----------
    data : LabelledGraphs
    scalers : sequence of TargetScaler
        One per target.
    device : str
        Device of the batches.
    """

    def __init__(self, data: LabelledGraphs, scalers: Sequence[TargetScaler], device: str) -> None:
        self._data, self._device = data, device
        columns = data.targets[data.rows].reshape(len(data.rows), -1).T
        scaled = [scaler.scale(column) for scaler, column in zip(scalers, columns, strict=True)]
        self._targets = torch.from_numpy(np.stack(scaled, axis=1)).float()

    def make(self, positions: NDArray[np.int64]) -> tuple[GraphBatch, Tensor]:
        """Return the graphs and scaled targets, shape (B, T), at the given positions in the set."""
        chosen, vectors = torch.from_numpy(positions), self._data.vectors
        graphs = GraphBatch.gather(
            self._data.graphs,
            self._data.rows[positions],
            None if vectors is None else vectors.index_select(0, chosen),
        )
        return graphs.to(self._device), self._targets.index_select(0, chosen).to(self._device)

    def in_order(self) -> Iterator[tuple[GraphBatch, Tensor]]:
        """Yield all rows once, in order."""
        positions = np.arange(len(self._data.rows))
        for start in range(0, len(positions), VALIDATION_BATCH):
            yield self.make(positions[start : start + VALIDATION_BATCH])
