"""``zoo.contracts``, the name by which plugins import the contracts."""

from __future__ import annotations

from zoo import contracts
from zoo.registry import contracts as registered
from zoo.registry import networks


def test_it_offers_the_same_objects_and_no_others() -> None:
    assert set(contracts.__all__) == {*registered.__all__, *networks.__all__}
    assert {"Baseline", "Featurizer", "Network", "Requirement", "Task"} < set(contracts.__all__)
    for name in contracts.__all__:
        assert getattr(contracts, name) is getattr(networks if name in networks.__all__ else registered, name)
