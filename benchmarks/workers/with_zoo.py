"""zoo's side of each comparison."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from protocol import BATCH, CONVOLUTIONS, HEAD, WIDTH, Work, rows, serve, training

from zoo.data.crystal import Crystal
from zoo.data.elements import atom_table
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import GraphSettings, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.structures import parse as reading
from zoo.models import torch_free
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint.networks import stored_state
from zoo.models.inference import TorchPredictor
from zoo.models.network import CrystalNetwork


def crystals(data: Path) -> list[Crystal]:
    """Read the crystals."""
    return [Crystal(np.array(row["numbers"]), np.array(row["lattice"]), np.array(row["frac"])) for row in rows(data)]


def network() -> CrystalNetwork:
    """Return a network of the sizes compared."""
    sizes = default_architecture(width=WIDTH, convolutions=CONVOLUTIONS, head=HEAD)
    return CrystalNetwork(sizes, torch.from_numpy(atom_table().copy()))


def gated_network() -> CrystalNetwork:
    """Return a network of the sizes of ``multi-113k-gatedgcn``."""
    return CrystalNetwork(default_architecture(network="gatedgcn", width=128, edge_width=64, layers=4, head=HEAD))


def graphs(data: Path, settings: GraphSettings | None = None) -> Work:
    """Crystals as arrays → packed graphs."""
    cells = crystals(data)
    return lambda: PackedGraphs.pack(list(build_graphs(cells, settings)))


def graphs5(data: Path) -> Work:
    """Search within 5 Å, for peers that keep all neighbours within it."""
    return graphs(data, GraphSettings(cutoff=5.0))


def cif(data: Path) -> Work:
    """Files → packed graphs."""
    files = sorted(data.glob("*.cif"))
    return lambda: PackedGraphs.pack(list(build_graphs(map(reading.read_file, files))))


def step(data: Path, make: Callable[[], CrystalNetwork] = network) -> Work:
    """One training step, its batch put together anew."""
    packed, model = PackedGraphs.pack(list(build_graphs(crystals(data)[:BATCH]))), make()
    target = torch.randn(len(packed))

    def loss() -> torch.Tensor:
        batch = GraphBatch.gather(packed, np.arange(len(packed)))
        return torch.nn.functional.l1_loss(model(batch), target)

    return training(model, loss)


def inference(data: Path, make: Callable[[], CrystalNetwork] = network) -> Work:
    """One batch of predictions, put together anew, as ``zoo predict`` makes them."""
    packed, model = PackedGraphs.pack(list(build_graphs(crystals(data)[:BATCH]))), make()
    if not torch_free.possible(model.architecture):
        through_torch = TorchPredictor(model, "cpu")
        return lambda: through_torch.predict_scaled(packed)
    tensors = {name: tensor.numpy() for name, tensor in stored_state(model).items()}
    predictor = torch_free.Predictor(model.architecture, atom_table(), tensors)
    return lambda: predictor.predict_scaled(packed)


if __name__ == "__main__":
    tasks = {
        "graphs": graphs,
        "graphs5": graphs5,
        "graphs_authors": graphs,
        "cif": cif,
        "step": step,
        "inference": inference,
        "step_gatedgcn": partial(step, make=gated_network),
        "inference_gatedgcn": partial(inference, make=gated_network),
    }
    serve(tasks, ("crystal-zoo", "torch", "dgl", "pymatgen"))
