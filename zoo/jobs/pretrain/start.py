"""Pretraining from existing backbones: a single one is trained further, or several are joined side by side."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.errors import InputError
from zoo.jobs import lineage, pretrained
from zoo.jobs.pretrain import recipe as recipes
from zoo.models.checkpoint import networks
from zoo.training import transfer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zoo.jobs.pretrain.recipe import Recipe
    from zoo.jobs.pretrained import Pretrained
    from zoo.models.network import CrystalNetwork

_log = logging.getLogger("zoo")


def load(recipe: Recipe) -> list[Pretrained]:
    """Load the initial backbones of a recipe; an empty list for training from scratch.

    From a fine-tuned mixture, only the trained body and head are used, not the frozen experts.

    Raises
    ------
    InputError
        If their bodies, side by side, do not match the recipe's network; the message names the key.
    ZooError
        If a backbone cannot be loaded; see :func:`zoo.jobs.pretrained.load`.
    """
    found = [pretrained.load(recipes.place(recipe.path, name)) for name in recipe.start]
    settings = GraphSettings(**recipe.graph.model_dump())
    if found:
        _check_shapes(recipe, found)
    for backbone in found:
        if backbone.graph != settings:
            raise InputError(f"{recipe.path}: graph: not as in {backbone.name}, from which it starts")
        table = backbone.network.atom_table
        if table is not None and not np.array_equal(table.numpy(), atom_table()):
            raise InputError(f"{recipe.path}: start: {backbone.name} reads other features of elements than zoo's")
    return found


def _check_shapes(recipe: Recipe, found: Sequence[Pretrained]) -> None:
    """Check that the backbones, side by side if there are several, have the body and heads of the recipe."""
    architecture, sizes = recipe.network, [backbone.network.architecture for backbone in found]
    for backbone, size in zip(found, sizes, strict=True):
        for key in ("network", "head", "head_layers", "outputs"):
            _check_same(recipe, key, getattr(architecture, key), getattr(size, key), backbone.name)
    joined, names = sizes[0].settings, " and ".join(backbone.name for backbone in found)
    if len(found) > 1:
        if (widening := architecture.plugin.widening) is None:
            raise InputError(f"{recipe.path}: start: {architecture.network} starts from a single backbone")
        try:
            joined = widening.settings([size.settings for size in sizes])
        except ValueError as error:
            raise InputError(f"{recipe.path}: start: {names}: {error}") from error
        names += " side by side"
    other_vectors = {"pooling"} if len(found) == 1 and architecture.same_body(sizes[0]) else set()
    for key, value in architecture.settings.model_dump(exclude=other_vectors).items():
        _check_same(recipe, key, value, getattr(joined, key), names)


def _check_same(recipe: Recipe, key: str, wanted: object, found: object, name: str) -> None:
    if wanted != found:
        raise InputError(
            f"{recipe.path}: network.{key} is {wanted}, and {found} in {name}, from which it starts; the shapes must "
            "be the same"
        )


def provenance(found: Sequence[Pretrained]) -> dict[str, Any]:
    """Return a JSON-serialisable record of the initial backbones for the checkpoint."""
    return {
        "start": [{"name": backbone.name, "sha256": backbone.digest} for backbone in found],
        "ancestors": lineage.ancestors(found),
    }


def initial_network(recipe: Recipe, found: Sequence[Pretrained]) -> CrystalNetwork:
    """Return the initial network of a recipe: the backbones side by side, with their heads for the recipe's tasks.

    A head initially predicts on the target scale of its own training rows; training adapts it to the new scale. With
    another pooling than in the backbone, the heads have other inputs and start from random weights.
    """
    heads: dict[int, tuple[int, CrystalNetwork]] = {}
    other_vectors = len(found) == 1 and found[0].network.architecture.settings != recipe.network.settings
    for place, backbone in enumerate(() if other_vectors else found):
        checkpoint = networks.load(backbone.pulled.directory)
        for index, each in enumerate(checkpoint.config.targets):
            for target, task in enumerate(recipe.tasks):
                if each.task == task.name and target not in heads:
                    heads[target] = (place, checkpoint.members[0].network.single(index))
    return transfer.side_by_side([backbone.network for backbone in found], recipe.network, recipe.seed, heads)


def check_rows(recipe: Recipe, found: Sequence[Pretrained], held_out: Collection[str]) -> None:
    """Check that no backbone was trained on validation or test rows.

    Raises
    ------
    InputError
        If there are such rows.
    """
    for backbone in found:
        learned = lineage.lineage(backbone.pulled)
        known = lineage.listed_ids(learned)
        if shared := sum(name in known for name in held_out):
            raise InputError(
                f"{recipe.path}: {shared} of the {len(held_out)} validation and test rows are crystals that "
                f"{backbone.name} was trained on, from which it starts; leave them out, or choose rows by the rule and "
                "the fractions by which it was trained"
            )
        if any(each.ids is None for each in learned):
            _log.warning(
                "no complete list of the training crystals of %s exists; test rows may be among them",
                backbone.name,
            )
