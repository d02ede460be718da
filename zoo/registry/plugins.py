"""Plugins: listed without being imported, loaded one at a time, and isolated from each other.

Packages, zoo included, register plugins through entry points, whose names are what users type. They cannot disturb each
other or zoo:

- :func:`plugins` reads the metadata of the installed distributions and imports nothing;
- a plugin that cannot be loaded breaks only itself (:func:`check` says why; :func:`load` raises);
- a name that zoo uses means zoo's plugin; where two other packages share a name, the user must say
  ``distribution:name``, which always works.

``ZOO_PLUGINS=off`` leaves third-party distributions out, but not files given with ``--plugin`` (:func:`add_file`).
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from zoo.errors import PluginError, UnknownNameError
from zoo.registry.contracts import ZOO_API, Baseline, Featurizer, Kind, Task, breach
from zoo.registry.networks import Network
from zoo.registry.plugin_files import one_line_with_place, read_plugin_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.metadata import Distribution


KINDS: tuple[Kind, ...] = get_args(Kind)
CONTRACTS: dict[Kind, type[Any]] = {"task": Task, "baseline": Baseline, "network": Network}
OURS = "crystal-zoo"
"""The distribution whose plugins come first and stay when third parties are switched off."""


DIGITS = 12
"""Digits of the SHA-256 of a single file that stand for its version."""


@dataclass(frozen=True)
class Plugin:
    """A plugin as described by its metadata, before it is loaded.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone", "network"}
    name : str
        The name that users type.
    distribution, version : str
        The installed package that offers it; for a single file, its name and the first digits of its SHA-256.
    value : str
        Where the object is: ``"package.module:object"``.
    origin : str or None
        Path of the single file it came from; None for an entry point.
    duplicate : bool
        Whether its name is ambiguous, because other plugins of the kind have the same name.
    """

    kind: Kind
    name: str
    distribution: str
    version: str
    value: str
    origin: str | None = None
    duplicate: bool = False

    @property
    def ours(self) -> bool:
        """Whether it ships with zoo."""
        return self.distribution == OURS

    @property
    def qualified(self) -> str:
        """The unique name ``"distribution:name"``."""
        return f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        if self.origin is not None:
            return f"{self.kind} {self.name!r} of {self.origin}"
        return f"{self.kind} {self.name!r} of package {self.distribution} {self.version}".rstrip()


_files: dict[Path, dict[Plugin, object]] = {}
"""Plugins of files given with ``--plugin``, by path; the only state of this module."""


def plugins(kind: Kind | None = None) -> list[Plugin]:
    """List the installed plugins without importing any of them.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone", "network"}, optional
        List only these.

    Returns
    -------
    list of Plugin
        By kind, ours first, then by distribution and name. All plugins that share a name are listed.

    Raises
    ------
    PluginError
        If ``ZOO_PLUGINS`` is neither ``on`` nor ``off``.
    """
    return _listed(kind, third_parties=_third_parties_wanted())


def find(kind: Kind, name: str) -> Plugin:
    """Find a plugin by name, without loading it.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone", "network"}
    name : str
        A name in any case, or ``distribution:name``.

    Raises
    ------
    UnknownNameError
        If there is none; suggests the nearest names.
    PluginError
        If several distributions offer the name and none of them is zoo, or the only one is switched off.
    """
    known = plugins(kind)
    matches = _meant([plugin for plugin in known if is_called(plugin, name)])
    if len(matches) == 1:
        return matches[0]
    if matches:
        who = " and ".join(str(plugin).partition(" of ")[2] for plugin in matches)
        how = " or ".join(plugin.qualified for plugin in matches)
        raise PluginError(f"{kind} {name!r} is offered by {who}; say which one: {how}")
    hidden = [plugin for plugin in _listed(kind, third_parties=True) if is_called(plugin, name)]
    if hidden:
        raise PluginError(f"{hidden[0]} is switched off by ZOO_PLUGINS=off; unset ZOO_PLUGINS to use it")
    raise UnknownNameError(kind, name, [plugin.qualified if ":" in name else plugin.name for plugin in known])


def canonical(distribution: str) -> str:
    """Return a distribution's name as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def is_called(plugin: Plugin, name: str) -> bool:
    """Return whether a name, or ``distribution:name``, means a plugin, in any case and spelling of packaging tools."""
    distribution, _, bare = name.rpartition(":")
    return plugin.name.lower() == bare.lower() and canonical(distribution) in ("", canonical(plugin.distribution))


