"""Versions of the third-party code that a result depends on: the plugins used and their dependencies."""

from __future__ import annotations

import ast
import hashlib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.registry import plugins
from zoo.registry.plugins import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.requirements import Requirement

    from zoo.registry.contracts import Kind
    from zoo.registry.plugins import Plugin


def versions(used: Iterable[Plugin]) -> dict[str, str]:
    """Return the versions of the plugins' packages and of the packages that they require or import.

    Parameters
    ----------
    used : iterable of Plugin
        Plugins that ship with zoo are skipped.

    Returns
    -------
    dict of str to str
        Distribution → version; a single file, which has none, → the SHA-256 of its bytes.
    """
    found: dict[str, str] = {}
    for plugin in used:
        if plugin.ours:
            continue
        source = _source(plugin)
        if plugin.origin is not None:
            found[plugin.distribution] = f"SHA-256 {_digest(source)}"
        required = (each.name for each in requirements(plugin.distribution))
        found |= installed((plugin.distribution, *required, *(_imported(source) if source else ())))
    found.pop(OURS, None)
    return dict(sorted(found.items()))


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def identity(kind: Kind, name: str) -> str:
    """Return a string that changes with the plugin: the digest of its file, or its package, version and module."""
    plugin = plugins.find(kind, name)
    if plugin.origin is not None:
        return _digest(_source(plugin))
    named = f"{plugin.distribution} {plugin.version} {plugin.value}"
    return named if plugin.ours else f"{named} {_digest(_source(plugin))}".rstrip()  # the version of ours is sufficient


def _digest(source: Path | None) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest() if source else ""


def _source(plugin: Plugin) -> Path | None:
    """Return the file of a plugin's module."""
    if plugin.origin is not None:
        return Path(plugin.origin).expanduser()
    with suppress(ImportError, ValueError):
        spec = find_spec(plugin.value.partition(":")[0].strip())
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            return Path(spec.origin)
    return None


def requirements(distribution: str) -> Iterator[Requirement]:
    """Yield what a distribution requires here, without its extras; lines that cannot be read are left out."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return
    for line in lines:
        with suppress(InvalidRequirement):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def _imported(source: Path) -> Iterator[str]:
    """Yield the names of the distributions that a module imports from, also inside functions."""
    owners = packages_distributions()
    for node in ast.walk(ast.parse(source.read_bytes())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            yield from owners.get(module.partition(".")[0], ())
