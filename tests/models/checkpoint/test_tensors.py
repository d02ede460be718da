"""Files from strangers: whatever stands in them, one line says why they are not loaded, and memory stays bounded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, ZooError
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.schema import TargetConfig
from zoo.models.checkpoint.tensors import count_parameters, is_counter, tensor_shapes
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = Architecture(width=4, convolutions=1, head=4, gaussians=5)


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


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        networks.load(folder)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda c: c["architecture"].update(width=10**9), "architecture.width: Input should be less than"),
        (lambda c: c["architecture"].update(width=1024, convolutions=32), "parameters in all; zoo loads 50,000,000"),
        (lambda c: c.update(members=c["members"] * 100) or c["architecture"].update(width=512), "parameters in all"),
        (lambda c: c.update(members=c["members"] * 101), "members: List should have at most 100"),
        (lambda c: c["architecture"].update(head=4096, head_layers=16), "parameters in all"),
        (lambda c: c["architecture"].update(width=-1), "architecture.width"),
        (lambda c: c["architecture"].update(width=4.5), "architecture.width"),
        (lambda c: c["architecture"].update(gaussian_end=float("nan")), "architecture.gaussian_end"),
        (lambda c: c["architecture"].update(network="os.system"), "architecture.network"),
        (lambda c: c["graph"].update(cutoff=1e9), "graph.cutoff"),
        (lambda c: c["graph"].update(neighbors=10**6), "graph.neighbors"),
        (lambda c: c["graph"].update(ties="by colour"), "graph.ties"),
        (lambda c: c["graph"].update(angles=True), "graph.angles: Extra inputs are not permitted"),
        (lambda c: c.update(format=2), "format: Input should be 1"),
        (lambda c: c.update(library="other"), "library"),
        (lambda c: c.update(weights="/etc/passwd"), "weights: Extra inputs are not permitted"),
        (lambda c: c.update(name="a\x1b[2Jb"), "name: String should match pattern"),
        (lambda c: c.update(name="x" * 10_000), "name: String should have at most 200"),
        (lambda c: c["target"].update(unit="GPa\nError: pay here"), "target.unit"),
        (lambda c: c.update(elements=["O", "../x"]), "elements: '../x' is no element"),
        (lambda c: c.update(elements=["O"] * 10**4), "elements: List should have at most 118"),
        (lambda c: c.update(element_table="0" * 64), "the atom table is not the one that config.json names"),
        (lambda c: c.update(element_table="../" * 10), "element_table"),
        (lambda c: c["members"][0].update(seed=10**40), r"members.0.seed"),
        (lambda c: c["members"][0]["scaling"].update(std=1e300), r"members.0.scaling.std"),
        (lambda c: c["members"][0]["scaling"].update(mean=float("inf")), r"members.0.scaling.mean"),
        (lambda c: c["members"][0]["scaling"].update(transform="eval"), r"members.0.scaling.transform"),
        (lambda c: c["architecture"].update(targets=2), "each target needs a description"),
        (lambda c: c["architecture"].update(targets=2, experts=1), "experts go with one target, not with 2"),
        (lambda c: c["architecture"].update(gaussian_end=1e-50), "architecture.gaussian_end"),
        (lambda c: c["members"][0]["scaling"].update(mean=1e99), "of logarithms, mean and std are at most 100"),
        (lambda c: c.update(provenance={"x": "y" * 2_000_000}), "larger than 1,000,000 bytes"),
    ],
)
def test_a_hostile_configuration(folder: Path, edit: Callable[[dict[str, Any]], object], why: str) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))
    assert why in refused(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"provenance":' + b'{"a":' * 50_000, "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "number out of range"),
        (b"", "Invalid JSON"),
        (b"null", "the file"),
        (b" " * 10_000_000, "larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_configuration(folder: Path, text: bytes, why: str) -> None:
    (folder / "config.json").write_bytes(text)
    assert why in refused(folder)


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
        replace(SMALL, head_layers=3, convolutions=2),
        replace(SMALL, pooling="all", targets=3),
        replace(SMALL, pooling="all", convolutions=2, experts=2),
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


def attempt(folder: Path) -> networks.Checkpoint | str:
    try:
        return networks.load(folder)
    except ZooError as error:
        message = str(error)
    assert message.isprintable()
    return message


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.integers(0, 5000),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["../../etc/passwd", "\x1b[31m", "cgcnn", "log10", "1e400", "O"]),
    st.lists(st.integers(0, 9), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))][0 if path else 1 :]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_configuration_ends_in_anything_but_an_error_of_ours(folder: Path, sound: Path, data: st.DataObject) -> None:
    config = json.loads((sound / "config.json").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(_places(config)))
        holder = config
        for key in parents:
            holder = holder[key]
        action = data.draw(st.sampled_from(["set", "drop", "add"]))
        if action == "drop" and isinstance(holder, dict):
            del holder[last]
        elif action == "add" and isinstance(holder, dict):
            holder[data.draw(st.text(max_size=10))] = data.draw(VALUES)
        else:
            holder[last] = data.draw(VALUES)
    (folder / "config.json").write_text(json.dumps(config))
    loaded = attempt(folder)
    if isinstance(loaded, networks.Checkpoint):  # a name, a note, or a number within its bounds was changed
        assert loaded.members[0].network.architecture.width == 4


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
        assert loaded.members[0].network.architecture.width == 4


def test_the_largest_configuration_takes_little_memory(folder: Path) -> None:
    """What a hostile file asks for is refused before it is made: the process never holds it."""
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] |= {"width": 1024, "convolutions": 32, "head": 4096, "head_layers": 16, "targets": 1}
    config["members"] *= 100  # 50 GB
    (folder / "config.json").write_text(json.dumps(config))
    code = """
import resource, sys
from pathlib import Path
from zoo.models.checkpoint import networks as checkpoints
from zoo.errors import CheckpointError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    checkpoints.load(Path(sys.argv[1]))
except CheckpointError as error:
    assert "parameters in all" in str(error), error
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000, "kilobytes"
