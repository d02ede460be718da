"""``zoo doctor``, ``zoo plugins`` and ``zoo cache``: the installation, and stored graphs and tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

import zoo
from zoo._utils.wording import counted
from zoo.commands.console import show_json, show_table, show_text
from zoo.commands.options import Command, Group, common, json_option
from zoo.errors import DependencyError, HubError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.registry.cards import Card
    from zoo.registry.networks import Network
    from zoo.registry.plugins import Plugin


@click.command(
    cls=Command,
    examples=[
        ("What is installed, and whether it works", "zoo doctor"),
        ("Also whether the Hub can be reached", "zoo doctor --online"),
    ],
)
@click.option("--online", is_flag=True, help="Also check that the Hub can be reached.")
@json_option
@common
def doctor(online: bool, as_json: bool) -> None:
    """Report what is installed and whether it works, and say how to repair what does not."""
    checks = report(online)
    if as_json:
        show_json([asdict(check) for check in checks])
    else:
        marks = {True: "ok", False: "PROBLEM", None: ""}
        show_table(("", "", ""), ((check.name, marks[check.ok], check.detail) for check in checks))
    if any(check.ok is False for check in checks):
        raise SystemExit(1)


@click.group(
    cls=Group,
    examples=[
        ("All names that --task, --baseline and --beside take", "zoo plugins list"),
        ("Check a file of your own", "zoo plugins list --plugin hardness.py --check"),
    ],
)
@common
def plugins() -> None:
    """Tasks, featurizers, baselines, networks and backbones: zoo's own and those of other packages."""


@plugins.command(
    "list",
    examples=[
        ("All names that --task, --baseline and --beside take", "zoo plugins list"),
        ("Check a file of your own", "zoo plugins list --plugin hardness.py --check"),
    ],
)
@click.option("--check", is_flag=True, help="Load every plugin and report what is broken.")
@json_option
@common
def list_plugins(check: bool, as_json: bool) -> None:
    """List all plugins without importing them. Exit code 1 if one is known to be broken."""
    from zoo.registry.plugin_checks import status
    from zoo.registry.plugins import plugins as installed

    rows = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "object": plugin.value,
            "status": _conformance(plugin) if check and plugin.kind == "network" else status(plugin, load=check),
        }
        for plugin in installed()
    ]
    if as_json:
        show_json(rows)
    else:
        columns = ("kind", "name", "distribution", "version", "status")
        cells = ([row[key] for key in columns] for row in rows)
        show_table(columns, cells, keep=("name",), drop=("version", "distribution"))
    if any("broken:" in row["status"] for row in rows):
        raise SystemExit(1)


def _conformance(plugin: Plugin) -> str:
    """Return the status of a network: unlike other plugins, it is also run, at its default sizes."""
    from zoo.registry.plugin_checks import status
    from zoo.registry.plugins import load_plugin
    from zoo.registry.plugins import plugins as installed
    from zoo.testing import check_network

    found = status(plugin, load=True)
    if "broken:" in found:
        return found
    if same := [each for each in installed("network") if each.name.lower() == plugin.name.lower() and each != plugin]:
        others = " and ".join(str(each) for each in same)
        return f"broken: {plugin} has the name of {others}; two networks of one name cannot be told apart"
    try:
        check_network(cast("Network", load_plugin(plugin)))
    except AssertionError as error:
        return f"broken: {error}"
    return found


@click.group(
    cls=Group,
    examples=[
        ("How much space the graphs take", "zoo cache info"),
        ("Remove graphs and downloaded tables", "zoo cache clear --tables"),
    ],
)
@common
def cache() -> None:
    """Manage the graphs of large tables that are kept on disk."""


@cache.command(
    "info",
    examples=[
        ("Where graphs are kept and how large they are", "zoo cache info"),
        ("For a program", "zoo cache info --json"),
    ],
)
@json_option
@common
def cache_info(as_json: bool) -> None:
    """Show where graphs are kept and how much space they take."""
    from zoo.data.graphs import store

    there, tables = store.entries(), store.fetched_tables()
    if as_json:
        stores, fetched = [entry.overview() for entry in there], [{"file": str(p), "bytes": n} for p, n in tables]
        show_json({"folder": str(store.cache_folder()), "stores": stores, "tables": fetched})
        return
    rows = [
        (entry.folder.name[:12], f"{entry.crystals:,}", f"{entry.atoms:,}", f"{entry.bytes / 1e6:.1f} MB")
        for entry in there
    ]
    if rows:
        show_table(("store", "crystals", "atoms", "size"), rows)
    total = sum(entry.bytes for entry in there) / 1e6
    show_text(f"{counted(len(there), 'store')}, {total:.1f} MB, in {store.cache_folder()} (set ZOO_CACHE to change it)")
    for path, size in tables:
        show_text(f"fetched table, {size / 1e6:.1f} MB: {path}")


