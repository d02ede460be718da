"""Fine-tuning with baselines that others wrote, and on columns that others named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from zoo import extensions, methods
from zoo.errors import InputError, PluginError, UnknownNameError
from zoo.finetuning import finetune
from zoo.options import Options

EXAMPLE = Path(__file__).parents[1] / "examples" / "bulk_modulus.csv"

pytestmark = pytest.mark.usefixtures("as_in_a_new_process")

PLUGIN = """
from zoo import Baseline

def build(seed):
    from sklearn.dummy import DummyRegressor
    return DummyRegressor(strategy="quantile", quantile={quantile})

constant = Baseline("constant", build=build, featurizer="{featurizer}")
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "k.csv"
    pd.read_csv(EXAMPLE, comment="#").iloc[:30].to_csv(path, index=False)
    return path


def plugin(path: Path, quantile: float, featurizer: str = "magpie") -> None:
    path.write_text(PLUGIN.format(quantile=quantile, featurizer=featurizer))
    extensions.add_file(path)


def test_two_baselines_of_one_name_are_both_there(data: Path, backbone: Path, tmp_path: Path) -> None:
    plugin(tmp_path / "low.py", 0.0)
    plugin(tmp_path / "high.py", 1.0)
    names = ("low.py:constant", "high.py:constant", "low.py:constant", "mean")
    found = finetune(
        Options("bulk-modulus", data, backbone=str(backbone), epochs=1, baselines=names), tmp_path / "run", quiet=True
    )
    assert list(found.outcomes)[1:] == ["low.py:constant", "high.py:constant", "mean"]
    (split,) = found.splits
    targets = [found.records[row].target for row in split.train]
    for name, expected in (("low.py:constant", min(targets)), ("high.py:constant", max(targets))):
        assert found.outcomes[name][0].predictions[split.test] == pytest.approx(expected)


def test_a_baseline_without_its_featurizer_is_refused_before_anything_is_trained(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    plugin(tmp_path / "mine.py", 0.5, featurizer="nonesuch")
    request = Options("bulk-modulus", data, backbone=str(backbone), baselines=("constant",))
    with pytest.raises(UnknownNameError, match="nonesuch"):
        finetune(request, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run.partial").exists()


def test_what_is_trained_outlives_a_baseline_that_fails(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path / "mine.py", 7.0)  # no quantile
    request = Options("bulk-modulus", data, backbone=str(backbone), epochs=1, baselines=("constant",))
    with pytest.raises(PluginError, match=r"quantile.*; what is done is kept: --resume, without it if need be"):
        finetune(request, tmp_path / "run", quiet=True)
    without = Options("bulk-modulus", data, backbone=str(backbone), epochs=1)
    monkeypatch.setattr(methods, "fit_network", None)  # it is there
    finetune(without, tmp_path / "run", resume=True, quiet=True)


def test_a_column_that_no_checkpoint_can_name(data: Path, backbone: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data)
    table.rename(columns={"K_VRH": "K\n(GPa)"}).to_csv(data, index=False)
    request = Options("bulk-modulus", data, target="K\n(GPa)", backbone=str(backbone))
    with pytest.raises(InputError, match=r"the target 'K\\n\(GPa\)' cannot be named in a checkpoint: name"):
        finetune(request, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run.partial").exists()
