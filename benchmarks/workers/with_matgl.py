"""MEGNet, as matgl ships it, at its own default sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from matgl.config import DEFAULT_ELEMENTS
from matgl.ext.pymatgen import Structure2Graph
from matgl.graph.data import collate_fn_graph
from matgl.models import MEGNet
from protocol import BATCH, Work, predicting, serve, structures, training


def graphs5(data: Path) -> Work:
    """Structures → graphs of all neighbours within 5 Å."""
    cells, converter = structures(data), Structure2Graph(DEFAULT_ELEMENTS, cutoff=5.0)
    return lambda: [converter.get_graph(cell) for cell in cells]


def _batch(data: Path) -> tuple[Any, Any, MEGNet]:
    model = MEGNet()
    converter = Structure2Graph(model.element_types, cutoff=model.cutoff)
    items = []
    for cell in structures(data)[:BATCH]:
        graph, lattice, state = converter.get_graph(cell)
        graph.pbc_offshift = torch.matmul(graph.pbc_offset, lattice[0])
        graph.pos = graph.frac_coords @ lattice[0]
        items.append((graph, lattice, torch.tensor(state), {"y": 0.0}))
    graph, _, state, _ = collate_fn_graph(items)
    return graph, state, model


def step(data: Path) -> Work:
    """One training step, on a batch that is at hand."""
    graph, state, model = _batch(data)
    return training(model, lambda: model(graph, state).abs().mean())


def inference(data: Path) -> Work:
    """One batch of predictions, on a batch that is at hand."""
    graph, state, model = _batch(data)
    return predicting(model, lambda: model(graph, state))


if __name__ == "__main__":
    serve({"graphs5": graphs5, "step": step, "inference": inference}, ("matgl", "torch", "pymatgen-core"))
