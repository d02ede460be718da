"""Pretraining that begins with what other backbones know: one of them trained on, or several become one."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.errors import InputError
from zoo.jobs import lineage, sources
from zoo.models.checkpoint import networks
from zoo.registry import backbones
from zoo.training import transfer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zoo.jobs.pretrain.recipe import Recipe
    from zoo.jobs.sources import Source
    from zoo.models.architecture import Architecture
    from zoo.models.cgcnn import CGCNN

_log = logging.getLogger("zoo")


def load(recipe: Recipe, architecture: Architecture) -> list[Source]:
    """Load the backbones that a recipe starts from; none, if it starts from scratch.

    Of a fine-tuned mixture its own body and head count, not the frozen experts beside it.

    Raises
    ------
    InputError
        If their bodies do not fit the recipe's network side by side; names the key.
    ZooError
        As :func:`zoo.jobs.sources.load` does.
    """
    found = [sources.load(_place(recipe, name)) for name in recipe.start]
    settings = GraphSettings(**recipe.graph.model_dump())
    for source in found:
        of_source = replace(source.network.architecture, experts=0).to_dict()
        wanted = replace(architecture, targets=1, width=source.network.architecture.width).to_dict()
        if different := [key for key in wanted if of_source[key] != wanted[key]]:
            key = different[0]
            raise InputError(
                f"{recipe.path}: network.{key} is {wanted[key]}, and {of_source[key]} in {source.name}, from which it "
                "starts; the shapes must be the same"
            )
        if source.graph != settings:
            raise InputError(f"{recipe.path}: graph: not as in {source.name}, from which it starts")
        if not np.array_equal(source.network.atom_table.numpy(), atom_table()):
            raise InputError(f"{recipe.path}: start: {source.name} reads other features of elements than zoo's")
    widths = [source.network.architecture.width for source in found]
    if found and sum(widths) != architecture.width:
        raise InputError(
            f"{recipe.path}: network.width is {architecture.width}; {' and '.join(recipe.start)} side by side are "
            f"{sum(widths)} wide"
        )
    return found


def _place(recipe: Recipe, name: str) -> str:
    """Return a name as it is, and a path relative to the recipe as one from here."""
    beside = recipe.path.parent / name
    return str(beside) if name not in backbones.named() and beside.is_dir() else name


def provenance(found: Sequence[Source]) -> dict[str, Any]:
    """Return what the checkpoint notes of the backbones, JSON-able."""
    return {
        "start": [{"name": source.name, "sha256": source.digest} for source in found],
        "ancestors": lineage.noted(found),
    }


def begin(recipe: Recipe, found: Sequence[Source], architecture: Architecture) -> CGCNN:
    """Return the network that a recipe begins with: the sources side by side, with the heads of those that have one.

    A head speaks in the scale of the rows that its source was trained on. Of other rows the scale is another one, which
    training learns.
    """
    heads: dict[int, tuple[int, CGCNN]] = {}
    for place, source in enumerate(found):
        checkpoint = networks.load(source.pulled.directory)
        for index, each in enumerate(checkpoint.config.targets):
            for target, task in enumerate(recipe.tasks):
                if each.task == task.name and target not in heads:
                    heads[target] = (place, checkpoint.members[0].network.single(index))
    return transfer.side_by_side([source.network for source in found], architecture, recipe.seed, heads)


def check_rows(recipe: Recipe, found: Sequence[Source], judges: Collection[str]) -> None:
    """Refuse rows to validate or to test on that a backbone was trained on already.

    Raises
    ------
    InputError
    """
    for source in found:
        learned = lineage.lineage(source.pulled)
        known = lineage.listed(learned)
        if shared := sum(name in known for name in judges):
            raise InputError(
                f"{recipe.path}: {shared} of the {len(judges)} validation and test rows are crystals that "
                f"{source.name} was trained on, from which it starts; leave them out, or choose rows by the rule and "
                "the fractions by which it was trained"
            )
        if any(each.ids is None for each in learned):
            _log.warning(
                "nobody lists all crystals that %s was trained on; whether test rows are among them is not known",
                source.name,
            )
