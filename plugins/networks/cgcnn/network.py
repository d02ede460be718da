"""CGCNN as a plugin; imports torch only to build it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.plugins.networks.cgcnn import torch_free
from zoo.plugins.networks.cgcnn.settings import Settings

from zoo.registry.networks import FastPath, Network, Widening

if TYPE_CHECKING:
    from collections.abc import Sequence


def _build(settings: Settings) -> Any:
    import torch
    from zoo.plugins.networks.cgcnn.body import Body

    from zoo.data.elements import atom_table

    table = torch.tensor(atom_table())
    if table.shape[1] != settings.atom_features:  # an imported checkpoint has its own
        table = torch.zeros(len(table), settings.atom_features)
    return Body(settings, table)


def _transferred(settings: Settings) -> Settings:
    return settings if settings.pooling == "mean-max-min" else settings.model_copy(update={"pooling": "all"})


def _normalized(settings: Settings) -> bool:
    return bool(settings.pooling != "last")


def _wide(several: Sequence[Settings]) -> Settings:
    widths = sum(each.width for each in several)
    wide = [each.model_copy(update={"width": widths}) for each in several]
    if any(each != wide[0] for each in wide):
        raise ValueError("side by side, all sizes but the widths must be the same")
    return wide[0]


def _copy(bodies: Sequence[Any], wide: Any) -> Sequence[Any]:
    from zoo.plugins.networks.cgcnn.widening import copy_side_by_side

    places: Sequence[Any] = copy_side_by_side(bodies, wide)
    return places


cgcnn = Network(
    name="cgcnn",
    settings=Settings,
    build=_build,
    description="Crystal graph convolutions with an edge gate.",
    citation="Xie & Grossman, Phys. Rev. Lett. 120, 145301 (2018), doi:10.1103/PhysRevLett.120.145301",
    transferred=_transferred,
    normalized=_normalized,
    widening=Widening(_wide, _copy),
    fast=FastPath(
        torch_free.possible,
        torch_free.shapes,
        lambda settings: settings.vector_size,
        torch_free.ArrayBody,
        torch_free.embed,
    ),
    tensor_prefix="",
)