def load(kind: Kind, name: str) -> object:
    """Load a plugin by name, and nothing else.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone", "network"}
    name : str
        A name in any case, or ``distribution:name``.

    Returns
    -------
    Task, Featurizer, Baseline, Network or module
        According to `kind`; a backbone plugin is the package whose folder holds the cards.

    Raises
    ------
    UnknownNameError, PluginError
        If there is none of that name, or several, or the plugin is broken.
    """
    return load_plugin(find(kind, name))


def load_plugin(plugin: Plugin) -> object:
    """Load a plugin that :func:`plugins` listed.

    Raises
    ------
    PluginError
        If it cannot be imported, was written for another version of the contracts, breaks the contract of its
        kind, or has a name other than that of its entry point.
    """
    try:
        made = _object_behind(plugin)
        api = getattr(made, "zoo_api", ZOO_API)
        if api == ZOO_API and plugin.kind == "featurizer" and _is_factory(made):
            made = made()
            api = getattr(made, "zoo_api", ZOO_API)
        outdated = bool(api != ZOO_API)
        wrong = None if outdated else breach(plugin.kind, plugin.name, made, CONTRACTS.get(plugin.kind))
    except BaseException as error:  # a plugin may raise anything, and must break nothing but itself
        if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
            raise
        later = isinstance(error, TypeError) and "unexpected keyword argument" in str(error)
        wanted = remedy(plugin) + (f", or update {OURS}, if it was written for a later one" if later else "")
        raise PluginError(f"{plugin} cannot be loaded: {one_line_with_place(error)}; {wanted}") from error
    if outdated:
        behind = isinstance(api, int) and api > ZOO_API
        which = OURS if behind else plugin.distribution
        raise PluginError(f"{plugin} was written for zoo_api {api}, this zoo has {ZOO_API}: update {which}")
    if wrong:
        raise PluginError(f"{plugin} {wrong}; {remedy(plugin)}")
    return made


def check(plugin: Plugin) -> str | None:
    """Load a plugin and return what is wrong with it, or None."""
    try:
        load_plugin(plugin)
    except PluginError as error:
        return str(error)
    return None


def task(name: str) -> Task:
    """Load a task by name; see :func:`load`."""
    return cast("Task", load("task", name))


def tasks() -> list[Task]:
    """Load all tasks, ours first; broken ones are left out (:func:`check` says why)."""
    return [cast("Task", load_plugin(plugin)) for plugin in plugins("task") if check(plugin) is None]


def featurizer(name: str) -> Featurizer:
    """Load a featurizer by name, created with its default arguments; see :func:`load`."""
    return cast("Featurizer", load("featurizer", name))


def baseline(name: str) -> Baseline:
    """Load a baseline by name; see :func:`load`.

    If several distributions provide the featurizer that it names, its own distribution's is used, then ours.
    """
    plugin = find("baseline", name)
    return with_own_featurizer(plugin, cast("Baseline", load_plugin(plugin)))


def network(name: str) -> Network:
    """Load a network by name; see :func:`load`."""
    return cast("Network", load("network", name))


def with_own_featurizer(plugin: Plugin, made: Baseline) -> Baseline:
    """Return a baseline with a qualified featurizer name, so that another package's cannot be taken instead."""
    offered = [each for each in plugins("featurizer") if is_called(each, made.featurizer)]
    if len(offered) > 1:
        for distribution in (plugin.distribution, OURS):
            if meant := next((each for each in offered if each.distribution == distribution), None):
                return replace(made, featurizer=meant.qualified)
    return made


def add_file(path: str | os.PathLike[str]) -> list[Plugin]:
    """Make the plugins of a single Python file available, without packaging.

    Every :class:`Task`, :class:`Baseline` and network at the file's top level counts, under its own name, and every
    featurizer (a class or an object with a ``name`` and a method ``featurize``). What the file imports, and names
    that start with an underscore, do not.

    Parameters
    ----------
    path : path
        Its code is executed, again if it was added before.

    Returns
    -------
    list of Plugin
        The plugins found; their distribution is the file's name.

    Raises
    ------
    PluginError
        If the file is missing, cannot be imported, has no plugin, or has two of the same name.
    """
    file = Path(path).expanduser().resolve()
    taken = {other.name for other in _files if other != file}
    distribution = str(file) if file.name in taken else file.name
    found: dict[Plugin, object] = {}
    contents, digest = read_plugin_file(file, shown=str(path))
    for kind, name, attribute, value in contents:
        plugin = Plugin(kind, name, distribution, digest[:DIGITS], f"{file.name}:{attribute}", origin=str(path))
        clash = next((other for other in found if other.kind == kind and is_called(other, name)), None)
        if clash is not None:
            raise PluginError(f"{path}: {clash.value} and {plugin.value} are both a {kind} called {name!r}")
        found[plugin] = value
    if not found:
        raise PluginError(f"{path}: no Task, Baseline, Network or featurizer at the top level of this file")
    _files[file] = found
    return list(found)


