"""Sizes that follow from others, and the tensors of one target."""

from __future__ import annotations

import pytest

from zoo.models.architecture import Architecture, of_target


def test_sizes_that_follow_from_others() -> None:
    size = Architecture(width=8, convolutions=3)
    assert size.spacing == pytest.approx(0.2)
    assert size.pooled == size.pooled_by("last") == 8
    assert Architecture(width=8, convolutions=3, pooling="all").pooled == size.pooled_by("all") == 4 * 8
    assert Architecture(**size.to_dict()) == size


def test_the_tensors_of_one_target() -> None:
    tensors = {"convs.0.bn1.bias": 0, "fc_out.bias": 1, "others.0.fc_out.bias": 2, "others.1.fc_out.bias": 3}
    for target in range(3):
        assert of_target(tensors, target) == {"convs.0.bn1.bias": 0, "fc_out.bias": target + 1}
