"""The report of ``zoo doctor``: what is installed on this machine, and whether it works."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import VERSION
from zoo.errors import DependencyError, HubError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.registry.cards import Card


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
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    checks = [
        Check("zoo", None, f"{VERSION}, in {Path(__file__).parent}"),
        Check("python", None, f"{platform.python_version()}, {sys.executable}"),
        Check("platform", None, system),
        *_dependencies(),
        _guarded("torch", _torch),
        _guarded("dgl", _dgl),
        _compiled(),
        *_caches(),
        *_backbones(),
        *_plugins(),
    ]
    if online:
        checks.append(_guarded("hub", _hub))
    return checks


def _guarded(name: str, look: Callable[[], str]) -> Check:
    """Run one check; a :class:`ZooError` means that it failed."""
    try:
        return Check(name, True, look())
    except ZooError as error:
        return Check(name, False, str(error))


def _dependencies() -> list[Check]:
    """Compare the installed versions with the requirements in our own metadata, importing nothing."""
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


def _dgl() -> str:
    from zoo.data.graphs.dgl_import import state

    return state()


def _compiled() -> Check:
    from zoo._utils import compiled

    if not (missing := compiled.missing()):
        return Check("compiled parts", True, ", ".join(compiled.PARTS))
    # Not a failure: the implementations in NumPy and torch give the same results.
    slow = "graphs take five to eight times as long, the rest about twice; install a C compiler and reinstall zoo"
    return Check("compiled parts", None, f"{', '.join(missing)} missing: {slow}")


def _caches() -> list[Check]:
    """Report the location and the size of the Hub's cache."""
    from zoo.hub.locations import cache_root

    root = cache_root()
    # Links are not followed: each file counts once.
    size = sum(path.stat().st_size for path in root.glob("models--*/**/*") if path.is_file() and not path.is_symlink())
    there = f"{size / 1e6:.1f} MB of models" if root.is_dir() else "does not exist yet"
    return [Check("hub cache", None, f"{root}, {there} (HF_HOME, HF_HUB_CACHE)")]


def _backbones() -> list[Check]:
    """Check the digests of bundled weights, and report cards that cannot be read or share a name."""
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
    """Load every plugin; report those that are broken and those whose name is taken."""
    from zoo.registry import backbones
    from zoo.registry.plugin_checks import problems
    from zoo.registry.plugins import plugins

    try:
        found = plugins()
    except ZooError as error:
        return [Check("plugins", False, str(error))]
    checks = []
    for plugin in found:
        name = f"{plugin.kind} {plugin.name}"
        reported = backbones.problems(plugin) if plugin.kind == "backbone" else []
        checks += [Check(name, False, problem) for problem in problems(plugin) if problem not in reported]
        if plugin.duplicate and plugin.kind != "backbone":  # for backbones the names of the cards count
            checks.append(Check(name, None, f"the name is taken; say {plugin.qualified} for this one"))
    if not any(check.ok is False for check in checks):
        packages = {plugin.distribution for plugin in found}
        checks.append(Check("plugins", True, f"{len(found)} from {', '.join(sorted(packages))}"))
    return checks


def _hub() -> str:
    from zoo.hub.client import Client
    from zoo.hub.errors import endpoint

    start = time.perf_counter()
    with Client() as hub:
        status = hub.ping(5.0)
    if status >= 500:
        raise HubError(f"{endpoint()} does not work at the moment (status {status})")
    return f"{endpoint()} answered with status {status} in {time.perf_counter() - start:.2f} s"
