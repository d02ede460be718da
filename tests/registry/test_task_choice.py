"""The task of a run: a registered name, or an object."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest

from zoo.errors import UnknownNameError
from zoo.registry import plugins, task_choice
from zoo.registry.contracts import Requirement, Task

OWN = Task("toughness", "K_Ic", "MPa m^0.5", valid=(0.0, inf), requires=Requirement("band_gap", 0.0))


def test_a_name_and_its_task_are_the_same_choice() -> None:
    for choice in ("bulk-modulus", "Bulk-Modulus", "crystal-zoo:bulk-modulus", plugins.task("bulk-modulus")):
        assert task_choice.chosen(choice) == plugins.task("bulk-modulus")
        assert task_choice.name_of(choice).lower() == "bulk-modulus"
        assert task_choice.plugin_of(choice) == plugins.find("task", "bulk-modulus")
        assert task_choice.recommended_backbone(choice) == "multi-113k"
    assert task_choice.recommended_backbone("formation-energy") == "dEf-91k"
    with pytest.raises(UnknownNameError):
        task_choice.chosen("toughness")


def test_an_object_that_no_plugin_registers() -> None:
    assert task_choice.chosen(OWN) is OWN
    assert task_choice.plugin_of(OWN) is None
    assert task_choice.recommended_backbone(OWN) == task_choice.DEFAULT_BACKBONE
    assert task_choice.recommended_backbone(replace(OWN, recommended_backbone="dEf-10k")) == "dEf-10k"
    other = replace(plugins.task("bulk-modulus"), unit="Mbar")
    assert task_choice.plugin_of(other) is None, "another unit is another task"


def test_a_definition_is_json() -> None:
    found = json.loads(json.dumps(task_choice.definition(OWN), allow_nan=False))
    assert found["valid"] == [0.0, None]
    assert found["requires"] == {"column": "band_gap", "above": 0.0, "reason": ""}
    again = Task(**{**found, "valid": (0.0, inf), "aliases": (), "requires": Requirement(**found["requires"])})
    assert again == OWN
