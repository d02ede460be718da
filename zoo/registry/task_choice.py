"""The task of a run or a study: the name of a registered one, or an object that no plugin registers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from zoo.errors import PluginError, UnknownNameError
from zoo.registry import backbones, plugins
from zoo.registry.contracts import Task

if TYPE_CHECKING:
    from zoo.registry.plugins import Plugin

DEFAULT_BACKBONE = "multi-113k"
"""Backbone for tasks without a recommendation: the best one on most properties (docs/transfer.md)."""


def _task_choice(value: object) -> object:
    if isinstance(value, str | Task):
        return value
    raise PydanticCustomError("task_type", "not a task")


if TYPE_CHECKING:
    TaskChoice = str | Task
    """The name of a registered task, or a task."""
else:  # with an error that says what is taken
    TaskChoice = Annotated[Any, BeforeValidator(_task_choice)]


def chosen(choice: TaskChoice) -> Task:
    """Return the task that was chosen.

    Raises
    ------
    ZooError
        If it is a name that no plugin has, or the plugin is broken.
    """
    return plugins.task(choice) if isinstance(choice, str) else choice


def name_of(choice: TaskChoice) -> str:
    """Return the name of a task, without the package that registers it."""
    return choice.split(":")[-1] if isinstance(choice, str) else choice.name


def plugin_of(choice: TaskChoice) -> Plugin | None:
    """Return the plugin of a task; None if no plugin registers it."""
    if isinstance(choice, str):
        return plugins.find("task", choice)
    with suppress(UnknownNameError, PluginError):
        found = plugins.find("task", choice.name)
        return found if plugins.load_plugin(found) == choice else None
    return None


def recommended_backbone(choice: TaskChoice) -> str:
    """Return the backbone recommended by a task, or the default one."""
    plugin = plugin_of(choice)
    name = chosen(choice).recommended_backbone or DEFAULT_BACKBONE
    return backbones.preferred(name, plugin.distribution) if plugin else name


def definition(task: Task) -> dict[str, Any]:
    """Return a task as JSON values, for a run whose task no plugin defines; an infinite bound becomes None."""
    values = asdict(task)
    values["valid"] = [bound if isfinite(bound) else None for bound in task.valid]
    return values
