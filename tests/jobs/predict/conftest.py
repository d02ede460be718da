"""Models to predict with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from support.smallblend import blend

import zoo
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.schema import TargetConfig
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.predict.model import Model

SMALL = default_architecture(width=8, convolutions=2, head=8)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two untrained members that differ in scaling alone: 10 and 12 times a common number."""
    table = torch.from_numpy(atom_table().copy())
    members = [networks.Member(scratch(SMALL, table, 1), TargetScaler("identity", 0.0, s, None)) for s in (10, 12)]
    checkpoint = networks.describe(
        members,
        name="two",
        targets=[TargetConfig(name="x", unit="GPa")],
        graph=GraphSettings(),
        elements=["Na", "Cl", "Si"],
    )
    folder = tmp_path / "two"
    folder.mkdir()
    networks.save(checkpoint, folder)
    return zoo.load(folder)


@pytest.fixture
def blend_folder(tmp_path: Path) -> Path:
    """A blend on disk: two members, each a network, a kernel machine and trees."""
    folder = tmp_path / "blend"
    folder.mkdir()
    networks.save(blend(), folder)
    return folder
