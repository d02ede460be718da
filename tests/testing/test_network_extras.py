"""Fast paths and wide bodies that differ from the module are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from zoo.plugins.networks.cgcnn import torch_free
from zoo.plugins.networks.cgcnn.network import cgcnn
from zoo.plugins.networks.cgcnn.widening import copy_side_by_side

from zoo.registry.networks import Network, Widening
from zoo.testing import check_network

if TYPE_CHECKING:
    from pydantic import BaseModel


def faster(**changes: Any) -> Network:
    assert cgcnn.fast is not None
    return replace(cgcnn, fast=replace(cgcnn.fast, **changes))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"embed": lambda bodies, graphs: torch_free.embed(bodies, graphs) * 1.01},
            "gives other vectors than the modu",
        ),
        (
            {"embed": lambda bodies, graphs: torch_free.embed(bodies[:1], graphs)},
            r"shape \(5, 64\) for two bodies, not",
        ),
        (
            {"shapes": lambda size: torch_free.shapes(size) | {"embedding.bias": (3,)}},
            "another shape of embedding.bias",
        ),
        ({"vector_size": lambda _size: 5}, "fast.vector_size is 5, and that of the module 64"),
    ],
)
@pytest.mark.parametrize("settings", [None, cgcnn.settings()])
@pytest.mark.skipif(not torch_free.possible(), reason="zoo was installed without a C compiler")
def test_prediction_without_torch_is_compared_with_the_module(
    changes: dict[str, Any], rule: str, settings: BaseModel | None
) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_network(faster(**changes), settings=settings)


def test_what_cannot_be_used_here_is_not_compared() -> None:
    check_network(faster(possible=lambda: False, body=None))


def test_wide_bodies_are_compared_with_single_ones() -> None:
    assert cgcnn.widening is not None
    swapped = Widening(cgcnn.widening.settings, lambda bodies, wide: copy_side_by_side(bodies, wide)[::-1])
    with pytest.raises(AssertionError, match=r"widening\.copy does not keep the vectors of each body"):
        check_network(replace(cgcnn, widening=swapped))
