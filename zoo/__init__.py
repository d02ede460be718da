"""A model zoo of crystal graph networks, made for transfer learning on small data sets.

Everything here is imported when it is first used, so ``import zoo`` costs nothing.

============================  =====================================================================
``load(ref)``                 a backbone or a fine-tuned run, as a :class:`Model` that predicts and embeds
``finetune(options, out)``    fine-tune a backbone on a table; returns a :class:`Result`
``Options``                   what a fine-tuning is asked to do
``study(options, out)``       compare methods, sizes and seeds on a table; returns a :class:`Study`
``StudyOptions``              what a study compares
``backbones()``               the cards of all registered backbones
``backbone(name)``            the card of one of them
``pull(name)``                fetch a backbone and check every byte
``tasks()``                   the target properties that are known
``Task``, ``Baseline``        what plugins define
``Requirement``               a row filter of a task
``Crystal``                   a crystal as arrays
``ZooError``                  the root of all errors
============================  =====================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo._utils.version import VERSION as _VERSION

__version__ = _VERSION

if TYPE_CHECKING:
    from zoo.data.crystal import Crystal as Crystal
    from zoo.errors import ZooError as ZooError
    from zoo.hub.pull import pull as pull
    from zoo.jobs.finetune.options import Options as Options
    from zoo.jobs.finetune.result import Result as Result
    from zoo.jobs.finetune.run import finetune as finetune
    from zoo.jobs.predict.model import Model as Model
    from zoo.jobs.predict.model import load as load
    from zoo.jobs.study.plan import StudyOptions as StudyOptions
    from zoo.jobs.study.result import Study as Study
    from zoo.jobs.study.run import run_study as study
    from zoo.registry import cards as backbones
    from zoo.registry.backbones import get as backbone
    from zoo.registry.contracts import Baseline as Baseline
    from zoo.registry.contracts import Requirement as Requirement
    from zoo.registry.contracts import Task as Task
    from zoo.registry.plugins import tasks as tasks

_HOMES = {
    "Baseline": ("zoo.registry.contracts", "Baseline"),
    "Crystal": ("zoo.data.crystal", "Crystal"),
    "Model": ("zoo.jobs.predict.model", "Model"),
    "Options": ("zoo.jobs.finetune.options", "Options"),
    "Requirement": ("zoo.registry.contracts", "Requirement"),
    "Result": ("zoo.jobs.finetune.result", "Result"),
    "Study": ("zoo.jobs.study.result", "Study"),
    "StudyOptions": ("zoo.jobs.study.plan", "StudyOptions"),
    "Task": ("zoo.registry.contracts", "Task"),
    "ZooError": ("zoo.errors", "ZooError"),
    "backbone": ("zoo.registry.backbones", "get"),
    "backbones": ("zoo.registry.backbones", "cards"),
    "finetune": ("zoo.jobs.finetune.run", "finetune"),
    "load": ("zoo.jobs.predict.model", "load"),
    "pull": ("zoo.hub.pull", "pull"),
    "study": ("zoo.jobs.study.run", "run_study"),
    "tasks": ("zoo.registry.plugins", "tasks"),
}

__all__ = [
    "Baseline",
    "Crystal",
    "Model",
    "Options",
    "Requirement",
    "Result",
    "Study",
    "StudyOptions",
    "Task",
    "ZooError",
    "backbone",
    "backbones",
    "finetune",
    "load",
    "pull",
    "study",
    "tasks",
]


_MODULES = ("contracts", "errors", "figures", "registry", "testing")
"""Modules that are there without an import of their own, as the documentation uses them."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"zoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
