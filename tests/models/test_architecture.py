"""Sizes that follow from others, and the tensors of one target."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from zoo.models.architecture import Architecture, BodyArchitecture, default_architecture, of_target
from zoo.models.outline import outline


def test_sizes_that_follow_from_others() -> None:
    size = default_architecture(width=8, convolutions=3)
    assert size.settings.spacing == pytest.approx(0.2)
    assert outline(size.body).vector_size == 8
    assert outline(size.transferred).vector_size == 4 * 8
    assert size.pooled("all") == size.changed(pooling="all").body == size.transferred
    assert size.pooled("last") == size.body
    assert Architecture.model_validate(size.model_dump()) == size


def test_pooling_changes_vectors_and_no_tensors() -> None:
    size = default_architecture(width=8, convolutions=3)
    rich = size.changed(pooling="mean-max-min")
    assert outline(rich.body).vector_size == 3 * 4 * 8
    assert rich.transferred == rich.body == size.pooled("mean-max-min")
    assert rich.same_body(size)
    assert not rich.same_body(size.changed(width=16))
    assert not rich.same_body(size.changed(gaussian_end=6.0)), "of equal shapes, and other distances"


def test_the_tensors_of_one_target() -> None:
    tensors = {"convs.0.bn1.bias": 0, "fc_out.bias": 1, "others.0.fc_out.bias": 2, "others.1.fc_out.bias": 3}
    for target in range(3):
        assert of_target(tensors, target) == {"convs.0.bn1.bias": 0, "fc_out.bias": target + 1}


def test_an_architecture_is_the_same_in_another_process() -> None:
    """Workers get architectures from the process that starts them, and derive others from them."""
    size = default_architecture(width=8, convolutions=2)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(transferred, size).result() == size.transferred


def transferred(size: Architecture) -> BodyArchitecture:
    return size.transferred
