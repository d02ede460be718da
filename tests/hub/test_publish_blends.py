"""Cross-fitted runs on the Hub: what is pulled predicts what was pushed, without pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file

import zoo
from zoo.hub import publish
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.hubmachine import Machine


@pytest.mark.parametrize("mode", ["blend", "svr", "rf"])
def test_a_cross_fitted_run_predicts_the_same_after_the_hub(
    mode: str, here: Machine, moduli: Callable[[int], Path], tmp_path: Path
) -> None:
    options = Options("bulk-modulus", moduli(40), backbone="dEf-10k", mode=mode, epochs=1)
    result = finetune(options, tmp_path / "run", quiet=True)
    publish.push(publish.pack(tmp_path / "run", "ada/moduli"))
    pushed = here.server.repositories["ada/moduli"]
    assert not [name for name in pushed.files if name.endswith((".pkl", ".pt", ".bin", ".joblib"))]
    pulled = zoo.load(f"hf://ada/moduli@{pushed.commit}", device="cpu")
    assert pulled.directory != tmp_path / "run"
    test = result.splits[0].test
    crystals = [result.records[row].crystal for row in test]
    after, before = (
        each.predict(crystals, interval=0.9) for each in (pulled, zoo.load(tmp_path / "run", device="cpu"))
    )
    np.testing.assert_allclose(after.prediction, result.outcomes[result.model][0].predictions[test], rtol=1e-6)
    for name in ("prediction", "spread", "lower", "upper"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6)
    half = result.crossfits[0].half_widths(test, 0.9)
    np.testing.assert_allclose(np.log10(after.upper / after.prediction), half, rtol=1e-5)
    names = load_file(pulled.directory / "model.safetensors")
    assert any(".regressors.0.model." in name for name in names)
    card = pushed.files["README.md"].decode()
    assert "## Members" in card
    assert "## Errors by element" in card
