"""Tables with formulas and no structures: real bulk moduli, of which the structures are left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition
from support.commandline import refused
from support.commandline import zoo as command

import zoo
from zoo._utils import workers
from zoo.errors import InputError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.models.checkpoint import weights

if TYPE_CHECKING:
    from zoo.jobs.finetune.result import Result

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#", keep_default_na=False).iloc[:40]


@pytest.fixture(scope="module")
def options(frame: pd.DataFrame) -> Options:
    return Options("bulk-modulus", frame.drop(columns="structure"))


@pytest.fixture(scope="module")
def fitted(options: Options, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path, list[str]]:
    out, lines = tmp_path_factory.mktemp("runs") / "moduli", list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "cores", lambda: 1)
        result = finetune(options, out, quiet=True, say=lines.append)
    return result, out, lines  # type: ignore[return-value]


def test_a_blend_reads_compositions_and_says_so(fitted: tuple[Result, Path, list[str]]) -> None:
    result, out, lines = fitted
    assert "40 of 40 rows used, crystals from formulas alone, in column formula" in lines[0]  # one of them is Na
    assert any(line.startswith("formulas and no structures: no backbone is used") for line in lines)
    assert result.model == "formulas (blend)"
    metrics = json.loads((out / "metrics.json").read_text())
    names = {"svr on magpie", "svr on weighted magpie", "gradient boosting on magpie"}
    assert set(metrics["blend"]["weights"]) == names
    assert metrics["provenance"]["backbone"] is None
    assert "far_from_training" not in metrics["intervals"]
    assert not (out / "crystals.safetensors.gz").exists()
    card = (out / "README.md").read_text()
    assert "from a formula. The table has no structures, so no backbone was used" in card
    assert "title: bulk-modulus from formulas" in card


def test_the_model_predicts_formulas_and_the_compositions_of_crystals(
    fitted: tuple[Result, Path, list[str]], frame: pd.DataFrame
) -> None:
    _, out, _ = fitted
    model = zoo.load(out)
    assert model.reads_compositions
    known = pd.read_csv(out / "predictions.csv").set_index("id")
    known = known[known.split == "test"]
    rows = frame.set_index("material_id").loc[known.index]
    found = model.predict(rows.formula, interval=0.8)
    np.testing.assert_allclose(found.prediction, known.prediction, rtol=1e-4)
    assert (found.lower < found.prediction).all()
    of_structures = model.predict(rows.structure)
    np.testing.assert_allclose(of_structures.prediction, found.prediction, rtol=1e-6)
    assert model.predict(Composition("MgO")).prediction[0] == model.predict(["Mg2O2"]).prediction[0]
    with pytest.raises(InputError, match="has no network"):
        model.embed(["NaCl"])
    with pytest.raises(InputError, match="only the formula Mg1O1 is known"):
        zoo.load("dEf-10k").predict(["MgO"])


def test_a_table_of_formulas_is_predicted(
    fitted: tuple[Result, Path, list[str]], frame: pd.DataFrame, tmp_path: Path
) -> None:
    _, out, _ = fitted
    frame[["material_id", "formula"]].to_csv(tmp_path / "formulas.csv", index=False)
    command("predict", out, tmp_path / "formulas.csv", "--out", tmp_path / "p.csv", "--interval", 0.8)
    found = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert list(found.id) == list(frame.material_id)
    np.testing.assert_allclose(found.prediction, zoo.load(out).predict(frame.formula).prediction, rtol=1e-4)
    line = refused("predict", "dEf-10k", tmp_path / "formulas.csv", "--out", tmp_path / "no.csv", "-q")
    assert "none of the 40 crystals given can be used" in line
    assert "only the formula" in line


def test_rows_of_both_kinds_are_not_mixed(options: Options, frame: pd.DataFrame, tmp_path: Path) -> None:
    table = frame.copy()
    table.loc[:9, "structure"] = ""
    mixed = replace(options, data=table, mode="mean")
    with pytest.raises(InputError, match=r"10 of 40 rows cannot be used.*10 × only a formula and no structure"):
        finetune(mixed, tmp_path / "run", quiet=True)
    result = finetune(replace(mixed, max_rejected=0.5), tmp_path / "run", quiet=True)
    reasons = {each.reason for each in result.table.rejected}  # type: ignore[union-attr]
    assert reasons == {
        "only a formula and no structure; add it, or learn from the formulas of all rows: --structure formula"
    }
    alone = finetune(replace(mixed, structure="formula"), tmp_path / "formulas", quiet=True)
    assert len(alone.records) == 40  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "full"}, "mode full: the table has formulas and no structures, which networks need"),
        ({"backbone": "dEf-10k"}, "backbone dEf-10k: the table has formulas"),
        ({"compare_scratch": True}, "compare_scratch=True: the table has formulas"),
        ({"beside": ("embedding",)}, "the featurizer embedding reads structures, and the table has formulas alone"),
    ],
)
def test_what_needs_structures_is_refused(
    options: Options, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        finetune(replace(options, **changes), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run.partial").exists()


def test_a_checkpoint_of_compositions_has_no_network_that_counts(
    fitted: tuple[Result, Path, list[str]], tmp_path: Path
) -> None:
    _, out, _ = fitted
    config = weights.read_config(out)
    assert config.blend
    assert config.blend.compositions
    assert {each.weight for each in config.members} == {0.0}


def test_an_estimator_takes_formulas(frame: pd.DataFrame) -> None:
    model = zoo.CrystalRegressor("bulk-modulus", mode="mean").fit(frame.formula[:30], frame.K_VRH[:30])
    assert len(model.predict(frame.formula[30:])) == 10
    some = [*frame.formula[:15], *frame.structure[15:30]]
    with pytest.raises(InputError, match="15 rows with a formula and no structure"):
        zoo.CrystalRegressor("bulk-modulus", mode="mean").fit(some, frame.K_VRH[:30])
