"""Fixtures that several test modules use."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Sums depend in their last digits on the number of threads, and what is compared may be computed by several processes:
# all of them get one. It must be said before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

# An assertion that fails in a module of helpers is shown as in a test, with what was compared.
pytest.register_assert_rewrite("support.commandline", "support.rocksalt")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymatgen.core import Structure
    from support.hubmachine import Machine
    from support.mpserver import MPServer

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def as_talkative_as_usual() -> None:
    """How much ``-q`` or ``-v`` lets a process say holds for no other test, even if a shared fixture ran it."""
    logging.getLogger("zoo").setLevel(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep graphs of the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Options such as ``-v`` and ``--plugin`` hold for a process; here each test is one."""
    from zoo.registry import plugins

    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    plugins.remove_files()


@pytest.fixture
def schnet(tmp_path: Path) -> Iterator[Path]:
    """The network of examples/zoo-plugin-schnet, known by the file that is returned."""
    from support.schnet import register

    from zoo.registry import plugins

    yield register(tmp_path)
    plugins.remove_files()


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that was never trained: what it predicts means nothing."""
    import torch

    from zoo.data.elements import atom_table
    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.data.scaling import TargetScaler
    from zoo.models.architecture import default_architecture
    from zoo.models.checkpoint import networks
    from zoo.models.checkpoint.schema import TargetConfig
    from zoo.training.transfer import scratch

    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    network = scratch(default_architecture(width=8, convolutions=2, head=8), torch.from_numpy(atom_table().copy()), 5)
    member = networks.Member(network, TargetScaler("identity", -1.5, 1.1), 5)
    checkpoint = networks.describe(
        [member],
        name="tiny",
        targets=[TargetConfig(name="e", unit="eV/atom")],
        graph=GraphSettings(),
        elements=["O"],
    )
    folder.mkdir()
    networks.save(checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def moduli(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """``moduli(n)``: a table of the first n bulk moduli of the bundled example."""
    import pandas as pd

    def write(rows: int) -> Path:
        path = tmp_path_factory.mktemp("data") / "k.csv"
        pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:rows].to_csv(path, index=False)
        return path

    return write


@pytest.fixture(scope="session")
def real_structures() -> list[Structure]:
    """Forty crystals of 1 to 40 atoms, spread over the bundled example of dielectric constants."""
    import pandas as pd
    from pymatgen.io.vasp import Poscar

    table = pd.read_csv(EXAMPLES / "dielectric.csv", comment="#").iloc[::26]
    return [Poscar.from_str(text).structure for text in table.structure.iloc[:40]]


@pytest.fixture(params=["compiled", "plain"])
def inner_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with the compiled inner loops, once with those in NumPy."""
    from zoo._utils import compiled

    if request.param == "plain":
        for part in compiled.PARTS:
            monkeypatch.setattr(compiled, part, None)
    elif compiled.missing():
        pytest.skip("zoo was installed without a C compiler")


@pytest.fixture
def hub_server() -> Iterator[Any]:
    """A Hub on the loopback interface; see zoo/testing/hub_server.py."""
    from zoo import testing

    with testing.hub_server() as server:
        yield server


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution that brings backbones: ``shelf(distribution, {file name: content})``.

    Returns the folder of its cards. The folder to put on the path of another process is the one above it.
    """

    def install(distribution: str, files: dict[str, str | bytes], group: str = "zoo.backbones") -> Path:
        site = tmp_path / "site"
        package = distribution.replace("-", "_")
        metadata = site / f"{package}-1.2.dist-info"
        entries = f"[{group}]\n{distribution} = {package}\n"
        everything: dict[str, str | bytes] = {
            f"{package}/__init__.py": "",
            f"{metadata.name}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n",
            f"{metadata.name}/entry_points.txt": entries,
            **{f"{package}/{name}": content for name, content in files.items()},
        }
        for name, content in everything.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.delitem(sys.modules, package, raising=False)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        return site / package

    return install


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution: ``install(name, {group: {entry: value}}, {module: source}, requires=[...])``.

    Returns the folder on the path that holds it.
    """

    def make(
        name: str,
        entries: dict[str, dict[str, str]],
        modules: dict[str, str] | None = None,
        *,
        version: str = "1.2",
        site: str = "site",
        requires: tuple[str, ...] = (),
    ) -> Path:
        root = tmp_path / site
        info = root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*metadata, *(f"Requires-Dist: {each}" for each in requires), ""]))
        lines = [f"[zoo.{group}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for group, e in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for module, source in (modules or {}).items():
            (root / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        if str(root) not in sys.path:
            monkeypatch.syspath_prepend(str(root))
        importlib.invalidate_caches()
        return root

    return make


@pytest.fixture
def mp_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MPServer]:
    """The Materials Project's API on the loopback interface, and a key for it; see mpserver.py."""
    from support.mpserver import KEY, MPServer, documents

    from zoo.data.sources import mp_client

    monkeypatch.setattr(mp_client, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("MP_API_KEY", KEY)
    with MPServer(documents()) as api:
        monkeypatch.setenv("MP_API_ENDPOINT", api.url)
        yield api


@pytest.fixture
def machine(hub_server: Any, shelf: Callable[..., Path], tmp_path: Path) -> Machine:
    """A machine that is used through other processes; see hubmachine.py."""
    from support.hubmachine import Machine

    return Machine(hub_server, tmp_path / "home", shelf)


@pytest.fixture
def here(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose client runs in this process, its settings changed where the client keeps them."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    from zoo.hub import unpinned

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(constants, "ENDPOINT", machine.server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(machine.cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(machine.home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("ZOO_CACHE", str(machine.home / "zoo"))
    disable_progress_bars()
    unpinned.warn_unpinned.cache_clear()
    return machine


@pytest.fixture
def on_a_terminal() -> Callable[..., list[str]]:
    """Run code on a pseudo-terminal: ``on_a_terminal(code, columns)``; returns its lines without colours."""
    if not hasattr(os, "openpty"):
        pytest.skip("no pseudo-terminals here")

    def run(code: str, columns: int) -> list[str]:
        ours, theirs = os.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "60"}
        process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        shown = b""
        # Linux says with an error, others with an empty block, that the other end is closed.
        with suppress(OSError):
            while block := os.read(ours, 4096):
                shown += block
        os.close(ours)
        assert process.wait() == 0, shown.decode()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n").splitlines()

    return run


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Copy a source tree, without what was made in it: ``source_tree(folder)`` returns a new folder each time."""

    def copy(source: Path) -> Path:
        target = tmp_path_factory.mktemp("source") / source.name
        made = ("runs", "build", "dist", "*.egg-info", "__pycache__", "*.so", "*.pyd")
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*", *made))
        return target

    return copy


@pytest.fixture(scope="session")
def build_wheel(source_tree: Callable[[Path], Path]) -> Callable[..., Path]:
    """Build the wheel of a source tree, once: ``build_wheel(folder[, VARIABLE=value])`` returns the file.

    It has compiled parts where the zoo under test has them.
    """
    from zoo._utils import compiled

    @lru_cache
    def build(source: Path, **variables: str) -> Path:
        tree = source_tree(source)
        options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", tree.parent)
        command = [sys.executable, "-m", "pip", "wheel", *map(str, options), str(tree)]
        environment = {**os.environ, "ZOO_PURE": "1" if compiled.missing() else "0", **variables}
        done = subprocess.run(command, cwd=tree.parent, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = tree.parent.glob("*.whl")
        return wheel

    return build
