"""``zoo.contracts``, the name by which plugins import the contracts."""

from __future__ import annotations

from zoo import contracts
from zoo.registry import contracts as registered


def test_it_offers_the_same_objects_and_no_others() -> None:
    assert contracts.__all__ == registered.__all__
    assert {"Baseline", "Featurizer", "Requirement", "Task"} < set(contracts.__all__)
    for name in contracts.__all__:
        assert getattr(contracts, name) is getattr(registered, name)
