"""The task of a run or a study: a registered one, an object, or one made of a column, a unit and a transform."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from math import inf, isfinite
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from zoo.errors import DOCUMENTATION, InputError, PluginError, UnknownNameError
from zoo.registry import backbones, plugins
from zoo.registry.contracts import Task

if TYPE_CHECKING:
    from zoo.registry.contracts import Transform
    from zoo.registry.plugins import Plugin

DEFAULT_BACKBONE = "multi-113k"
"""Backbone for tasks without a recommendation: the best one on most properties (docs/benchmarks/transfer.md)."""

TARGET = "Column of the target; without --task, any property.  [default: the task's own]"
UNIT = "Unit of a property without a task."
LOG = "Whether a property without a task is learned in log10.  [default: decided by the training rows]"
"""Help texts of the options that describe a property without a task."""

_WITHOUT = "--target COLUMN --unit UNIT takes any column without a task"
_WAYS = f"{_WITHOUT}; a task of your own comes from --plugin FILE.py ({DOCUMENTATION}/reference/plugins.html)"


def _task_choice(value: object) -> object:
    if isinstance(value, str | Task):
        return value
    raise PydanticCustomError("task_type", "not a task")


def _task_choices(value: object) -> object:
    """Return one task, or a tuple of several."""
    if isinstance(value, str | Task):
        return value
    if isinstance(value, Sequence) and value and all(isinstance(each, str | Task) for each in value):
        return tuple(value) if len(value) > 1 else value[0]
    raise PydanticCustomError("tasks_type", "not a task")


def _texts(value: object) -> object:
    """Return one text, or a tuple of several."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and all(isinstance(each, str) for each in value):
        return tuple(value) if len(value) > 1 else value[0]
    raise PydanticCustomError("texts_type", "not a text")


if TYPE_CHECKING:
    TaskChoice = str | Task
    """The name of a registered task, or a task."""
    TaskChoices = TaskChoice | tuple[TaskChoice, ...]
    """A task, or one for each of several targets."""
    Texts = str | tuple[str, ...]
    """A text, or one for each of several targets."""
    Switch = bool | tuple[str, ...]
    """Yes or no for all of several targets, or the names of those with yes."""
else:  # with errors that say what is taken, and the type of a single value for the command line
    TaskChoice = Annotated[Any, BeforeValidator(_task_choice)]
    TaskChoices = Annotated[Any, BeforeValidator(_task_choices)]
    Texts = Annotated[str, PlainValidator(_texts)]
    Switch = Annotated[bool, PlainValidator(lambda value: value if isinstance(value, bool) else _texts(value))]


def choice(task: TaskChoice | None, target: str | None, unit: str | None, log: bool | None) -> TaskChoice:
    """Return the task that options ask for: the one named or given, or one made of a column.

    Parameters
    ----------
    task : str, Task or None
    target : str or None
        Column of the target; without a task, the property.
    unit : str or None
        Unit of a property without a task; None or "" for none.
    log : bool or None
        Whether a property without a task is learned in log10; None leaves it open, and the task has no transform.

    Raises
    ------
    InputError
        If there is neither a task nor a column, or a unit or transform is given for a task, which has its own.
    """
    if task is None:
        if target is None:
            raise InputError(
                f"--task is missing: which property does the table hold? zoo plugins list names the tasks; {_WITHOUT}"
            )
        return made(target, unit or "", "log10" if log else "identity")
    given = {"--unit": unit is not None, "--log": log is True, "--no-log": log is False}
    for option in (name for name, there in given.items() if there):
        raise InputError(
            f"{option} with --task {name_of(task)}: a task has its own unit and transform; leave out one of them"
        )
    return task


def several(
    task: TaskChoices | None, target: Texts | None, unit: Texts | None, log: Switch | None
) -> list[dict[str, Any]]:
    """Return the options `task`, `target`, `unit` and `log` of each of several targets, or the only ones given.

    Raises
    ------
    InputError
        If their numbers differ, a target is given twice, or `log` names another.

    Examples
    --------
    >>> several(None, ("eij_max", "gap"), ("C/m2", "eV"), ("eij_max",))[1]
    {'task': None, 'target': 'gap', 'unit': 'eV', 'log': False}
    """
    given = {"task": _listed(task), "target": _listed(target), "unit": _listed(unit)}
    count = max(len(given["task"]), len(given["target"]), 1)
    for name, values in given.items():
        if (values and len(values) != count) or (name == "unit" and len(values) > count):
            kind = "targets" if len(given["target"]) == count else "tasks"
            raise InputError(
                f"--{name} is given {_times(len(values))} for {count} {kind}; give one for each, in the same order"
                if count > 1
                else f"--{name} is given {_times(len(values))}, and there is one target"
            )
    for name in ("task", "target"):
        for value in given[name]:
            if given[name].count(value) > 1 and (name == "target" or not given["target"]):
                raise InputError(f"--{name} {name_of(value)} is given twice")
    names = given["target"] or [name_of(each) for each in given["task"]]
    wanted = _listed(log) if not isinstance(log, bool) else []
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(f"--log-of names {unknown[0]!r}, which is not a target; there is {', '.join(names) or 'none'}")
    return [
        {
            **{name: values[place] if values else None for name, values in given.items()},
            "log": names[place] in wanted if wanted else log,
        }
        for place in range(count)
    ]


def _listed(value: Any) -> list[Any]:
    """Return one value, or several, as a list; None as an empty one."""
    return [] if value is None else list(value) if isinstance(value, tuple) else [value]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def is_open(options: Any) -> bool:
    """Return whether options leave the transform of a property without a task to the training rows."""
    return options.task is None and options.log is None


def made(target: str, unit: str, transform: Transform = "identity") -> Task:
    """Make the task of a column that no task describes.

    Examples
    --------
    >>> made("eij_max", "C/m2").name, made("log10(σ) at 300 K", "log10(S/cm)").name
    ('eij_max', 'log10-at-300-K')
    """
    words = re.findall(r"[A-Za-z0-9]+(?:[_.][A-Za-z0-9]+)*", target)
    name = "-".join(words if words and words[0][0].isalpha() else ["property", *words])
    return Task(name, target, unit, transform, valid=(0.0 if transform == "log10" else -inf, inf))


def chosen(choice: TaskChoice) -> Task:
    """Return the task that was chosen.

    Raises
    ------
    ZooError
        If it is a name that no plugin has, or the plugin is broken.
    """
    if isinstance(choice, Task):
        return choice
    try:
        return plugins.task(choice)
    except UnknownNameError as error:
        raise UnknownNameError(error.kind, error.name, error.known, _WAYS) from None


def with_column(column: str) -> str | None:
    """Return the name of zoo's own task whose column this is; None if there is none."""
    for plugin in plugins.plugins("task"):
        if plugin.ours and column.casefold() in map(str.casefold, chosen(plugin.name).columns):
            return plugin.name
    return None


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
    name = chosen(choice).recommended_backbone or DEFAULT_BACKBONE
    plugin = plugin_of(choice)
    return backbones.preferred(name, plugin.distribution) if plugin else name


def definitions(choices: TaskChoices | None) -> Any:
    """Return the choice of one or several tasks as JSON values: a name, or the definition of a task."""
    if isinstance(choices, tuple):
        return [definitions(each) for each in choices]
    return definition(choices) if isinstance(choices, Task) else choices


def definition(task: Task) -> dict[str, Any]:
    """Return a task as JSON values, for a run whose task no plugin defines; an infinite bound becomes None."""
    values = asdict(task)
    values["valid"] = [bound if isfinite(bound) else None for bound in task.valid]
    return values
