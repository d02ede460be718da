import doctest
from dataclasses import FrozenInstanceError, replace
from math import inf, nan

import pytest
from zoo.plugins.featurizers import Magpie

from zoo.registry import contracts
from zoo.registry.contracts import Baseline, Featurizer, Requirement, Task

HARDNESS = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.0, 150.0), aliases=("hv",))


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(contracts).failed == 0


def test_a_task_is_a_value():
    assert replace(HARDNESS) == HARDNESS
    assert len({HARDNESS, replace(HARDNESS), replace(HARDNESS, unit="MPa")}) == 2
    with pytest.raises(FrozenInstanceError):
        HARDNESS.unit = "MPa"
    assert HARDNESS.columns == ("H_V", "hv")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (96.0, None),
        (150.0, None),
        (1e-3, None),
        (150.1, "above the physical range of hardness, 0 to 150 GPa"),
        (-3.0, "below the physical range of hardness, 0 to 150 GPa"),
        (0.0, "zero, which has no logarithm"),
        (nan, "not a finite number"),
        (inf, "not a finite number"),
        (-inf, "not a finite number"),
    ],
)
def test_problem(value, problem):
    assert HARDNESS.problem(value) == problem


def test_zero_is_a_value_where_no_logarithm_is_taken():
    gap = Task("gap", target="gap", unit="eV", valid=(0.0, 20.0))
    assert gap.problem(0.0) is None


def test_a_task_without_a_unit_names_its_range_without_one():
    assert Task("n", target="n", unit="", valid=(1, 9)).problem(0.5) == "below the physical range of n, 1 to 9"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"unit": None}, "unit=None is not a string"),
        ({"target": 3}, "target=3 is not a string"),
        ({"label": 3}, "label=3 is not a string"),
        ({"aliases": "H"}, r"aliases='H' is not a tuple; one alias is written \('H',\)"),
        ({"aliases": (1,)}, r"aliases\[0\]=1 is not a string"),
        ({"requires": "gap > 0"}, r"requires='gap > 0' is not a zoo\.contracts\.Requirement"),
        ({"valid": ("a", "b")}, "is not a range of numbers"),
        ({"valid": 5}, r"valid=5 is not a range of numbers \(low, high\)"),
        ({"valid": (1, 2, 3)}, r"valid=\(1, 2, 3\) is not a range of numbers"),
        ({"recommended_backbone": 5}, "recommended_backbone=5 is not a name"),
    ],
)
def test_a_task_of_wrong_types_is_refused_when_it_is_made(arguments, said):
    with pytest.raises(TypeError, match=said):
        Task(**{"name": "hardness", "target": "H_V", "unit": "GPa", **arguments})


@pytest.mark.parametrize("name", ["", "my task", "package:task", "a/../../b", "two\nlines", "-x", "3d"])
def test_names_that_cannot_be_typed_or_stand_in_a_file_name(name):
    with pytest.raises(ValueError, match="not a valid name"):
        Task(name, target="x", unit="")
    with pytest.raises(ValueError, match="not a valid name"):
        Baseline(name, build=abs)
    assert "not a valid name" in contracts.breach("featurizer", name, Magpie())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"build": 3}, "build=3 must be a function that returns"),
        ({"featurizer": 3}, "featurizer=3 is not the name"),
        ({"grid": None}, "grid=None must map parameters"),
        ({"grid": ["alpha"]}, r"grid=\['alpha'\] must map parameters"),
        ({"grid": {"alpha": 1.0}}, r"grid\['alpha'\]=1\.0 is not a list of values"),
        ({"grid": {"alpha": "1.0"}}, r"grid\['alpha'\]='1\.0' is not a list of values"),
    ],
)
def test_a_baseline_of_wrong_types_is_refused_when_it_is_made(arguments, said):
    with pytest.raises(TypeError, match=said):
        Baseline(**{"name": "ridge", "build": abs, **arguments})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"valid": (2.0, 1.0)}, "is not a range"),
        ({"valid": (1.0, 1.0)}, "is not a range"),
        ({"valid": (nan, 1.0)}, "is not a range"),
        ({"transform": "log"}, "unknown transform 'log'"),
        ({"metric": "mape"}, "metric='mape' is neither 'mae' nor 'rmse'"),
        ({"transform": "log10", "valid": (-1.0, 1.0)}, "log10 needs a range without negative values"),
        ({"transform": "log10"}, "log10 needs a range without negative values"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Task("hardness", target="H_V", unit="GPa", **arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"column": 3}, "column=3 and reason='' must be strings"),
        ({"reason": None}, "column='gap' and reason=None must be strings"),
        ({"above": "0"}, "above='0' is not a finite number"),
        ({"above": nan}, "above=nan is not a finite number"),
    ],
)
def test_a_requirement_of_wrong_types_is_refused_when_it_is_made(arguments, said):
    with pytest.raises(TypeError, match=said):
        Requirement(**{"column": "gap", "above": 0.0, **arguments})


def test_requirement_and_baseline_have_usable_defaults():
    assert Requirement("band_gap", above=0.0).reason == ""
    baseline = Baseline("zero", build=lambda seed: seed)
    assert (baseline.featurizer, dict(baseline.grid), baseline.build(4)) == ("magpie-structure", {}, 4)


def test_breach():
    assert contracts.breach("task", "Hardness", HARDNESS, Task) is None
    assert contracts.breach("task", "stiffness", HARDNESS, Task).startswith("calls itself 'hardness'")
    assert contracts.breach("baseline", "hardness", HARDNESS, Baseline) == "is a Task, not a zoo.contracts.Baseline"
    assert contracts.breach("task", "hardness", Task, Task) == "is the class Task, not a zoo.contracts.Task"
    assert contracts.breach("featurizer", "magpie", Magpie()) is None
    assert contracts.breach("featurizer", "magpie", HARDNESS) == "is a Task, without a method featurize"
    assert contracts.breach("backbone", "cards", contracts).endswith("not a package with a folder of cards")


def test_featurizer_is_told_by_its_shape():
    assert isinstance(Magpie(), Featurizer)
    assert not isinstance(HARDNESS, Featurizer)


MAGNET = Task("magnet", target="order", kind="classification", classes=("none", "FM", "AFM"))


def test_targets_of_a_classification_are_positions_in_its_classes():
    assert (MAGNET.metric, MAGNET.unit) == ("log_loss", "")
    assert [MAGNET.problem(value) for value in (0.0, 1.0, 2.0)] == [None] * 3
    for value in (0.5, 3.0, -1.0, nan):
        assert MAGNET.problem(value)
    assert replace(MAGNET) == MAGNET


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"unit": "eV"}, "a classification has no unit, transform or valid range"),
        ({"transform": "log10"}, "a classification has no unit, transform or valid range"),
        ({"valid": (0.0, 5.0)}, "a classification has no unit, transform or valid range"),
        ({"metric": "rmse"}, "the metric of a classification is 'log_loss', not 'rmse'"),
        ({"kind": "ranking"}, "kind='ranking' is neither"),
        ({"kind": "regression"}, "classes go with kind='classification'"),
    ],
)
def test_a_classification_that_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        replace(MAGNET, **arguments)
