"""Plugins: found without importing them, loaded one at a time, and never trusted to work.

A package offers a plugin through an entry point, and the entry point's name is what users type::

    [project.entry-points."zoo.tasks"]
    hardness = "my_package:hardness"

What ships with zoo is registered the same way. Three things keep a house full of strangers in order:

- :func:`plugins` reads the metadata of the installed distributions and imports nothing;
- a plugin that cannot be loaded breaks only itself (:func:`check` says why; :func:`load` raises);
- two plugins of one name are refused, whoever they belong to, until the user says ``distribution:name``.

``ZOO_PLUGINS=off`` leaves third-party distributions out. A file given with ``--plugin FILE.py``
(:func:`add_file`) was asked for by name, so it stays.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from zoo.errors import PluginError, UnknownNameError
from zoo.registry.contracts import ZOO_API, Baseline, Featurizer, Kind, Task, breach
from zoo.registry.plugin_files import one_line_with_place, read_plugin_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

KINDS: tuple[Kind, ...] = get_args(Kind)
OURS = "crystal-zoo"
"""The distribution whose plugins are listed first and stay when third parties are switched off."""


@dataclass(frozen=True)
class Plugin:
    """What is known of a plugin before it is loaded.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone"}
    name : str
        The name that users type.
    distribution, version : str
        The installed package that offers it; for a single file, the file's name and ``""``.
    value : str
        Where the object is: ``"package.module:object"``.
    origin : str or None
        Path of the single file it came from; None for an entry point.
    duplicate : bool
        Whether another distribution offers the same kind under the same name.
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
        """The name that no other plugin of the kind has: ``"distribution:name"``."""
        return f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        if self.origin is not None:
            return f"{self.kind} {self.name!r} of {self.origin}"
        return f"{self.kind} {self.name!r} of package {self.distribution} {self.version}".rstrip()


@dataclass
class _Files:
    """The plugins of single files, by path: the only state that this module keeps."""

    found: dict[Path, dict[Plugin, object]] = field(default_factory=dict)


_files = _Files()


def plugins(kind: Kind | None = None) -> list[Plugin]:
    """List the installed plugins without importing any of them.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone"}, optional
        List only these.

    Returns
    -------
    list of Plugin
        By kind, ours first, then by distribution and name. Both of two plugins of one name are there, each
        marked as a duplicate.

    Raises
    ------
    PluginError
        If ``ZOO_PLUGINS`` is neither ``on`` nor ``off``.
    """
    return _listed(kind, third_parties=_third_parties_wanted())


