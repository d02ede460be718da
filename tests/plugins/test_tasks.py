from pathlib import Path

import pytest
from zoo.plugins import tasks

from zoo.registry import plugins
from zoo.registry.contracts import Task
from zoo.testing import checks_for, parametrize_with_checks

ALL = [value for value in vars(tasks).values() if isinstance(value, Task)]
EXAMPLES = Path(__file__).parents[2] / "examples"


@parametrize_with_checks(ALL)
def test_conforms(plugin, check):
    assert check in checks_for(plugin)
    check(plugin)


def test_every_task_is_registered_under_its_own_name():
    registered = {p.name for p in plugins.plugins("task") if p.ours}
    assert registered == {task.name for task in ALL}
    for task in ALL:
        assert plugins.task(task.name) is task


def test_every_task_says_what_stands_on_an_axis():
    for task in ALL:
        assert task.label
        assert task.label[0].isupper()
        assert task.unit not in task.label or not task.unit  # figures add the unit


def test_no_column_name_means_two_tasks():
    columns = [column for task in ALL for column in task.columns]
    assert len(columns) == len(set(columns))


# Extremes of the published data sets: Materials Project formation energies and PBE gaps, de Jong's moduli
# (diamond is the stiffest), Petousis's dielectric constants, the G0W0 gaps of Borlido's materials.
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("formation-energy", (-4.612, 5.356)),
        ("band-gap", (0.0, 17.891)),
        ("bulk-modulus", (1.0, 435.66)),
        ("shear-modulus", (1.0, 525.0)),
        ("dielectric", (1.155, 566.9)),
        ("refractive-index", (1.28, 16.03)),
        ("gw-gap", (0.02, 19.59)),
    ],
)
def test_the_range_holds_published_extremes(name, values):
    for value in values:
        assert plugins.task(name).problem(value) is None


@pytest.mark.parametrize(
    ("name", "value", "mistake"),
    [
        ("formation-energy", -411.0, "NaCl in kJ/mol"),
        ("formation-energy", -17.2, "a total of the cell"),
        ("band-gap", 1120.0, "silicon in meV"),
        ("bulk-modulus", 9.8e10, "silicon in Pa"),
        ("bulk-modulus", 980.0, "silicon in kbar"),
        ("bulk-modulus", 0.0, "nothing to take a logarithm of"),
        ("shear-modulus", -12.0, "an unstable crystal"),
        ("dielectric", 0.99, "less than vacuum"),
        ("refractive-index", -0.01, "a negative index"),
        ("gw-gap", 0.0, "a metal"),
        ("gw-gap", float("nan"), "nothing"),
    ],
)
def test_the_range_catches(name, value, mistake):
    assert plugins.task(name).problem(value) is not None, mistake


def test_names_that_mean_something_else_are_no_aliases():
    accepted = {column for task in ALL for column in task.columns}
    assert accepted.isdisjoint({"log10(K_VRH)", "log10(G_VRH)", "formation_energy", "e_form", "e_total"})


@pytest.mark.parametrize(
    ("file", "name", "rows"),
    [("dielectric.csv", "dielectric", 1056), ("bulk_modulus.csv", "bulk-modulus", 1181)],
)
def test_the_bundled_examples_are_accepted_whole(file, name, rows):
    import pandas as pd

    table = pd.read_csv(EXAMPLES / file, comment="#")
    task = plugins.task(name)
    (column,) = [column for column in task.columns if column in table]
    assert len(table) == rows
    assert [value for value in table[column] if task.problem(value)] == []
