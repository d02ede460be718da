"""Fine-tuning with baselines that others wrote, and on columns that others named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from zoo.errors import InputError, PluginError, UnknownNameError
from zoo.jobs import methods
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("as_in_a_new_process")

PLUGIN = """
from zoo import Baseline

def build(seed):
    from sklearn.dummy import DummyRegressor
    return DummyRegressor(strategy="quantile", quantile={quantile})

constant = Baseline("constant", build=build, featurizer="{featurizer}")
"""


@pytest.fixture
def data(moduli: Callable[[int], Path]) -> Path:
    return moduli(30)


def plugin(path: Path, quantile: float, featurizer: str = "magpie") -> None:
    path.write_text(PLUGIN.format(quantile=quantile, featurizer=featurizer))
    plugins.add_file(path)


def test_two_baselines_of_one_name_are_both_there(data: Path, backbone: Path, tmp_path: Path) -> None:
    plugin(tmp_path / "low.py", 0.0)
    plugin(tmp_path / "high.py", 1.0)
    names = ("low.py:constant", "high.py:constant", "low.py:constant", "mean")
    found = finetune(
        Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, baselines=names),
        tmp_path / "run",
        quiet=True,
    )
    assert list(found.outcomes)[1:] == ["low.py:constant", "high.py:constant", "mean"]
    (split,) = found.splits
    targets = [found.records[row].target for row in split.train]
    for name, expected in (("low.py:constant", min(targets)), ("high.py:constant", max(targets))):
        assert found.outcomes[name][0].predictions[split.test] == pytest.approx(expected)
    versions = json.loads((tmp_path / "run" / "metrics.json").read_text())["versions"]
    assert versions["low.py"] == f"SHA-256 {hashlib.sha256((tmp_path / 'low.py').read_bytes()).hexdigest()}"
    assert {"high.py", "scikit-learn", "torch", "python"} < versions.keys()


def test_a_baseline_without_its_featurizer_is_refused_before_anything_is_trained(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    plugin(tmp_path / "mine.py", 0.5, featurizer="nonesuch")
    request = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), baselines=("constant",))
    with pytest.raises(UnknownNameError, match="nonesuch"):
        finetune(request, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run.partial").exists()


def test_what_is_trained_outlives_a_baseline_that_fails(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path / "mine.py", 7.0)  # no quantile
    request = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, baselines=("constant",))
    with pytest.raises(
        PluginError, match=r"quantile.*; finished fits are kept: continue with resume=True, without this baseline"
    ):
        finetune(request, tmp_path / "run", quiet=True)
    without = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1)
    monkeypatch.setattr(methods, "fit_network", None)  # it is there
    finetune(without, tmp_path / "run", resume=True, quiet=True)


def test_a_column_that_no_checkpoint_can_name(data: Path, backbone: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data)
    table.rename(columns={"K_VRH": "K\n(GPa)"}).to_csv(data, index=False)
    request = Options("bulk-modulus", data, target="K\n(GPa)", backbone=str(backbone))
    with pytest.raises(InputError, match=r"the target 'K\\n\(GPa\)' cannot be named in a checkpoint: name"):
        finetune(request, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run.partial").exists()


FEATURIZER = """
import sys
import numpy as np
from zoo import Baseline

class Own:
    name = "magpie"
    labels = ["atoms", "volume"]
    citations = []

    def featurize(self, structures):
        {first}
        return np.array([[len(s), s.volume] for s in structures], dtype=float)

def build(seed):
    from sklearn.linear_model import Ridge
    return {build}

mine = Baseline("mine", build=build, featurizer="magpie")
"""


def test_ones_own_featurizer_is_meant_and_changes_nobody_elses_structures(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    """It is called as one of ours is, which ours goes on with; and it spoils what it is given."""
    request = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, baselines=("ridge",))
    before = finetune(request, tmp_path / "before", quiet=True)
    (tmp_path / "own.py").write_text(FEATURIZER.format(first="structures[0].remove_sites([0])", build="Ridge()"))
    plugins.add_file(tmp_path / "own.py")
    assert plugins.baseline("mine").featurizer == "own.py:magpie"
    assert plugins.baseline("rf").featurizer == "magpie-structure"
    after = finetune(replace(request, baselines=("mine", "ridge")), tmp_path / "after", quiet=True)
    assert after.errors["ridge"] == before.errors["ridge"]
    assert after.errors["mine"] != after.errors["ridge"]


@pytest.mark.parametrize(
    ("first", "build", "said"),
    [
        ("sys.exit(7)", "Ridge()", r"featurizer 'own.py:magpie' failed: SystemExit: 7 \(own\.py, line 12\)"),
        ("return np.ones((len(structures), 2)) * 1j", "Ridge()", r"returned a complex128 array of shape \(.*, 2\) for"),
        ("pass", "sys.exit('bye')", r"baseline 'mine' failed: SystemExit: bye \(own\.py, line 17\)"),
        ("pass", "One()", r"baseline 'mine' failed: ValueError: predict gives 1 numbers for 30 rows"),
    ],
)
def test_what_a_plugin_does_wrong_is_told_with_its_place(
    first: str, build: str, said: str, data: Path, backbone: Path, tmp_path: Path
) -> None:
    text = FEATURIZER.format(first=first, build=build)
    if build == "One()":
        text = f"class One:\n    fit = lambda self, X, y: self\n    predict = lambda self, X: [0.0]\n{text}"
    (tmp_path / "own.py").write_text(text)
    plugins.add_file(tmp_path / "own.py")
    request = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, baselines=("mine",))
    with pytest.raises(PluginError, match=said) as caught:
        finetune(request, tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value)


def test_a_file_may_hold_objects_that_answer_with_anything(tmp_path: Path) -> None:
    """A lazy object is asked nothing; a featurizer whose name fails is named, even if its error cannot be shown."""
    lazy = "class Lazy:\n    def __getattr__(self, name):\n        raise RuntimeError('not now')\n\nconfig = Lazy()\n"
    (tmp_path / "lazy.py").write_text(f"{lazy}{PLUGIN.format(quantile=0.5, featurizer='magpie')}")
    assert [found.name for found in plugins.add_file(tmp_path / "lazy.py")] == ["constant"]
    (tmp_path / "odd.py").write_text(
        "class OddError(Exception):\n    def __str__(self):\n        raise ValueError\n\n"
        "class Odd:\n    featurize = print\n    @property\n    def name(self):\n        raise OddError\n\nodd = Odd()\n"
    )
    with pytest.raises(PluginError, match=r"odd\.name: OddError: .*str\(\) failed.* \(odd\.py, line 9\); correct"):
        plugins.add_file(tmp_path / "odd.py")
