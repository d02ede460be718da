"""ALIGNN in plain torch, as its package trains it today, at the sizes of its published property models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from alignn.models.alignn_atomwise_pure import ALIGNNAtomWisePure, ALIGNNAtomWisePureConfig
from alignn.torch_graph_builder import batch_torch_graph_pairs, build_pure_torch_graph
from jarvis.core.atoms import pmg_to_atoms
from protocol import BATCH, Work, predicting, serve, structures, training


def _batch(data: Path) -> tuple[Any, ALIGNNAtomWisePure]:
    cells = [pmg_to_atoms(cell) for cell in structures(data)[:BATCH]]
    pairs = [build_pure_torch_graph(cell, two_body_cutoff=8.0, max_neighbors=12) for cell in cells]
    model = ALIGNNAtomWisePure(
        ALIGNNAtomWisePureConfig(
            name="alignn_atomwise_pure",
            alignn_layers=4,
            gcn_layers=4,
            atom_input_features=92,
            hidden_features=256,
            calculate_gradient=False,
            gradwise_weight=0.0,
        )
    )
    graph, line_graph = batch_torch_graph_pairs(pairs)
    return (graph, line_graph, torch.zeros(len(pairs), 3, 3)), model


def step(data: Path) -> Work:
    """One training step, on a batch that is at hand."""
    batch, model = _batch(data)
    return training(model, lambda: model(batch)["out"].abs().mean())


def inference(data: Path) -> Work:
    """One batch of predictions, on a batch that is at hand."""
    batch, model = _batch(data)
    return predicting(model, lambda: model(batch))


if __name__ == "__main__":
    serve({"step": step, "inference": inference}, ("alignn", "torch", "jarvis-tools"))
