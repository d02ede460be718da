import subprocess
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from zoo.plugins import baselines, tasks
from zoo.plugins.featurizers import Magpie

from zoo import testing
from zoo.registry.contracts import Baseline, Task
from zoo.testing import (
    check_baseline,
    check_featurizer,
    check_task,
    checks_for,
    conformance,
    crystals,
    parametrize_with_checks,
)

GOOD = replace(tasks.dielectric, name="good")


def test_sound_plugins_pass():
    check_task(GOOD)
    check_featurizer(Magpie())
    check_featurizer(Magpie)
    check_baseline(baselines.lasso)


def test_checks_need_no_pytest():
    code = """
import sys
sys.modules["pytest"] = None
from zoo.testing import check_baseline, check_featurizer, check_task
from zoo.plugins import baselines, tasks
check_task(tasks.gw_gap)
check_baseline(baselines.mean)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- each kind of mistake is found, and named


@dataclass(frozen=True)
class Stubborn(Task):
    def problem(self, value):
        return None


@dataclass(frozen=True)
class Deaf(Task):
    def index(self, label):
        return self.classes.index(label) if label in self.classes else 0 if label == " A " else None


@dataclass(frozen=True)
class Remembering(Task):
    sources: list[str] = field(default_factory=list)


CLASSES = {"kind": "classification", "classes": ("a", "b")}


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"name": "good"}, "is not a zoo.contracts.Task"),
        (replace(GOOD, zoo_api=2), "zoo_api 2"),
        (replace(GOOD, aliases=("eps", "eps")), "named twice among target and aliases: eps"),
        (replace(GOOD, aliases=("eps_total",)), "named twice among target and aliases: eps_total"),
        (replace(GOOD, aliases=(" eps",)), "' eps' is not a usable column name"),
        (replace(GOOD, target=""), "not a usable column name"),
        (replace(GOOD, valid=(np.float32(0), 1.0)), "cannot be written as JSON"),
        (Remembering("good", target="x", unit="", description="d"), "give tuples, not lists"),
        (replace(GOOD, unit=" GPa"), "blanks around the unit"),
        (replace(GOOD, description=""), "needs a description"),
        (Stubborn("good", target="x", unit="", valid=(0, 1), description="d"), "accepts -1, outside its range"),
        (Stubborn("good", "x", description="d", **CLASSES), "accepts 0.5, which is not a class"),
        (Deaf("good", "x", description="d", **CLASSES), "' B ' is read as class None, not 1"),
    ],
)
def test_mistakes_in_a_task(task, said):
    with pytest.raises(AssertionError, match=said):
        check_task(task)


def test_an_open_range_is_allowed():
    check_task(Task("free", target="x", unit="", description="Anything at all."))


class Counter:
    """A sound featurizer, to be spoilt one method at a time."""

    labels = ("atoms", "volume")
    citations = ()

    def featurize(self, structures):
        return np.array([[len(s), s.volume] for s in structures], dtype=np.float64)


class NoLabels(Counter):
    labels = ()


class TwiceLabelled(Counter):
    labels = ("atoms", "atoms")


class WrongWidth(Counter):
    labels = ("atoms",)


class ListOfLists(Counter):
    def featurize(self, structures):
        return super().featurize(structures).tolist()


class SinglePrecision(Counter):
    def featurize(self, structures):
        return super().featurize(structures).astype(np.float32)


class Infinite(Counter):
    def featurize(self, structures):
        return super().featurize(structures) / np.array([1.0, np.inf]) + np.array([0.0, np.inf])


class Noisy(Counter):
    def __init__(self):
        self.rng = np.random.default_rng()

    def featurize(self, structures):
        return super().featurize(structures) + self.rng.random()


class Global(Counter):
    def featurize(self, structures):
        np.random.random()  # noqa: NPY002
        return super().featurize(structures)


class Seeding(Counter):
    def featurize(self, structures):
        np.random.seed(123454321)  # noqa: NPY002
        return super().featurize(structures)


class Grasping(Counter):
    def featurize(self, structures):
        for structure in structures:
            structure.scale_lattice(structure.volume + 1)
        return super().featurize(structures)


class Sociable(Counter):
    def featurize(self, structures):
        rows = super().featurize(structures)
        return rows - rows.mean(axis=0)


class Ordered(Counter):
    def featurize(self, structures):
        return np.array([[s[0].specie.Z, s.volume] for s in structures], dtype=np.float64)


class Rooted(Counter):
    def featurize(self, structures):
        return np.array([[len(s), (s.frac_coords % 1).sum()] for s in structures])


class Unreduced(Magpie):
    def featurize_compositions(self, compositions):
        return super().featurize_compositions(compositions) + 1.0


class Twofold(Counter):
    def featurize_crystals(self, crystals):
        return np.array([[2.0 * len(crystal), crystal.volume] for crystal in crystals])


class Narrow(Counter):
    def featurize_crystals(self, crystals):
        return np.array([[crystal.volume] for crystal in crystals])


class Writing(Counter):
    def featurize_crystals(self, crystals):
        for crystal in crystals:
            crystal.frac[:] = 0
        return np.array([[len(crystal), crystal.volume] for crystal in crystals])


@pytest.mark.parametrize(
    ("featurizer", "said"),
    [
        (object(), "it has no featurize"),
        (NoLabels(), "labels is empty"),
        (TwiceLabelled(), "labels used twice: atoms"),
        (WrongWidth(), r"featurize returns \(5, 2\) for 5 structures, 1 labels"),
        (ListOfLists(), "returns a list, not an array"),
        (SinglePrecision(), "float32, not float64"),
        (Infinite(), "infinite values in volume"),
        (Noisy(), "a second call gives other values, in atoms, volume"),
        (Global(), r"global generator of numpy\.random"),
        (Seeding(), r"global generator of numpy\.random"),
        (Grasping(), "featurize changes its input"),
        (Sociable(), "depends on the others in the list"),
        (Ordered(), "the order of the atoms changes the vector, in atoms"),
        (Rooted(), "a shift of all atoms changes the vector, in volume"),
        (Twofold(), "featurize_crystals gives other values than featurize, in atoms"),
        (Narrow(), r"featurize_crystals returns \(5, 1\), not \(5, 2\)"),
        (Writing(), "featurize_crystals changes its input"),
        (Unreduced(), "featurize_compositions gives other values than featurize, in MagpieData minimum Number"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_mistakes_in_a_featurizer(featurizer, said):
    with pytest.raises(AssertionError, match=said):
        check_featurizer(featurizer)


def test_a_featurizer_can_be_checked_on_structures_of_ones_own():
    check_featurizer(Counter, [crystals()["Si"]])
    with pytest.raises(AssertionError, match="1 labels"):
        check_featurizer(WrongWidth, [crystals()["Si"]])


def ridge(**options):
    def build(seed):
        from sklearn.linear_model import Ridge

        return Ridge(**options)

    return build


def imputed(model):
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(keep_empty_features=True), model)


def unseeded(seed):
    from sklearn.ensemble import RandomForestRegressor

    return imputed(RandomForestRegressor(5))


def neighbours(seed):
    from sklearn.neighbors import KNeighborsRegressor

    return imputed(KNeighborsRegressor(20))


def two_columns(seed):
    from sklearn.cross_decomposition import PLSRegression

    class Wide(PLSRegression):
        def predict(self, X):  # noqa: N803
            return super().predict(X).reshape(-1, 1)

    return imputed(Wide(2))


def pls(seed):
    from sklearn.cross_decomposition import PLSRegression

    return imputed(PLSRegression(2))


shared = ridge()(0)


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        (ridge(), "is not a zoo.contracts.Baseline"),
        (Baseline("ridge", build=ridge(), featurizer=""), "name the featurizer"),
        (Baseline("ridge", build=ridge(), grid={"alpha": ()}), "is empty"),
        (Baseline("ridge", build=ridge(), grid={"beta": [1.0]}), "has parameters that the estimator lacks: beta"),
        (Baseline("ridge", build=lambda seed: shared), "build must make a new one"),
        (Baseline("ridge", build=ridge()), "put an imputer into the pipeline"),
        (Baseline("wide", build=two_columns), r"predict gives shape \(40, 1\)"),
        (Baseline("near", build=neighbours), "cannot be fitted to 10 rows"),
        (Baseline("forest", build=unseeded), "pass the seed on as random_state"),
        (Baseline("pls", build=pls, grid={"plsregression__n_components": [2, 500]}), "n_components=500 fails"),
        (Baseline("old", build=pls, zoo_api=0), "zoo_api 0"),
        (Baseline("odd", build=lambda: None), r"odd raises TypeError: .*lambda.* takes 0 positional arguments"),
        (Baseline("gone", build=lambda _seed: sys.exit("bye")), r"gone raises SystemExit: bye \(test_conf.*, line"),
        (Baseline("lost", build=pls, featurizer="nowhere"), "its featurizer cannot be used: no featurizer is called"),
    ],
)
def test_mistakes_in_a_baseline(baseline, said):
    with pytest.raises(AssertionError, match=said):
        check_baseline(baseline)


# --- the pytest decorator

PAIRS = parametrize_with_checks([GOOD, Magpie(), baselines.mean])


@PAIRS
def test_pairs(plugin, check):
    assert check in checks_for(plugin)
    check(plugin)


def test_pairs_are_complete():
    checks = [pair.values[1] for pair in PAIRS.args[1]]
    assert checks == [*conformance.TASK_CHECKS, *conformance.FEATURIZER_CHECKS, *conformance.BASELINE_CHECKS]


def test_everything_named_is_there():
    assert all(hasattr(testing, name) for name in testing.__all__)
