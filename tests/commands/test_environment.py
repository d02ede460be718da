"""``zoo doctor``: what is installed, and whether it works."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
import torch
from huggingface_hub import close_session, constants
from support.commandline import PLUGIN, zoo

from zoo import __version__
from zoo.commands.environment import Check, report
from zoo.data.graphs import dgl_import

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shelf = Callable[..., Path]

CARD = """\
---
license: mit
zoo:
  name: {name}
  title: A network
  repo_id: someone/{name}
  bundled: true
  files:
    - {{name: model.safetensors, size: 3, sha256: {abc}}}
    - {{name: config.json, size: 3, sha256: {abc}}}
  target: H_V
  unit: GPa
  architecture: {{atom_features: 92, width: 8, convolutions: 1, head: 8, head_layers: 1, gaussians: 41}}
  graph: {{cutoff: 8.0, neighbors: 12, ties: order}}
  elements: [C]
  training: {{source: a table, license: CC0, rows: {{train: 8, val: 1, test: 1}}}}
---
"""

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of "abc", from FIPS 180-2, appendix B.1."""


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def bundle(name: str, weights: bytes = b"abc") -> dict[str, str | bytes]:
    folder = f"weights/{name}"
    return {
        f"{name}.md": CARD.format(name=name, abc=ABC),
        f"{folder}/model.safetensors": weights,
        f"{folder}/config.json": b"abc",
    }


def test_what_is_installed() -> None:
    checks = named(report())
    assert checks["python"].detail.startswith(platform.python_version())
    assert sys.executable in checks["python"].detail
    for package in ("click", "dgl", "huggingface-hub", "torch", "pymatgen"):
        assert checks[f"package {package}"] == Check(f"package {package}", True, version(package))
    assert not [name for name in checks if "pytest" in name], "extras are nobody's duty"
    assert checks["torch"].ok
    assert torch.__version__ in checks["torch"].detail
    assert f"{torch.get_num_threads()} threads" in checks["torch"].detail
    assert checks["dgl"].ok
    assert version("dgl") in checks["dgl"].detail
    assert checks["weights dEf-113k-mp"] == Check("weights dEf-113k-mp", None, "not published yet")
    assert "hub" not in checks, "nothing goes online unasked"


def test_the_cache_is_measured_once_per_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    assert "does not exist yet" in named(report())["hub cache"].detail
    repository = tmp_path / "cache" / "models--a--b"
    (repository / "blobs").mkdir(parents=True)
    (repository / "blobs" / "x").write_bytes(b"x" * 2_500_000)
    (repository / "snapshots" / "c").mkdir(parents=True)
    (repository / "snapshots" / "c" / "model.safetensors").symlink_to(repository / "blobs" / "x")
    assert named(report())["hub cache"].detail.startswith(f"{tmp_path / 'cache'}, 2.5 MB")


def test_bundled_weights_are_verified(shelf: Shelf) -> None:
    shelf("zoo-good", bundle("good"))
    shelf("zoo-spoilt", bundle("spoilt", weights=b"abd"))
    checks = named(report())
    assert checks["weights good"] == Check("weights good", True, "bundled, 0.00 MB, SHA-256 as on the card")
    assert checks["weights spoilt"].ok is False
    assert "but its card pins ba7816bf" in checks["weights spoilt"].detail


def test_broken_and_duplicated_plugins_are_named(shelf: Shelf) -> None:
    shelf("zoo-broken", {"broken.md": "---\nlicense: mit\n---\n"})
    shelf("zoo-one", bundle("same"))
    shelf("zoo-two", bundle("same"))
    folder = shelf("zoo-bad-task", {}, group="zoo.tasks")
    (folder / "__init__.py").write_text("raise RuntimeError('no luck today')")
    checks = report()
    failed = [(check.name, check.detail) for check in checks if check.ok is False]
    assert any(name == "cards" and "broken.md: zoo: is missing" in detail for name, detail in failed)
    assert any(name == "task zoo-bad-task" and "no luck today" in detail for name, detail in failed)
    twice = [check.detail for check in checks if check.ok is None and "several packages register same" in check.detail]
    assert [detail.rpartition("say ")[2] for detail in twice] == [
        "zoo-one:same for this one",
        "zoo-two:same for this one",
    ]
    assert "plugins" not in named(checks)


def test_a_nonsensical_switch_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "perhaps")
    checks = named(report())
    assert checks["plugins"].ok is False
    assert "'perhaps'" in checks["plugins"].detail
    assert checks["torch"].ok


