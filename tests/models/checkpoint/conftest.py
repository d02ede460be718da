"""A sound checkpoint, and a copy of it to alter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support.smallcheckpoint import SMALL

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.schema import TargetConfig
from zoo.training.transfer import scratch


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = torch.from_numpy(atom_table().copy())
    member = networks.Member(scratch(SMALL, table, 1), TargetScaler("log10", 1.9, 0.3), 1)
    checkpoint = networks.describe(
        [member],
        name="small",
        targets=[TargetConfig(name="K_VRH", unit="GPa", task="bulk-modulus")],
        graph=GraphSettings(),
        elements=["O", "Mg"],
        provenance={"seeds": [1]},
    )
    folder = tmp_path_factory.mktemp("sound")
    networks.save(checkpoint, folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "checkpoint"))