def remove_files() -> None:
    """Remove the plugins of all added files."""
    _files.clear()


def adding_files() -> Callable[[], None] | None:
    """Return a picklable function that adds the same files in another process; None if there are none."""
    return partial(_add, tuple(_files)) if _files else None


def _add(files: Sequence[Path]) -> None:
    for file in files:
        if file not in _files:
            add_file(file)


def _third_parties_wanted() -> bool:
    setting = os.environ.get("ZOO_PLUGINS", "").strip().lower()
    if setting not in ("", "on", "off"):
        raise PluginError(f"ZOO_PLUGINS is {setting!r}; it can be on or off")
    return setting != "off"


def _listed(kind: Kind | None, *, third_parties: bool) -> list[Plugin]:
    found = [
        plugin
        for plugin in (*_installed(), *(plugin for file in _files.values() for plugin in file))
        if kind in (None, plugin.kind) and (third_parties or plugin.ours or plugin.origin is not None)
    ]
    same: dict[tuple[Kind, str], list[Plugin]] = {}
    for plugin in found:
        same.setdefault((plugin.kind, plugin.name.lower()), []).append(plugin)
    marked = [replace(p, duplicate=_meant(same[p.kind, p.name.lower()]) != [p]) for p in found]
    return sorted(marked, key=lambda p: (KINDS.index(p.kind), not p.ours, p.distribution, p.name.lower()))


def _meant(matches: list[Plugin]) -> list[Plugin]:
    """Select among plugins with the same name: ours, unless the user added a file with such a plugin."""
    ours = [plugin for plugin in matches if plugin.ours]
    return ours if ours and all(plugin.origin is None for plugin in matches) else matches


def _installed() -> tuple[Plugin, ...]:
    """Return the plugins of all distributions on ``sys.path``, read again only if a package came or went.

    A distribution that is found twice (an editable install before a wheel) counts once: `entry_points` keeps
    the first, which is also the one that an import would find.
    """
    return _declared(tuple((path, _changed(path)) for path in sys.path))


@lru_cache(maxsize=1)
def _declared(_folders: tuple[tuple[str, int], ...]) -> tuple[Plugin, ...]:
    declared, described = entry_points(), cache(_described)  # reading metadata takes half a millisecond
    return tuple(
        Plugin(kind, entry.name, *described(entry.dist), entry.value)
        for kind in KINDS
        for entry in declared.select(group=f"zoo.{kind}s")
    )


def _changed(folder: str) -> int:
    """Return when a folder got or lost an entry, in ns; 0 if it does not exist."""
    try:
        return Path(folder).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def _described(distribution: Distribution | None) -> tuple[str, str]:
    """Return name and version; a plugin is listed even where broken metadata give neither."""
    if distribution is not None:
        with suppress(OSError, LookupError, TypeError):
            metadata = distribution.metadata
            return metadata["Name"] or "unknown", metadata["Version"] or ""
    return "unknown", ""


def _object_behind(plugin: Plugin) -> Any:
    if plugin.origin is None:
        return EntryPoint(plugin.name, plugin.value, f"zoo.{plugin.kind}s").load()
    for file in _files.values():
        if replace(plugin, duplicate=False) in file:
            return file[replace(plugin, duplicate=False)]
    raise LookupError("the file was not given to this process")


def _is_factory(made: object) -> bool:
    return isinstance(made, type) or (callable(made) and not hasattr(made, "featurize"))


def remedy(plugin: Plugin) -> str:
    """Return what a user can do about a broken plugin."""
    if plugin.origin is not None:
        return "correct the file"
    return f"reinstall {OURS}" if plugin.ours else f"try: pip install --upgrade {plugin.distribution}"