def test_missing_and_unfit_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "crystal_zoo-9.dist-info"
    info.mkdir()
    wants = ["numpy>=99", "a-package-that-nobody-has>=1", "click>=8", "neither-this; extra == 'dev'"]
    lines = [
        "Metadata-Version: 2.1",
        "Name: crystal-zoo",
        "Version: 9",
        *(f"Requires-Dist: {want}" for want in wants),
    ]
    (info / "METADATA").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    checks = named(report())
    assert checks["package click"].ok
    assert checks["package numpy"] == Check("package numpy", False, f"{version('numpy')}; run: pip install 'numpy>=99'")
    absent = checks["package a-package-that-nobody-has"]
    assert (absent.ok, absent.detail) == (False, "missing; run: pip install 'a-package-that-nobody-has>=1'")
    assert "package neither-this" not in checks


def test_torch_and_dgl_that_cannot_be_imported() -> None:
    code = (
        "import json, sys; sys.modules['torch'] = sys.modules['dgl'] = None; "
        "from zoo.commands.environment import report; "
        "print(json.dumps([[c.name, c.ok, c.detail] for c in report() if c.name in ('torch', 'dgl')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (torch, torch_ok, why), (dgl, dgl_ok, _) = json.loads(done.stdout)
    assert (torch, torch_ok, dgl, dgl_ok) == ("torch", False, "dgl", False)
    assert why.startswith("torch cannot be imported")


def test_where_there_is_no_dgl_its_absence_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dgl_import, "unavailable", lambda: "DGL has no release for this Python: …")
    monkeypatch.setitem(sys.modules, "dgl", None)
    assert named(report())["dgl"] == Check("dgl", None, "DGL has no release for this Python: …")


@pytest.mark.parametrize(
    ("fault", "ok", "said"),
    [(None, True, "answered with status 200"), ("out of order", False, "does not work at the moment (status 503)")],
)
def test_online(hub_server: Any, monkeypatch: pytest.MonkeyPatch, fault: Any, ok: bool, said: str) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", hub_server.url)
    close_session()
    hub_server.fault = fault
    check = named(report(online=True))["hub"]
    assert check.ok is ok
    assert check.detail.startswith(hub_server.url)
    assert said in check.detail
    assert hub_server.requests == ["HEAD /api/models"], "one request"
    hub_server.stop()
    down = named(report(online=True))["hub"]
    assert down.ok is False
    assert "cannot be reached" in down.detail


@pytest.mark.usefixtures("as_in_a_new_process")
def test_doctor_finds_a_healthy_environment() -> None:
    checks = {each["name"]: each for each in json.loads(zoo("doctor", "--json").stdout)}
    assert all(check["ok"] is not False for check in checks.values())
    assert "graphbolt" in checks["dgl"]["detail"] or "complete" in checks["dgl"]["detail"]
    assert checks["torch"]["detail"].startswith(torch.__version__)
    assert re.search(r"^zoo +0\.\d+\.\d+, in ", zoo("doctor").stdout, re.MULTILINE)


@pytest.mark.usefixtures("as_in_a_new_process")
def test_plugins_are_listed_with_who_brought_them() -> None:
    listed = json.loads(zoo("plugins", "list", "--json").stdout)
    ours = {(each["kind"], each["name"]) for each in listed if each["distribution"] == "crystal-zoo"}
    tasks = [
        "formation-energy",
        "band-gap",
        "bulk-modulus",
        "shear-modulus",
        "dielectric",
        "refractive-index",
        "gw-gap",
    ]
    assert {("task", name) for name in tasks} < ours
    assert {("featurizer", name) for name in ("magpie", "magpie-structure", "embedding")} < ours
    assert {("baseline", name) for name in ("mean", "rf", "svr", "lasso", "pls")} < ours
    assert {each["version"] for each in listed if each["distribution"] == "crystal-zoo"} == {__version__}
    printed = zoo("plugins", "list").stdout
    for each in listed:
        assert re.search(rf"^{each['kind']} +{each['name']} +{each['distribution']} +", printed, re.MULTILINE)


@pytest.mark.usefixtures("as_in_a_new_process")
def test_plugins_are_checked_when_asked(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(PLUGIN.replace('unit="GPa"', 'unit="GPa", zoo_api=99'))
    listed = json.loads(zoo("plugins", "list", "--check", "--json", "--plugin", broken, code=1).stdout)
    status = {(each["kind"], each["name"]): each["status"] for each in listed}
    assert "zoo_api 99" in status.pop(("task", "stiffness"))
    assert {status[key] for key in status if key != ("task", "stiffness")} == {"ok"}
