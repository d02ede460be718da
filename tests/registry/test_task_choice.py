"""The task of a run: a registered name, or an object."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest

from zoo.errors import InputError, UnknownNameError
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
    with pytest.raises(UnknownNameError) as error:
        task_choice.chosen("bulk-moduls")
    assert str(error.value) == (
        "no task is called 'bulk-moduls'; did you mean bulk-modulus or shear-modulus? --target COLUMN --unit UNIT "
        "takes any column without a task; a task of your own comes from --plugin FILE.py "
        "(https://crystal-zoo.github.io/crystal-zoo/reference/plugins.html)"
    )


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
    again = Task(
        **{**found, "valid": (0.0, inf), "aliases": (), "classes": (), "requires": Requirement(**found["requires"])}
    )
    assert again == OWN


def test_a_column_without_a_task() -> None:
    assert task_choice.choice(None, "eij_max", "C/m2", None) == Task("eij_max", "eij_max", "C/m2")
    assert task_choice.choice(None, "eij_max", None, True) == Task(
        "eij_max", "eij_max", "", transform="log10", valid=(0.0, inf)
    )
    assert task_choice.choice("bulk-modulus", "B", None, None) == "bulk-modulus"
    for wrong, said in {
        (None, None, "eV", None): "--task is missing: which property does the table hold?",
        ("bulk-modulus", None, "GPa", None): "--unit with --task bulk-modulus: a task has its own unit",
        (OWN, None, None, True): "--log with --task toughness",
        (OWN, None, None, False): "--no-log with --task toughness",
    }.items():
        with pytest.raises(InputError, match=said):
            task_choice.choice(*wrong)


@pytest.mark.parametrize("column", ["3d moment", "σ", "log10(K)", "T_c (K)", "x" * 300, "a:b/c\\d", " ", "_id"])
def test_any_column_gives_a_name_for_a_folder(column: str) -> None:
    made = task_choice.made(column, "K")
    assert made.target == column
    assert made.name[0].isalpha()
    assert not set(made.name) & set(" :/\\()")


def test_columns_of_tasks_that_zoo_has() -> None:
    assert task_choice.with_column("k_vrh") == "bulk-modulus"
    assert task_choice.with_column("eij_max") is None
