"""Configurations from strangers: one line says why they are refused, and memory stays bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.smallcheckpoint import attempt, refused

from zoo.models.checkpoint import networks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda c: c["architecture"].update(width=10**9), "architecture.width: must be at most"),
        (lambda c: c["architecture"].update(width=1024, convolutions=32), "parameters in all; zoo loads 50,000,000"),
        (lambda c: c.update(members=c["members"] * 100) or c["architecture"].update(width=512), "parameters in all"),
        (lambda c: c.update(members=c["members"] * 101), "members: List should have at most 100"),
        (lambda c: c["architecture"].update(head=4096, head_layers=16), "parameters in all"),
        (lambda c: c["architecture"].update(width=-1), "architecture.width"),
        (lambda c: c["architecture"].update(width=4.5), "architecture.width"),
        (lambda c: c["architecture"].update(gaussian_end=float("nan")), "architecture.gaussian_end"),
        (lambda c: c["architecture"].update(network="os.system"), "architecture: no network is called 'os.system'"),
        (lambda c: c["graph"].update(cutoff=1e9), "graph.cutoff"),
        (lambda c: c["graph"].update(neighbors=10**6), "graph.neighbors"),
        (lambda c: c["graph"].update(ties="by colour"), "graph.ties"),
        (lambda c: c["graph"].update(angles=True), "graph.angles: Extra inputs are not permitted"),
        (lambda c: c.update(format=2), "format: must be 1"),
        (lambda c: c.update(library="other"), "library"),
        (lambda c: c.update(weights="/etc/passwd"), "weights: must be one of float32, float16"),
        (lambda c: c.update(name="a\x1b[2Jb"), "name: String should match pattern"),
        (lambda c: c.update(name="x" * 10_000), "name: String should have at most 200"),
        (lambda c: c["target"].update(unit="GPa\nError: pay here"), "target.unit"),
        (lambda c: c.update(elements=["O", "../x"]), "elements: '../x' is not an element"),
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
        assert loaded.members[0].network.architecture.settings.width == 4


def test_the_largest_configuration_takes_little_memory(folder: Path) -> None:
    """What a hostile file asks for is refused before it is made: the process never holds it."""
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] |= {"width": 1024, "convolutions": 32, "head": 4096, "head_layers": 16, "targets": 1}
    config["members"] *= 100  # 50 GB
    (folder / "config.json").write_text(json.dumps(config))
    code = """
import resource, sys
from pathlib import Path
from zoo.models.checkpoint import networks
from zoo.errors import CheckpointError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    networks.load(Path(sys.argv[1]))
except CheckpointError as error:
    assert "parameters in all" in str(error), error
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000, "kilobytes"
