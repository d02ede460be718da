"""The methods section of a report."""

from __future__ import annotations

from typing import get_args

from zoo.data.splits import How
from zoo.jobs.study import methods_text
from zoo.training.settings import BLEND, Mode


def test_every_mode_and_split_has_a_description() -> None:
    assert methods_text.MODES.keys() == {BLEND, f"{BLEND}, fast", *get_args(Mode)}
    assert methods_text.SPLITS.keys() == set(get_args(How))
