"""CHGNet at its published sizes, for energies alone: forces and stresses, which it has as well, are not asked for."""

from __future__ import annotations

from pathlib import Path

from chgnet.graph import CrystalGraph, CrystalGraphConverter
from chgnet.model import CHGNet
from protocol import BATCH, Work, predicting, serve, structures, training


def graphs5(data: Path) -> Work:
    """Structures → graphs of all neighbours within 5 Å, with its compiled converter and without angles."""
    converter = CrystalGraphConverter(atom_graph_cutoff=5, bond_graph_cutoff=0, algorithm="fast", verbose=False)
    cells = structures(data)
    return lambda: [converter(cell) for cell in cells]


def _batch(data: Path) -> tuple[list[CrystalGraph], CHGNet]:
    model = CHGNet()
    model.graph_converter.verbose = False
    return [model.graph_converter(cell) for cell in structures(data)[:BATCH]], model


def step(data: Path) -> Work:
    """One training step, on graphs that are at hand."""
    graphs, model = _batch(data)
    return training(model, lambda: model(graphs, task="e")["e"].abs().mean())


def inference(data: Path) -> Work:
    """One batch of predictions, on graphs that are at hand."""
    graphs, model = _batch(data)
    return predicting(model, lambda: model(graphs, task="e"))


if __name__ == "__main__":
    serve({"graphs5": graphs5, "step": step, "inference": inference}, ("chgnet", "torch", "pymatgen-core"))
