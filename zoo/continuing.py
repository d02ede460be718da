"""Pretraining that begins with what other backbones know: one of them trained on, or several become one."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo import checkpoints, lineage, sources, transfer
from zoo.errors import InputError
from zoo.graphs import GraphSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zoo.models.architecture import Architecture
    from zoo.models.cgcnn import CGCNN
    from zoo.recipes import Recipe
    from zoo.sources import Source

_log = logging.getLogger("zoo")


def load(recipe: Recipe, architecture: Architecture) -> list[Source]:
    """Load the backbones that a recipe starts from; none, if it starts from scratch.

    Raises
    ------
    InputError
        If their bodies do not fit the recipe's network side by side; names the key.
    ZooError
        As :func:`zoo.sources.load` does.
    """
    found = [sources.load(name) for name in recipe.start]
    settings = GraphSettings(**recipe.graph.model_dump())
    for source in found:
        of_source = source.network.architecture.to_dict()
        wanted = replace(architecture, targets=1, width=source.network.architecture.width).to_dict()
        if different := [key for key in wanted if of_source[key] != wanted[key]]:
            key = different[0]
            raise InputError(
                f"{recipe.path}: network.{key} is {wanted[key]}, and {of_source[key]} in {source.name}, from which it "
                "starts; the shapes must be the same"
            )
        if source.graph != settings:
            raise InputError(f"{recipe.path}: graph: not as in {source.name}, from which it starts")
    widths = [source.network.architecture.width for source in found]
    if found and sum(widths) != architecture.width:
        raise InputError(
            f"{recipe.path}: network.width is {architecture.width}; {' and '.join(recipe.start)} side by side are "
            f"{sum(widths)} wide"
        )
    return found


def begin(recipe: Recipe, found: Sequence[Source], architecture: Architecture) -> CGCNN:
    """Return the network that a recipe begins with: the sources side by side, with the heads of those that have one.

    A head speaks in the scale of the rows that its source was trained on. Of other rows the scale is another one, which
    training learns.
    """
    heads: dict[int, tuple[int, CGCNN]] = {}
    for place, source in enumerate(found):
        checkpoint = checkpoints.load(source.pulled.directory)
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
        known = lineage.trained_on(source.pulled)
        if known is None:
            _log.warning(
                "nobody lists all crystals that %s was trained on; whether test rows are among them is not known",
                source.name,
            )
        elif shared := sum(name in known for name in judges):
            raise InputError(
                f"{recipe.path}: {shared} of the {len(judges)} validation and test rows are crystals that "
                f"{source.name} was trained on, from which it starts; leave them out, or let the same rule choose them"
            )
