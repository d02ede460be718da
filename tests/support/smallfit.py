"""Short fits of a small network."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.data.tables.table import read_table
from zoo.models.architecture import default_architecture
from zoo.models.inference import predict_scaled
from zoo.registry import plugins
from zoo.training.batches import LabelledGraphs
from zoo.training.fit import FitResult, FitSettings, fit
from zoo.training.transfer import scratch, transfer

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.models.network import CrystalNetwork

Data: TypeAlias = "tuple[LabelledGraphs, LabelledGraphs, TargetScaler]"

SMALL = default_architecture(width=16, convolutions=2, head=16)
SETTINGS = FitSettings(epochs=6, batch_size=8, learning_rate=5e-3, average=0.8, patience=6)
"""Six epochs of three steps on thirty rows."""


def blank() -> CrystalNetwork:
    return scratch(SMALL, torch.from_numpy(atom_table().copy()), 0)


def run(
    data: Data, workdir: Path, network: CrystalNetwork, settings: FitSettings = SETTINGS, **options: object
) -> FitResult:
    train, validation, scaler = data
    return fit(network, train, validation, [scaler], settings, seed=3, workdir=workdir, device="cpu", **options)  # type: ignore[arg-type]


def validation_mae(data: Data, network: CrystalNetwork) -> float:
    _, validation, scaler = data
    outputs = scaler.unscale(predict_scaled(network, validation.graphs, validation.rows))
    return float(np.abs(outputs - validation.targets[validation.rows]).mean())


def twins(
    table: Path, batch_size: int
) -> tuple[CrystalNetwork, LabelledGraphs, LabelledGraphs, TargetScaler, FitSettings]:
    """Return what a fit takes that depends on the rows of each batch, but not on how they are divided.

    Thirty bulk moduli of the table, a network without batch statistics, and its settings.
    """
    records = read_table(table, plugins.task("bulk-modulus")).records[:30]
    graphs = PackedGraphs.pack([build_graph(record.crystal, GraphSettings()) for record in records])
    targets = np.array([record.target for record in records])
    train, validation = (LabelledGraphs(graphs, targets, rows) for rows in np.split(np.arange(30), [24]))
    network, _ = transfer(blank(), "full", 1, settings=SMALL.settings)
    settings = FitSettings(epochs=3, batch_size=batch_size, learning_rate=5e-3, average=0.8)
    return network, train, validation, TargetScaler.fit(targets[train.rows], "log10"), settings
