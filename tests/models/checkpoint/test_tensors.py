"""Weights from strangers: one line says why they are refused, before a tensor is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from support.smallcheckpoint import SMALL, attempt, refused

from zoo.data.elements import atom_table
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.tensors import count_parameters, is_counter, tensor_shapes
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.models.architecture import Architecture


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda t: t.pop("members.0.fc_out.bias"), "tensor members.0.fc_out.bias is missing"),
        (lambda t: t.update({"members.1.fc_out.bias": torch.zeros(1)}), "unexpected tensor 'members.1.fc_out.bias'"),
        (lambda t: t.update({"../../evil": torch.zeros(1)}), "unexpected tensor '../../evil'"),
        (lambda t: t.update({"x" * 9999: torch.zeros(1)}), "unexpected tensor 'xxx"),
        (lambda t: t["members.0.fc_out.weight"].fill_(float("nan")), "members.0.fc_out.weight holds values"),
        (lambda t: t["members.0.convs.0.bn1.running_var"].fill_(float("inf")), "running_var holds values"),
        (lambda t: t["members.0.convs.0.bn1.running_var"].fill_(-1.0), "running_var holds a negative variance"),
        (
            lambda t: t.update({"members.0.fc_out.bias": torch.zeros([1] * 500)}),
            "is F32 of 500 dimensions, expected F32 (1",
        ),
        (lambda t: t.update({"members.0.fc_out.bias": torch.zeros(1).double()}), r"is F64 (1,), expected F32 (1,)"),
        (lambda t: t.update({"members.0.fc_out.bias": torch.zeros(1).half()}), r"is F16 (1,), expected F32 (1,)"),
        (lambda t: t.update({"members.0.fc_out.bias": torch.zeros(1).int()}), r"is I32 (1,), expected F32 (1,)"),
        (lambda t: t.update({"members.0.fc_out.bias": torch.zeros(1, 1)}), r"is F32 (1, 1), expected F32 (1,)"),
        (
            lambda t: t.update(atom_table=t["atom_table"].float()),
            "atom table is missing or has the wrong",
        ),
        (lambda t: t.update(atom_table=t["atom_table"][:, :5].clone()), "atom table is missing"),
        (lambda t: t.update(atom_table=t["atom_table"] ^ 1), "not the one that config.json names (SHA-256 differs)"),
    ],
)
def test_hostile_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object], why: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")
    assert why in refused(folder)


def _file(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b"\x80\x04\x95pickle", "is damaged"),
        ((2**63).to_bytes(8, "little") + b"{}", "is damaged: its list of tensors would have 9,223,372,036,854,775,808"),
        ((90_000_000).to_bytes(8, "little") + b"{}", "is damaged: its list of tensors would have 90,000,000"),
        (_file(b"{" * 1000), "is damaged"),
        (_file({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}), "is damaged"),
        (_file({"a": {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 4]}}, b"1234"), "is damaged"),
        (_file({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"1234"), "is damaged"),
        (_file({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, b"1234"), "is damaged"),
        (_file({"atom_table": {"dtype": "U8", "shape": [2, 111], "data_offsets": [0, 222]}}, b"0" * 222), "is missing"),
        (b"<html>log in</html>", "is damaged"),
        (_file({"a\n\x1b[31mError": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"1234"), "is damaged"),
    ],
)
def test_what_are_no_weights(folder: Path, content: bytes, why: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    assert why in refused(folder)


@pytest.mark.parametrize(
    "architecture",
    [
        SMALL,
        SMALL.changed(head_layers=3, convolutions=2),
        SMALL.changed(pooling="all", targets=3),
        SMALL.changed(pooling="all", convolutions=2, experts=2),
    ],
)
def test_the_shapes_are_those_of_the_network(architecture: Architecture) -> None:
    real = networks.stored_state(scratch(architecture, torch.from_numpy(atom_table().copy()), 0))
    del real["atom_table"]
    assert tensor_shapes(architecture) == {name: tuple(tensor.shape) for name, tensor in real.items()}
    assert {name for name in real if is_counter(name)} == {
        name for name, tensor in real.items() if tensor.dtype == torch.int64
    }
    sizes = {name: tensor.numel() for name, tensor in real.items()}
    shared = sum(size for name, size in sizes.items() if name.startswith("experts."))
    assert count_parameters(architecture, 3) == 3 * sum(sizes.values()) - 2 * shared


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_the_weights_ends_in_anything_but_an_error_of_ours(
    folder: Path, sound: Path, data: st.DataObject
) -> None:
    content = bytearray((sound / "model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 4000) - 1))] = data.draw(st.integers(0, 255))
    (folder / "model.safetensors").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    loaded = attempt(folder)
    if isinstance(loaded, networks.Checkpoint):  # the bytes were changed into themselves, or a number into another
        assert loaded.members[0].network.architecture.settings.width == 4
