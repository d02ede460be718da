"""GatedGCN as a plugin; imports torch only to build it."""

from __future__ import annotations

from typing import Any

from zoo.plugins.networks.gatedgcn import torch_free
from zoo.plugins.networks.gatedgcn.settings import Settings

from zoo.registry.networks import FastPath, Network


def _build(settings: Settings) -> Any:
    from zoo.plugins.networks.gatedgcn.body import Body

    return Body(settings)


def _transferred(settings: Settings) -> Settings:
    return settings.model_copy(update={"pooling": "both"})


gatedgcn = Network(
    name="gatedgcn",
    settings=Settings,
    build=_build,
    description="Gated graph convolutions that update the edges too.",
    citation="Bresson & Laurent, arXiv:1711.07553; Choudhary & DeCost, npj Comput. Mater. 7, 185 (2021)",
    transferred=_transferred,
    fast=FastPath(
        torch_free.possible, torch_free.shapes, torch_free.vector_size, torch_free.ArrayBody, torch_free.embed
    ),
)
