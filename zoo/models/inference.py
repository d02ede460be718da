"""Prediction with torch: on a GPU, or where the kernels are not compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo.data.graphs.batch import GraphBatch
from zoo.models.network import vectors_of
from zoo.models.outline import outline
from zoo.models.torch_free import Evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import BodyArchitecture
    from zoo.models.network import CrystalNetwork

BATCH = 256
"""Crystals per batch."""


def predict_scaled(
    network: CrystalNetwork,
    graphs: PackedGraphs,
    rows: NDArray[np.int64],
    *,
    vectors: Tensor | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the network's outputs for some of the graphs, in its scaled space.

    Their shape is (n,), of several targets (n, targets), and of classes (n, outputs). `vectors` are those of
    :func:`expert_vectors`, if they are already known.
    """
    width = network.architecture.targets * network.architecture.outputs
    shape = (len(rows),) if width == 1 else (len(rows), width)
    return _run(network, network.all_targets, graphs, rows, device, vectors).reshape(shape)


def embed(
    network: CrystalNetwork,
    graphs: PackedGraphs,
    rows: NDArray[np.int64],
    body: BodyArchitecture | None = None,
    *,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the vectors of some of the graphs, shape (n, d).

    Parameters
    ----------
    network : CrystalNetwork
    graphs : PackedGraphs
    rows : array of shape (n,), int64
    body : BodyArchitecture, optional
        With the same tensors as the network's, by default that whose vectors describe a crystal best.
    device : str
    """
    size = body or network.architecture.transferred
    module = network.to(device).body_as(size)
    mode = module.training
    module.eval()
    vectors = _run(network, lambda batch: vectors_of(size, module, batch), graphs, rows, device)
    module.train(mode)
    return vectors.reshape(len(rows), outline(size).vector_size)


def expert_vectors(
    network: CrystalNetwork, graphs: PackedGraphs, rows: NDArray[np.int64], *, device: str = "cpu"
) -> Tensor | None:
    """Return the vectors of some of the graphs from a network's frozen experts, shape (n, d); None without experts.

    They do not change during a fit, and are the same for all members of an ensemble.
    """
    if not network.experts:
        return None
    found = _run(network, network.expert_vectors, graphs, rows, device).reshape(len(rows), -1)
    return torch.from_numpy(found).float()


def _run(
    network: CrystalNetwork,
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


@dataclass(frozen=True, eq=False)
class TorchPredictor:
    """Prediction with a network on a device; same interface as :class:`zoo.models.torch_free.Predictor`."""

    network: CrystalNetwork
    device: str

    def expert_vectors(self, graphs: PackedGraphs) -> NDArray[np.float32] | None:
        """Return the frozen experts' vectors of the graphs, shape (n, d); None if there are no experts."""
        found = expert_vectors(self.network, graphs, np.arange(len(graphs)), device=self.device)
        return None if found is None else found.numpy()

    def embed(self, graphs: PackedGraphs, body: BodyArchitecture | None = None) -> NDArray[np.float64]:
        """Return the vectors of crystals, shape (n, d); those of another `body` with the same tensors, if given."""
        size = body or self.network.architecture.body
        return embed(self.network, graphs, np.arange(len(graphs)), size, device=self.device)

    def predict_scaled(self, graphs: PackedGraphs, vectors: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        """Return the outputs in the network's scaled space, see :func:`predict_scaled`."""
        known = None if vectors is None else torch.from_numpy(vectors)
        return predict_scaled(self.network, graphs, np.arange(len(graphs)), vectors=known, device=self.device)


@dataclass(frozen=True, eq=False)
class TorchEnsemble:
    """Networks of one architecture on a device; same interface as :class:`zoo.models.torch_free.Ensemble`."""

    predictors: Sequence[TorchPredictor]

    def embed(self, graphs: PackedGraphs, body: BodyArchitecture) -> NDArray[np.float64]:
        """Return the vectors of crystals from the first network, shape (n, d)."""
        return self.predictors[0].embed(graphs, body)

    def evaluate(self, graphs: PackedGraphs, chosen: Sequence[int], body: BodyArchitecture | None) -> Evaluated:
        """Evaluate some of the networks, one after another."""
        experts = self.predictors[0].expert_vectors(graphs)
        outputs = [self.predictors[place].predict_scaled(graphs, experts) for place in chosen]
        return Evaluated(outputs, experts, self.embed(graphs, body) if body else None)
