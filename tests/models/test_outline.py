"""What is known of a network before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from support.schnet import architecture

from zoo.errors import PluginError
from zoo.models.architecture import default_architecture
from zoo.models.network import CrystalNetwork
from zoo.models.outline import elements_of, expert_sizes, is_counter, outline
from zoo.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("schnet")


def test_the_outline_is_that_of_the_module() -> None:
    for size in (architecture(), default_architecture(width=8)):
        body = CrystalNetwork(size).body
        found = outline(size.body)
        state = body.state_dict()
        table = state.pop("atom_table", None)
        assert found.shapes == {name: tuple(tensor.shape) for name, tensor in state.items()}
        assert found.atom_features == (0 if table is None else table.shape[1])
        assert found.vector_size == body.vector_size == 8
        assert {name for name in state if is_counter(name)} == {
            name for name, tensor in state.items() if tensor.dtype == torch.int64
        }


def test_an_outline_takes_no_memory_and_no_random_numbers() -> None:
    before = torch.get_rng_state()
    assert outline(architecture(features=512, interactions=16).body).shapes["embedding.weight"] == (119, 512)
    assert torch.equal(before, torch.get_rng_state())


def test_a_network_that_cannot_be_built_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("""
from zoo_plugin_schnet import Settings
from zoo import Network

def build(settings):
    raise RuntimeError(f"no {settings.features}")

broken = Network("broken", Settings, build)
""")
    plugins.add_file(tmp_path / "broken.py")
    with pytest.raises(
        PluginError, match=r"network 'broken' cannot be built on torch's device 'meta', .*: RuntimeError: no 8"
    ):
        outline(architecture(network="broken").body)


def test_experts_of_several_networks() -> None:
    small = default_architecture(width=4, convolutions=2)
    assert expert_sizes(small.changed(experts=2)) == [12, 12]
    mixed = small.changed(experts=[small.transferred.model_dump(), architecture().body.model_dump()])
    assert expert_sizes(mixed) == [12, 8]


def test_elements() -> None:
    assert elements_of(architecture(), None) == frozenset(range(1, 119))
    table = torch.zeros(20, 3).numpy()
    table[[3, 8]] = 1
    assert elements_of(default_architecture(), table) == {3, 8}
