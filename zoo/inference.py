"""Where a network runs, and running it without a gradient; imports nothing that only training needs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from zoo.batches import GraphBatch
from zoo.errors import DependencyError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.models.cgcnn import CGCNN, Pooling
    from zoo.packing import PackedGraphs

Device = Literal["auto", "cpu", "cuda"]

BATCH = 256
"""Crystals per batch."""


def choose_device(device: Device) -> str:
    """Turn "auto" into the device that is there.

    Raises
    ------
    InputError
        If there is no device of that name.
    DependencyError
        If CUDA is asked for and this torch sees no CUDA device.
    """
    if device not in get_args(Device):
        raise InputError(f"device {device!r}: there is {', '.join(get_args(Device))}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise DependencyError(
            f"--device cuda: torch {torch.__version__} sees no CUDA device; use --device cpu, or install a CUDA build"
        )
    return "cuda" if available and device != "cpu" else "cpu"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict_scaled(
    network: CGCNN,
    graphs: PackedGraphs,
    rows: NDArray[np.int64],
    *,
    vectors: Tensor | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the network's outputs for some of the graphs, shape (n,), in its scaled space.

    `vectors` are those of :func:`expert_vectors`, if they are known already.
    """
    return _run(network, network.forward, graphs, rows, device, vectors).reshape(len(rows))


def embed(
    network: CGCNN,
    graphs: PackedGraphs,
    rows: NDArray[np.int64],
    *,
    pooling: Pooling | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the crystal vectors after pooling of some of the graphs, shape (n, d); see :meth:`CGCNN.embed`."""
    size = replace(network.architecture, pooling=pooling or network.architecture.pooling)
    return _run(network, lambda batch: network.embed(batch, pooling), graphs, rows, device).reshape(-1, size.pooled)


def expert_vectors(
    network: CGCNN, graphs: PackedGraphs, rows: NDArray[np.int64], *, device: str = "cpu"
) -> Tensor | None:
    """Return what a network's frozen experts make of some of the graphs, shape (n, d); None if it has none.

    They are the same in every epoch of a fit, and for all members of an ensemble.
    """
    if not network.experts:
        return None
    found = _run(network, network.expert_vectors, graphs, rows, device).reshape(len(rows), -1)
    return torch.from_numpy(found).float()


def _run(
    network: CGCNN,
    function: Callable[[GraphBatch], Tensor],
    graphs: PackedGraphs,
    rows: NDArray[np.int64],
    device: str,
    vectors: Tensor | None = None,
) -> NDArray[np.float64]:
    training = network.training
    network.eval().to(device)
    outputs = [np.empty(0)]
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            those = slice(start, start + BATCH)
            known = None if vectors is None else vectors[those]
            batch = GraphBatch.gather(graphs, rows[those], known).to(device)
            outputs.append(function(batch).double().cpu().numpy().ravel())
    network.train(training)
    return np.concatenate(outputs)
