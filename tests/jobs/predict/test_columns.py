"""Columns of predictions: names, classes and their probabilities."""

from __future__ import annotations

import numpy as np

from zoo.jobs.predict.columns import class_columns, names


def test_names() -> None:
    assert names((), interval=False) == ("id", "prediction", "unit", "spread", "note")
    assert names((), interval=True)[-3:] == ("lower", "upper", "note")
    assert names(("a", "b"), interval=False)[2:5] == ("unit", "probability_a", "probability_b")


def test_probabilities_are_averaged_over_members() -> None:
    members = np.array([[[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], [[0.2, 0.7, 0.1], [0.2, 0.2, 0.6]]])
    found = class_columns(members, ("a", "b", "c"))
    assert found["prediction"] == ["b", "c"]
    np.testing.assert_allclose(found["probability_b"], [0.5, 0.2])
    np.testing.assert_allclose(found["spread"], [np.sqrt(0.08), 0.0], atol=1e-12)
    assert np.isnan(class_columns(members[:1], ("a", "b", "c"))["spread"]).all()
    assert class_columns(np.full((1, 1, 2), np.nan), ("a", "b"))["prediction"] == [""]
