"""``--beside``: featurizers of others whose vectors the members of a blend may read."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.errors import InputError, UnknownNameError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.run import write_run_report
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("as_in_a_new_process")

ORACLE = """
import json
from pathlib import Path

import numpy as np

KNOWN = json.loads(Path(__file__).with_name("known.json").read_text())


class Oracle:
    name = "oracle"
    labels = ["answer"]
    citations = []

    def featurize(self, structures):
        {broken}
        return np.array([[KNOWN[structure.composition.reduced_formula]] for structure in structures])
"""


@pytest.fixture
def data(moduli: Callable[[int], Path]) -> Path:
    return moduli(40)


def oracle(data: Path, tmp_path: Path, broken: str = "") -> None:
    """Write a featurizer that knows the answer of every formula."""
    from pymatgen.core import Structure

    table = pd.read_csv(data)
    formulas = [Structure.from_str(text, fmt="poscar").composition.reduced_formula for text in table.structure]
    known = pd.Series(np.log10(table.K_VRH.to_numpy()), index=formulas).groupby(level=0).mean()
    known.to_json(tmp_path / "known.json")
    (tmp_path / "mine.py").write_text(ORACLE.format(broken=broken or "pass"))
    plugins.add_file(tmp_path / "mine.py")


def request(data: Path, backbone: Path, **changes: object) -> Options:
    return Options("bulk-modulus", data, backbone=str(backbone), mode="blend", epochs=1, **changes)  # type: ignore[arg-type]


def test_vectors_that_know_the_answer_carry_the_blend(data: Path, backbone: Path, tmp_path: Path) -> None:
    oracle(data, tmp_path)
    found = finetune(request(data, backbone, beside=("oracle",)), tmp_path / "run", quiet=True)
    plain = finetune(request(data, backbone), tmp_path / "plain", quiet=True)
    truth = np.log10([record.target for record in found.records])

    def error(result: zoo.Result) -> float:
        (fit,) = result.crossfits
        return float(np.abs(np.log10(fit.outcome.predictions[fit.rows]) - truth[fit.rows]).mean())

    assert error(found) < 0.95 * error(plain)
    assert sum(weight for name, weight in found.crossfits[0].weights.items() if "oracle" in name) > 0.5
    # The checkpoint names the featurizer, which predictions need.
    crystals = [record.crystal for record in found.records[:4]]
    predicted = zoo.load(tmp_path / "run").predict(crystals)
    assert np.isfinite(predicted["prediction"].to_numpy(dtype=float)).all()
    assert "oracle" in (tmp_path / "run" / "config.json").read_text()


def test_a_featurizer_that_fails_costs_only_the_members_that_read_it(
    data: Path, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    oracle(data, tmp_path, broken="raise RuntimeError('no idea')")
    with caplog.at_level(logging.WARNING, logger="zoo"):
        finetune(request(data, backbone, beside=("oracle",)), tmp_path / "run", quiet=True)
    (told,) = [line for line in caplog.messages if "left out of the blend" in line]
    names = "svr on weighted magpie-structure + oracle and gradient boosting on magpie-structure + oracle"
    assert told.startswith(f"{names} are ")
    assert "featurizer 'oracle' failed: RuntimeError: no idea" in told
    assert "oracle" not in (tmp_path / "run" / "config.json").read_text()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    lost = metrics["blend"]["per_seed"][0]["left_out"]
    assert list(lost) == ["svr on weighted magpie-structure + oracle", "gradient boosting on magpie-structure + oracle"]
    reason = "- gradient boosting on magpie-structure + oracle was left out: featurizer 'oracle' failed: RuntimeError"
    assert reason in (tmp_path / "run" / "README.md").read_text()
    assert "magpie-structure + oracle was left out" in write_run_report(tmp_path / "run").read_text()


def test_mistakes_are_told_before_anything_is_read(data: Path, backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="orakel"):
        finetune(request(data, backbone, beside=("orakel",)), tmp_path / "run")
    wrong = Options("bulk-modulus", data, backbone=str(backbone), mode="full", beside=("magpie",))
    with pytest.raises(InputError, match="mode full has none"):
        finetune(wrong, tmp_path / "run")
    with pytest.raises(InputError, match="beside"):
        request(data, backbone, beside=("magpie",) * 9)
