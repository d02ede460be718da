"""Readouts: a closed form, and arrays that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.errors import CheckpointError
from zoo.models.regression.readouts import Readout


def made(**changed: Any) -> Readout:
    """Two heads of one hidden unit, which read the second and the third of three columns."""
    arrays: dict[str, Any] = {
        "width": np.array([3], dtype=np.int32),
        "starts": np.array([1, 2], dtype=np.int32),
        "hidden": np.array([[2.0], [-1.0]], dtype=np.float32),
        "hidden_bias": np.array([0.5, 0.0]),
        "outputs": np.array([3.0, 1.0]),
        "output_bias": np.array([0.0, -1.0]),
        "coefficients": np.array([1.0, 10.0]),
        "intercept": np.array([100.0]),
    }
    return Readout(**(arrays | changed))


def test_a_readout_follows_its_equation() -> None:
    x = np.array([[9.0, 0.3, -0.7], [0.0, -2.0, 5.0]])
    first, second = (np.log1p(np.exp(x[:, column])) for column in (1, 2))
    one = 3 * np.log1p(np.exp(2 * first + 0.5))
    two = np.log1p(np.exp(-second)) - 1
    np.testing.assert_allclose(made().predictions(x), np.stack([one, two], axis=1))
    np.testing.assert_allclose(made().predict(x), one + 10 * two + 100)
    assert made().columns == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"starts": np.array([1, 3], dtype=np.int32)},
        {"starts": np.array([-1, 2], dtype=np.int32)},
        {"starts": np.array([], dtype=np.int32)},
        {"hidden": np.zeros((3, 1), dtype=np.float32)},
        {"hidden": np.zeros((2, 0), dtype=np.float32)},
        {"hidden": np.zeros((8, 1), dtype=np.float32)},
        {"hidden_bias": np.zeros(3)},
        {"coefficients": np.zeros(1)},
        {"intercept": np.zeros(2)},
        {"width": np.array([2], dtype=np.int32)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"do not fit|missing column"):
        made(**changed)
