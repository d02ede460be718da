"""Graphs and targets → batches, in an order that hangs on seed and epoch alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from zoo.data.graphs.batch import GraphBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.data.scaling import TargetScaler

VALIDATION_BATCH = 256
"""Crystals per batch that is only looked at."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Graphs with targets, and which of them are looked at.

    Parameters
    ----------
    graphs : PackedGraphs
    targets : array of shape (C,) or (C, T), float64
        Targets of all graphs in their tasks' units, one column per target of the network; NaN where there is none.
    rows : array of shape (n,), int64
        Indices of the graphs that belong to this set.
    vectors : tensor of shape (n, D), float32, or None
        What a network's frozen experts make of them.
    """

    graphs: PackedGraphs
    targets: NDArray[np.float64]
    rows: NDArray[np.int64]
    vectors: Tensor | None = None


class EpochShuffle(Sampler[int]):
    """A permutation that depends on seed and epoch alone, so that a resumed run sees the same batches.

    Of several devices each takes every so many-th row, the same number of them.
    """

    def __init__(self, n: int, seed: int, device: int = 0, devices: int = 1) -> None:
        self.n, self.seed, self.epoch = n, seed, 0
        self.device, self.devices = device, devices
        self.start = 0
        """Rows of this device to leave out, because they were had before the run was cut off."""

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        return iter(order[self.device :: self.devices][: len(self)][self.start :].tolist())

    def __len__(self) -> int:
        return self.n // self.devices


class TrainingLoader(DataLoader[int]):
    """Batches of an :class:`EpochShuffle`; resumed in the middle of an epoch, it goes on behind the last one.

    Lightning would keep the place by itself, but not where the schedule asks for the number of steps: it then makes the
    loader before it has read the checkpoint's place.

    Parameters
    ----------
    sampler : EpochShuffle
    batch_size : int
    collate : callable
    skip : int
        Batches of the first epoch that were had before.
    """

    def __init__(self, sampler: EpochShuffle, batch_size: int, collate: Any, skip: int = 0) -> None:
        self._shuffle, self._size, self._skip = sampler, min(batch_size, len(sampler)), skip
        self._had = 0
        # A last batch of a few crystals would upset the batch statistics; reshuffling brings its rows in later.
        super().__init__(
            range(sampler.n),  # type: ignore[arg-type]
            batch_size=self._size,
            sampler=sampler,
            collate_fn=collate,
            drop_last=True,
        )

    @property
    def had(self) -> int:
        """How many batches of an unfinished epoch were given out."""
        return self._had % len(self)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._had, self._skip = self._skip, 0
        self._shuffle.start = self._had * self._size
        # By itself, without the machinery for worker processes, which takes longer than to make a batch.
        assert self.batch_sampler is not None
        for positions in self.batch_sampler:
            self._had += 1
            yield self.collate_fn(positions)


def training_loader(
    samples: Samples, scalers: Sequence[TargetScaler], batch_size: int, sampler: EpochShuffle, skip: int = 0
) -> TrainingLoader:
    """Return the loader of training batches: pairs of a GraphBatch of B crystals and scaled targets, (B, T)."""
    return TrainingLoader(sampler, batch_size, _collate(samples, scalers), skip)


def validation_loader(samples: Samples, scalers: Sequence[TargetScaler]) -> DataLoader[int]:
    """Return the loader of all rows, once and in order."""
    rows: Any = range(len(samples.rows))
    return DataLoader(rows, batch_size=VALIDATION_BATCH, collate_fn=_collate(samples, scalers))


def _collate(samples: Samples, scalers: Sequence[TargetScaler]) -> Any:
    columns = samples.targets[samples.rows].reshape(len(samples.rows), -1).T
    scaled = [scaler.scale(column) for scaler, column in zip(scalers, columns, strict=True)]
    targets = torch.from_numpy(np.stack(scaled, axis=1)).float()

    def collate(positions: list[int]) -> tuple[GraphBatch, Tensor]:
        chosen = torch.tensor(positions)
        vectors = None if samples.vectors is None else samples.vectors.index_select(0, chosen)
        graphs = GraphBatch.gather(samples.graphs, samples.rows[positions], vectors)
        return graphs, targets.index_select(0, chosen)

    return collate
