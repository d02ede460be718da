"""A checkpoint folder as arrays: what was saved, without torch, and for one target alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, InputError
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint import networks, weights
from zoo.models.checkpoint.schema import TargetConfig
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from pathlib import Path

TWO = default_architecture(width=4, convolutions=1, head=4, gaussians=5, pooling="all", targets=2)
SCALERS = (TargetScaler("log10", 1.9, 0.3), TargetScaler("identity", 2.0, 1.5))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, list[networks.Member]]:
    """Two members that predict two targets."""
    table = torch.from_numpy(atom_table().copy())
    members = [
        networks.Member(scratch(TWO, table, seed), SCALERS[0], seed, SCALERS[1:], calibration=(0.1, 0.2))
        for seed in (3, 4)
    ]
    targets = [TargetConfig(name="K_VRH", unit="GPa", task="bulk-modulus"), TargetConfig(name="gap", unit="eV")]
    checkpoint = networks.describe(members, name="two", targets=targets, graph=GraphSettings(), elements=["O"])
    networks.save(checkpoint, tmp_path)
    return tmp_path, members


def test_arrays_are_those_of_the_networks(saved: tuple[Path, list[networks.Member]]) -> None:
    folder, members = saved
    arrays = weights.read(folder)
    assert arrays.config == weights.read_config(folder)
    assert np.array_equal(arrays.atom_table, atom_table())
    assert arrays.reference is None
    for found, member in zip(arrays.members, members, strict=True):
        stored = networks.stored_state(member.network)
        expected = {name: each.numpy() for name, each in stored.items() if name != "atom_table"}
        assert found.tensors.keys() == expected.keys()
        assert all(np.array_equal(found.tensors[name], array) for name, array in expected.items())
        assert (found.seed, found.scaler, found.others, found.calibration) == (
            member.seed,
            *(member.scaler, member.others, member.calibration),
        )


def test_torch_is_not_imported(saved: tuple[Path, list[networks.Member]]) -> None:
    code = (
        "import sys; from pathlib import Path; from zoo.models.checkpoint import weights;"
        "weights.read(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(saved[0])], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("target", "index"), [(None, 0), ("K_VRH", 0), ("bulk-modulus", 0), ("gap", 1)])
def test_one_target_alone(saved: tuple[Path, list[networks.Member]], target: str | None, index: int) -> None:
    folder, members = saved
    alone = weights.select_target(weights.read(folder), target)
    assert alone.config.target.name == ("K_VRH", "gap")[index]
    assert (alone.config.other_targets, alone.config.architecture.targets) == ([], 1)
    rebuilt = networks.build(alone)
    for found, member in zip(rebuilt.members, members, strict=True):
        assert found.scaler == SCALERS[index]
        assert found.calibration == (() if index else (0.1, 0.2))
        state = networks.stored_state(member.network)
        prefix = "others.0." if index else ""
        assert torch.equal(networks.stored_state(found.network)["fc_out.weight"], state[f"{prefix}fc_out.weight"])
        assert torch.equal(networks.stored_state(found.network)["embedding.weight"], state["embedding.weight"])


def test_a_target_that_is_not_there_is_named(saved: tuple[Path, list[networks.Member]]) -> None:
    with pytest.raises(InputError, match="two does not predict 'density'; it has K_VRH, gap"):
        weights.select_target(weights.read(saved[0]), "density")


def test_missing_files_are_named(saved: tuple[Path, list[networks.Member]], tmp_path: Path) -> None:
    (saved[0] / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors; it is not a checkpoint of zoo's"):
        weights.read(saved[0])
    assert weights.read_config(saved[0]).name == "two"
    with pytest.raises(CheckpointError, match=r"holds no config\.json; it is not a checkpoint of zoo's"):
        weights.read_config(tmp_path / "nowhere")
