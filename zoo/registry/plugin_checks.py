"""Checks of plugins and of everything they refer to, for ``zoo plugins list --check`` and ``zoo doctor``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from zoo.errors import PluginError, ZooError
from zoo.registry import backbones, plugins
from zoo.registry.contracts import Baseline, Task
from zoo.registry.plugin_versions import installed, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.registry.plugins import Plugin


def status(plugin: Plugin, *, load: bool = False) -> str:
    """Describe the state of a plugin in a few words, for a listing.

    Parameters
    ----------
    plugin : Plugin
    load : bool
        Load it and check everything. Otherwise nothing is imported, and only duplicate names and missing modules are
        found.

    Returns
    -------
    str
        ``"ok"`` if everything was checked, ``""`` if no problem is known, otherwise the problem.
    """
    remarks = [f"duplicate name: say {plugin.qualified}"] if plugin.duplicate else []
    package = plugin.value.partition(":")[0].partition(".")[0].strip()
    if load:
        found = problems(plugin)
        remarks += [f"broken: {'; '.join(found)}"] if found else [] if remarks else ["ok"]
    elif plugin.origin is None and package.isidentifier() and find_spec(package) is None:
        remarks.append(f"broken: no module named {package!r}; {plugins.remedy(plugin)}")
    return "; ".join(remarks)


def problems(plugin: Plugin) -> list[str]:
    """Load a plugin and return all its problems, one line each.

    These are the errors of :func:`zoo.registry.plugins.load_plugin`, missing required packages, a recommended backbone
    or a featurizer that is not registered, and the problems found by :func:`zoo.registry.backbones.problems`.
    """
    if plugin.origin is None and not plugin.ours and (missing := list(_missing_requirements(plugin))):
        return missing  # other problems may follow from it
    try:
        made = plugins.load_plugin(plugin)
    except PluginError as error:
        return [str(error)]
    if plugin.kind == "backbone":
        return backbones.problems(plugin)
    try:
        if isinstance(made, Task) and made.recommended_backbone and "/" not in made.recommended_backbone:
            backbones.get(backbones.preferred(made.recommended_backbone, plugin.distribution))
        elif isinstance(made, Baseline):
            plugins.find("featurizer", plugins.with_own_featurizer(plugin, made).featurizer)
    except ZooError as error:
        what = "recommends a backbone" if plugin.kind == "task" else "needs a featurizer"
        return [f"{plugin} {what} that cannot be used: {error}"]
    return []


def _missing_requirements(plugin: Plugin) -> Iterator[str]:
    for requirement in requirements(plugin.distribution):
        found = installed([requirement.name]).get(requirement.name, "")
        if not found or not requirement.specifier.contains(found, prereleases=True):
            have = f"{requirement.name} {found} is installed" if found else "it is not installed"
            yield f"{plugin} needs {requirement}, but {have}; try: pip install '{requirement}'"
