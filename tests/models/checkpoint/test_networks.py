"""Checkpoints: what was saved comes back, and what is wrong is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from zoo.analysis.applicability import Reference
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.schema import TargetConfig
from zoo.training.transfer import scratch, transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = default_architecture(width=8, convolutions=2, head=8)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    table = torch.from_numpy(atom_table().copy())
    members = [
        networks.Member(
            scratch(SMALL, table, seed), TargetScaler("log10", 1.9, 0.3 + seed), seed, calibration=(0.1, 0.25 * seed)
        )
        for seed in (4, 5)
    ]
    checkpoint = networks.describe(
        members,
        name="two",
        targets=[TargetConfig(name="K_VRH", unit="GPa", task="bulk-modulus")],
        graph=GraphSettings(cutoff=7.5, neighbors=10),
        elements=["O", "Mg", "H"],
        reference=Reference(np.arange(72, dtype=np.float16).reshape(3, 24), (0.5, 0.75)),
    )
    networks.save(checkpoint, tmp_path)
    return tmp_path


def test_round_trip(saved: Path) -> None:
    loaded = networks.load(saved)
    assert loaded.config.elements == ["H", "O", "Mg"]
    assert loaded.config.graph_settings == GraphSettings(7.5, 10, "environment")
    assert [member.seed for member in loaded.members] == [4, 5]
    assert loaded.members[1].scaler == TargetScaler("log10", 1.9, 5.3)
    assert [member.calibration for member in loaded.members] == [(0.1, 1.0), (0.1, 1.25)]
    assert loaded.reference is not None
    assert loaded.reference.distances == (0.5, 0.75)
    assert loaded.reference.vectors.tolist() == np.arange(72).reshape(3, 24).tolist()
    fresh = scratch(SMALL, torch.from_numpy(atom_table().copy()), 5)
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(loaded.members[1].network.state_dict()[name], tensor), name
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_checkpoints_from_before_calibration_still_load(saved: Path) -> None:
    def strip(config: dict) -> None:
        del config["reference"]
        for member in config["members"]:
            del member["calibration"]

    _edit_config(saved, strip)
    _edit_weights(saved, lambda t: t.pop("reference"))
    loaded = networks.load(saved)
    assert loaded.reference is None
    assert [member.calibration for member in loaded.members] == [(), ()]


def test_experts_stand_in_the_file_once(tmp_path: Path) -> None:
    table = torch.from_numpy(atom_table().copy())
    experts = [scratch(SMALL, table, 7)]
    mixed = [transfer(scratch(SMALL, table, 1), "mixture", seed, experts=experts)[0].eval() for seed in (4, 5)]
    checkpoint = networks.describe(
        [networks.Member(network, TargetScaler("log10", 1.9, 0.3), 4) for network in mixed],
        name="mixture",
        targets=[TargetConfig(name="K_VRH", unit="GPa", task="bulk-modulus")],
        graph=GraphSettings(),
        elements=["O"],
    )
    networks.save(checkpoint, tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert "experts.0.embedding.weight" in names
    assert not any("members.1.experts" in name for name in names)
    for member, network in zip(networks.load(tmp_path).members, mixed, strict=True):
        for name, tensor in network.state_dict().items():
            assert torch.equal(member.network.state_dict()[name], tensor), name


def test_one_network_is_written_and_loaded(tmp_path: Path) -> None:
    network = scratch(SMALL, torch.from_numpy(atom_table().copy()), 3)
    networks.write_network(network, tmp_path / "fit.safetensors")
    loaded = networks.load_network(tmp_path / "fit.safetensors", SMALL)
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    with pytest.raises(CheckpointError, match=r"fit\.safetensors cannot be loaded: .*size mismatch"):
        networks.load_network(tmp_path / "fit.safetensors", default_architecture(width=4, convolutions=2, head=8))
    with pytest.raises(CheckpointError, match=r"none\.safetensors cannot be loaded"):
        networks.load_network(tmp_path / "none.safetensors", SMALL)


def _edit_config(folder: Path, edit: Callable[[dict], object]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


def _edit_weights(folder: Path, edit: Callable[[dict], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["architecture"].update(width=10**9), "architecture.width"),
        (lambda c: c["architecture"].update(network="transformer"), "architecture: no network is called 'transformer'"),
        (lambda c: c["graph"].update(cutoff=1e6), "graph.cutoff"),
        (lambda c: c["graph"].pop("ties"), "graph.ties"),
        (lambda c: c["members"][0].update(calibration=[0.0] * 500), "members.0.calibration: .* at most 499"),
        (lambda c: c["members"][0].update(calibration=[-1.0]), "members.0.calibration.0: must be at least 0"),
        (lambda c: c["members"][1].update(calibration=[2.0, 1.0]), "members.1.calibration: must ascend"),
        (lambda c: c["reference"].update(rows=10**6), "reference.rows: must be at most 256"),
        (lambda c: c["reference"].update(distances=[0.0] * 100), "reference.distances: .* at most 99"),
        (lambda c: c.update(path="../../etc/passwd"), "path: Extra inputs"),
        (lambda c: c["members"].clear(), "members"),
        (lambda c: c["members"][0]["scaling"].update(std=0.0), r"members.0.scaling.std"),
        (lambda c: c["members"].pop(), "unexpected tensor 'members.1"),
        (lambda c: c.pop("reference"), "unexpected tensor 'reference'"),
        (lambda c: c["architecture"].update(width=16), "expected"),
        (lambda c: c.update(element_table="0" * 64), "not the one that config.json names"),
        (lambda c: c.update(format=2), "format"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(saved: Path, edit: Callable[[dict], object], message: str) -> None:
    _edit_config(saved, edit)
    with pytest.raises(CheckpointError, match=message) as caught:
        networks.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop("members.0.fc_out.bias"), r"members.0.fc_out.bias is missing"),
        (lambda t: t.update({"members.0.extra": torch.zeros(1)}), "unexpected tensor 'members.0.extra'"),
        (lambda t: t.update({"code": torch.zeros(1)}), "unexpected tensor 'code'"),
        (lambda t: t.update({"members.1.fc_out.bias": torch.tensor([float("nan")])}), "not finite"),
        (
            lambda t: t.update({"members.1.fc_out.bias": torch.zeros(2)}),
            r"\(2,\), expected F32 \(1,\)",
        ),
        (lambda t: t.pop("atom_table"), "atom table is missing"),
        (lambda t: t.pop("reference"), "tensor reference is missing"),
        (
            lambda t: t.update(reference=t["reference"][:2].clone()),
            r"reference is F16 \(2, 24\), expected F16",
        ),
        (lambda t: t.update(reference=t["reference"].float()), "reference is F32"),
        (lambda t: t.update(reference=t["reference"] / 0), "tensor reference holds values that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(saved: Path, edit: Callable[[dict], object], message: str) -> None:
    _edit_weights(saved, edit)
    with pytest.raises(CheckpointError, match=message):
        networks.load(saved)


def test_damaged_missing_and_huge_files(saved: Path, tmp_path: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="is damaged"):
        networks.load(saved)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        networks.load(saved)
    (saved / "config.json").write_text(" " * 2_000_000)
    with pytest.raises(CheckpointError, match="larger than"):
        networks.load(saved)
    (saved / "config.json").write_text("<html>log in</html>")
    with pytest.raises(CheckpointError, match="the file: Invalid JSON"):
        networks.load(saved)
    with pytest.raises(CheckpointError, match=r"holds no config\.json"):
        networks.load(tmp_path / "nowhere")
