"""Figures of predicted classes show the counts and frequencies that they are given."""

from __future__ import annotations

import doctest

import numpy as np

from zoo.analysis.figures import classes
from zoo.analysis.figures.classes import confusion_matrix, reliability_diagram

P = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.7, 0.3]])
Y = np.array([0, 0, 1, 1, 1])


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(classes).failed == 0


def test_every_count_is_written_in_its_cell() -> None:
    picture = confusion_matrix(Y, P, ["no", "yes"])
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["2", "0", "1", "2"]
    assert picture.data.crystals.tolist() == [2, 0, 1, 2]
    assert "4 of them predicted as what they are" in picture.caption


def test_frequencies_follow_the_second_of_two_classes_and_the_predicted_one_of_more() -> None:
    picture = reliability_diagram(Y, P, ["no", "yes"])
    assert picture.data.probability.tolist() == [P[:, 1].mean()]
    assert picture.data.frequency.tolist() == [0.6]
    three = np.hstack([P * 0.9, np.full((5, 1), 0.1)])
    assert reliability_diagram(Y, three, ["a", "b", "c"]).data.frequency.tolist() == [0.8]