@cache.command(
    "clear",
    examples=[
        ("Remove the graphs", "zoo cache clear"),
        ("Remove downloaded tables too", "zoo cache clear --tables"),
    ],
)
@click.option("--tables", is_flag=True, help="Also remove downloaded tables.")
@common
def cache_clear(tables: bool) -> None:
    """Remove all stored graphs; they are rebuilt when needed."""
    from zoo.data.graphs import store

    count, size = store.clear(tables=tables)
    what = counted(count, "item" if tables else "store")
    show_text(f"{what} removed, {size / 1e6:.1f} MB, from {store.cache_folder()}")


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Parameters
    ----------
    name : str
        What was looked at.
    ok : bool or None
        Whether it works; None for plain information.
    detail : str
        What was found, and how to repair it.
    """

    name: str
    ok: bool | None
    detail: str


def report(online: bool = False) -> list[Check]:
    """Check everything that zoo depends on; imports torch and DGL.

    Parameters
    ----------
    online : bool
        Also send the Hub one request, with a timeout of five seconds.

    Returns
    -------
    list of Check
        What is wrong with the environment is never raised, only reported.
    """
    import platform
    import sys

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    checks = [
        Check("zoo", None, f"{zoo.__version__}, in {Path(zoo.__file__).parent}"),
        Check("python", None, f"{platform.python_version()}, {sys.executable}"),
        Check("platform", None, system),
        *_dependencies(),
        _guarded("torch", _torch),
        _dgl(),
        _compiled(),
        *_caches(),
        *_backbones(),
        *_plugins(),
    ]
    if online:
        checks.append(_guarded("hub", _hub))
    return checks


def _guarded(name: str, look: Callable[[], str]) -> Check:
    """Run one check; it fails if a :class:`ZooError` is raised."""
    try:
        return Check(name, True, look())
    except ZooError as error:
        return Check(name, False, str(error))


def _dependencies() -> list[Check]:
    """Compare the installed versions with the requirements in our own metadata, importing nothing."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in requires("crystal-zoo") or []]
    except PackageNotFoundError:
        return [Check("crystal-zoo", False, "not installed as a package; run: pip install -e .")]
    checks = []
    for requirement in sorted(wanted, key=lambda requirement: requirement.name.lower()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = f"package {requirement.name}"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            checks.append(Check(name, False, f"missing; run: pip install '{requirement}'"))
            continue
        ok = requirement.specifier.contains(found, prereleases=True)
        checks.append(Check(name, ok, found if ok else f"{found}; run: pip install '{requirement}'"))
    return checks


def _torch() -> str:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library that cannot be loaded
        raise DependencyError(f"torch cannot be imported: {str(error).splitlines()[0]}") from error
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return f"{torch.__version__}, {torch.get_num_threads()} threads, devices: {', '.join(devices)}"


def _dgl() -> Check:
    from importlib.util import find_spec

    from zoo.data.graphs.dgl_import import state, unavailable

    if (why := unavailable()) and not find_spec("dgl"):
        return Check("dgl", None, why)
    return _guarded("dgl", state)


def _compiled() -> Check:
    from zoo._utils import compiled

    if not (missing := compiled.missing()):
        return Check("compiled parts", True, ", ".join(compiled.PARTS))
    # Not a failure, because the implementations in NumPy and torch give the same results.
    slow = "graphs take five to eight times as long, the rest about twice"
    cure = "install a C compiler and reinstall zoo without ZOO_PURE"
    return Check("compiled parts", None, f"{', '.join(missing)} missing: {slow}; {cure}")


def _caches() -> list[Check]:
    """Report the location and size of the Hub's cache."""
    from zoo.hub.locations import cache_root

    root = cache_root()
    # Links are not followed, so that each file is counted once.
    size = sum(path.stat().st_size for path in root.glob("models--*/**/*") if path.is_file() and not path.is_symlink())
    there = f"{size / 1e6:.1f} MB of models" if root.is_dir() else "does not exist yet"
    return [Check("hub cache", None, f"{root}, {there} (HF_HOME, HF_HUB_CACHE)")]


def _backbones() -> list[Check]:
    """Check the digests of bundled weights, and report cards that are unreadable or have duplicate names."""
    from zoo.hub import pull
    from zoo.registry import backbones

    try:
        cards, problems = backbones.named(), backbones.problems()
    except ZooError as error:
        return [Check("cards", False, str(error))]
    checks = [Check("cards", False, problem) for problem in problems]
    for name, card in cards.items():
        if ":" in name:
            checks.append(Check("cards", None, f"several packages register {card.name}; say {name} for this one"))
        if card.bundled:
            checks.append(_guarded(f"weights {name}", partial(_verified, card)))
        else:
            checks.append(Check(f"weights {name}", None, pull.status(card)))
    return checks


def _verified(card: Card) -> str:
    from zoo.hub import pull
    from zoo.registry import backbones

    pull.verify(backbones.weights_folder(card), card)
    return f"{pull.status(card)}, {card.size / 1e6:.2f} MB, SHA-256 as on the card"


def _plugins() -> list[Check]:
    """Load every plugin, and report broken ones and duplicate names."""
    from zoo.registry import backbones
    from zoo.registry.plugin_checks import problems
    from zoo.registry.plugins import plugins as installed

    try:
        found = installed()
    except ZooError as error:
        return [Check("plugins", False, str(error))]
    checks = []
    for plugin in found:
        name = f"{plugin.kind} {plugin.name}"
        reported = backbones.problems(plugin) if plugin.kind == "backbone" else []
        checks += [Check(name, False, problem) for problem in problems(plugin) if problem not in reported]
        if plugin.duplicate and plugin.kind != "backbone":  # backbones are identified by the names of their cards
            checks.append(Check(name, None, f"the name is taken; say {plugin.qualified} for this one"))
    if not any(check.ok is False for check in checks):
        packages = {plugin.distribution for plugin in found}
        checks.append(Check("plugins", True, f"{len(found)} from {', '.join(sorted(packages))}"))
    return checks


def _hub() -> str:
    import time

    from zoo.hub.client import Client
    from zoo.hub.errors import endpoint

    start = time.perf_counter()
    with Client() as hub:
        status = hub.ping(5.0)
    if status >= 500:
        raise HubError(f"{endpoint()} does not work at the moment (status {status})")
    return f"{endpoint()} answered with status {status} in {time.perf_counter() - start:.2f} s"
