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

__version__ = "0.1.0"

if TYPE_CHECKING:
    from zoo.contracts import Baseline as Baseline
    from zoo.contracts import Requirement as Requirement
    from zoo.contracts import Task as Task
    from zoo.crystals import Crystal as Crystal
    from zoo.errors import ZooError as ZooError
    from zoo.extensions import tasks as tasks
    from zoo.finetuning import finetune as finetune
    from zoo.hub import pull as pull
    from zoo.options import Options as Options
    from zoo.prediction import Model as Model
    from zoo.prediction import load as load
    from zoo.registry import cards as backbones
    from zoo.registry import get as backbone
    from zoo.result import Result as Result
    from zoo.studies import run_study as study
    from zoo.study_plan import StudyOptions as StudyOptions
    from zoo.study_result import Study as Study

_HOMES = {
    "Baseline": ("zoo.contracts", "Baseline"),
    "Crystal": ("zoo.crystals", "Crystal"),
    "Model": ("zoo.prediction", "Model"),
    "Options": ("zoo.options", "Options"),
    "Requirement": ("zoo.contracts", "Requirement"),
    "Result": ("zoo.result", "Result"),
    "Study": ("zoo.study_result", "Study"),
    "StudyOptions": ("zoo.study_plan", "StudyOptions"),
    "Task": ("zoo.contracts", "Task"),
    "ZooError": ("zoo.errors", "ZooError"),
    "backbone": ("zoo.registry", "get"),
    "backbones": ("zoo.registry", "cards"),
    "finetune": ("zoo.finetuning", "finetune"),
    "load": ("zoo.prediction", "load"),
    "pull": ("zoo.hub", "pull"),
    "study": ("zoo.studies", "run_study"),
    "tasks": ("zoo.extensions", "tasks"),
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


_MODULES = ("contracts", "errors", "extensions", "figures", "registry", "testing")
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