def find(kind: Kind, name: str) -> Plugin:
    """Find the plugin that a user means, without loading it.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone"}
    name : str
        A name in any case, or ``distribution:name``.

    Raises
    ------
    UnknownNameError
        If there is none; suggests the nearest names.
    PluginError
        If several distributions offer the name, or the only one that does is switched off.
    """
    known = plugins(kind)
    matches = [plugin for plugin in known if _is_called(plugin, name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        who = " and ".join(str(plugin).partition(" of ")[2] for plugin in matches)
        how = " or ".join(plugin.qualified for plugin in matches)
        raise PluginError(f"{kind} {name!r} is offered by {who}; say which one: {how}")
    hidden = [plugin for plugin in _listed(kind, third_parties=True) if _is_called(plugin, name)]
    if hidden:
        raise PluginError(f"{hidden[0]} is switched off by ZOO_PLUGINS=off; unset ZOO_PLUGINS to use it")
    raise UnknownNameError(kind, name, [plugin.qualified if ":" in name else plugin.name for plugin in known])


def load(kind: Kind, name: str) -> object:
    """Load the plugin that a user means, and nothing else.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone"}
    name : str
        A name in any case, or ``distribution:name``.

    Returns
    -------
    Task, Featurizer, Baseline or module
        According to `kind`; a backbone plugin is the package whose folder holds the cards.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    PluginError
        If the name is ambiguous, or the plugin is broken.
    """
    return load_plugin(find(kind, name))


def load_plugin(plugin: Plugin) -> object:
    """Load a plugin that :func:`plugins` listed.

    Raises
    ------
    PluginError
        If it cannot be imported, was written for another version of the contracts, is not what its kind
        demands, or calls itself by another name than its entry point does.
    """
    try:
        made = _object_behind(plugin)
        api = getattr(made, "zoo_api", ZOO_API)
        if api == ZOO_API and plugin.kind == "featurizer" and _is_factory(made):
            made = made()
            api = getattr(made, "zoo_api", ZOO_API)
    # Code of strangers may raise anything, and must break nothing but itself.
    except (Exception, SystemExit) as error:
        later = isinstance(error, TypeError) and "unexpected keyword argument" in str(error)
        remedy = _remedy(plugin) + (f", or update {OURS}, if it is for a later one" if later else "")
        raise PluginError(f"{plugin} cannot be loaded: {one_line_with_place(error)}; {remedy}") from error
    if api != ZOO_API:
        behind = isinstance(api, int) and api > ZOO_API
        remedy = f"update {OURS}" if behind else f"update {plugin.distribution}"
        raise PluginError(f"{plugin} was written for zoo_api {api}, this zoo speaks {ZOO_API}: {remedy}")
    wrong = breach(plugin.kind, plugin.name, made)
    if wrong:
        raise PluginError(f"{plugin} {wrong}; {_remedy(plugin)}")
    return made


def check(plugin: Plugin) -> str | None:
    """Load a plugin and say what is wrong with it, or return None."""
    try:
        load_plugin(plugin)
    except PluginError as error:
        return str(error)
    return None


def status(plugin: Plugin, *, load: bool = False) -> str:
    """Say in a few words how a plugin is, for a listing.

    Parameters
    ----------
    plugin : Plugin
    load : bool
        Load it to find out. Without, nothing is imported, and only a duplicate name or a module that is not
        there is noticed.

    Returns
    -------
    str
        ``"ok"`` if it was loaded, ``""`` if nothing is known against it, else what is wrong.
    """
    remarks = [f"duplicate name: say {plugin.qualified}"] if plugin.duplicate else []
    package = plugin.value.partition(":")[0].partition(".")[0].strip()
    if load:
        problem = check(plugin)
        remarks += [f"broken: {problem}"] if problem else [] if remarks else ["ok"]
    elif plugin.origin is None and package.isidentifier() and find_spec(package) is None:
        remarks.append(f"broken: no module named {package!r}; {_remedy(plugin)}")
    return "; ".join(remarks)


def task(name: str) -> Task:
    """Load a task by name; see :func:`load`."""
    return cast("Task", load("task", name))


def tasks() -> list[Task]:
    """Load all tasks, ours first; broken ones are left out (:func:`check` says why)."""
    return [cast("Task", load_plugin(plugin)) for plugin in plugins("task") if check(plugin) is None]


def featurizer(name: str) -> Featurizer:
    """Load a featurizer by name, made with its default arguments; see :func:`load`."""
    return cast("Featurizer", load("featurizer", name))


def baseline(name: str) -> Baseline:
    """Load a baseline by name; see :func:`load`.

    Where several distributions have a featurizer of the name that it asks for, its own is meant, then ours.
    """
    plugin = find("baseline", name)
    made = cast("Baseline", load_plugin(plugin))
    offered = [each for each in plugins("featurizer") if _is_called(each, made.featurizer)]
    if len(offered) > 1:
        for distribution in (plugin.distribution, OURS):
            if meant := next((each for each in offered if each.distribution == distribution), None):
                return replace(made, featurizer=meant.qualified)
    return made


def identity(kind: Kind, name: str) -> str:
    """Return what changes when a plugin does: the SHA-256 of its file, or its distribution, version and module."""
    plugin = find(kind, name)
    if plugin.origin is not None:
        return hashlib.sha256(Path(plugin.origin).expanduser().read_bytes()).hexdigest()
    named = f"{plugin.distribution} {plugin.version} {plugin.value}"
    if plugin.ours:  # whose version says it all
        return named
    load_plugin(plugin)
    source = getattr(sys.modules.get(plugin.value.partition(":")[0].strip()), "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
    return f"{named} {digest}".rstrip()


def add_file(path: str | os.PathLike[str]) -> list[Plugin]:
    """Make the plugins of a single Python file available, with no packaging at all.

    Every :class:`Task` and :class:`Baseline` at the file's top level counts, under its own name, and every
    featurizer (a class or an object with a ``name`` and a method ``featurize``). What the file merely
    imports, and names that start with an underscore, do not.

    Parameters
    ----------
    path : path
        The file. Its code is run. Giving it again reads it again.

    Returns
    -------
    list of Plugin
        What was found in it; its distribution is the file's name.

    Raises
    ------
    PluginError
        If the file is missing, cannot be imported, holds no plugin, or holds two of one name.
    """
    file = Path(path).expanduser().resolve()
    taken = {other.name for other in _files.found if other != file}
    distribution = str(file) if file.name in taken else file.name
    found: dict[Plugin, object] = {}
    for kind, name, attribute, value in read_plugin_file(file, shown=str(path)):
        plugin = Plugin(kind, name, distribution, "", f"{file.name}:{attribute}", origin=str(path))
        clash = next((other for other in found if other.kind == kind and _is_called(other, name)), None)
        if clash is not None:
            raise PluginError(f"{path}: {clash.value} and {plugin.value} are both a {kind} called {name!r}")
        found[plugin] = value
    if not found:
        raise PluginError(f"{path}: no Task, Baseline or featurizer at the top level of this file")
    _files.found[file] = found
    return list(found)


def files() -> list[Path]:
    """Return the single files that were added, for another process to add."""
    return list(_files.found)


def _third_parties_wanted() -> bool:
    setting = os.environ.get("ZOO_PLUGINS", "").strip().lower()
    if setting not in ("", "on", "off"):
        raise PluginError(f"ZOO_PLUGINS is {setting!r}; it can be on or off")
    return setting != "off"


def _listed(kind: Kind | None, *, third_parties: bool) -> list[Plugin]:
    found = [
        plugin
        for plugin in (*_installed(), *(plugin for file in _files.found.values() for plugin in file))
        if kind in (None, plugin.kind) and (third_parties or plugin.ours or plugin.origin is not None)
    ]
    shared = Counter((plugin.kind, plugin.name.lower()) for plugin in found)
    marked = [replace(plugin, duplicate=shared[plugin.kind, plugin.name.lower()] > 1) for plugin in found]
    return sorted(marked, key=lambda p: (KINDS.index(p.kind), not p.ours, p.distribution, p.name.lower()))


def _installed() -> Iterator[Plugin]:
    """Yield the plugins of all distributions on ``sys.path``.

    A distribution that is found twice (an editable install before a wheel) counts once: `entry_points` keeps
    the first, which is also the one that an import would find.
    """
    declared, described = entry_points(), cache(_described)  # to read metadata takes half a millisecond
    for kind in KINDS:
        for entry in declared.select(group=f"zoo.{kind}s"):
            yield Plugin(kind, entry.name, *described(entry.dist), entry.value)


def _described(distribution: Distribution | None) -> tuple[str, str]:
    """Return name and version; metadata that is broken or lacks them is no reason to hide a plugin."""
    if distribution is not None:
        with suppress(OSError, LookupError, TypeError):
            metadata = distribution.metadata
            return metadata["Name"] or "unknown", metadata["Version"] or ""
    return "unknown", ""


def _is_called(plugin: Plugin, name: str) -> bool:
    distribution, _, bare = name.rpartition(":")
    return plugin.name.lower() == bare.lower() and distribution.lower() in ("", plugin.distribution.lower())


def _object_behind(plugin: Plugin) -> Any:
    if plugin.origin is None:
        return EntryPoint(plugin.name, plugin.value, f"zoo.{plugin.kind}s").load()
    for file in _files.found.values():
        if replace(plugin, duplicate=False) in file:
            return file[replace(plugin, duplicate=False)]
    raise LookupError("the file was not given to this process")


def _is_factory(made: object) -> bool:
    return isinstance(made, type) or (callable(made) and not hasattr(made, "featurize"))


def _remedy(plugin: Plugin) -> str:
    if plugin.origin is not None:
        return "mend the file"
    if plugin.ours:
        return f"reinstall {OURS}"
    return f"try: pip install --upgrade {plugin.distribution}"
