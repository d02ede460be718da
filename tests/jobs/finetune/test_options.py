"""The options of a fine-tuning: what is refused, what is accepted in a notebook, where a run goes by default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.errors import InputError
from zoo.jobs.finetune.options import Options, default_out
from zoo.jobs.methods import SCRATCH, TRANSFER


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 2.0}, "epochs=2.0: must be a whole number"),
        ({"seeds": "3"}, "seeds='3': must be a whole number"),
        ({"seeds": True}, "seeds=True: must be a whole number"),
        ({"seeds": None}, "seeds=None: must be a whole number"),
        ({"learning_rate": "0.1"}, "learning_rate='0.1': must be a number"),
        ({"baselines": "rf"}, "baselines='rf': must be a tuple"),
        ({"baselines": (1,)}, r"baselines\.0=1: must be text"),
        ({"compare_scratch": "scratch"}, "compare_scratch='scratch': must be True or False"),
        ({"target": 3}, "target=3: must be text"),
        ({"data": pd.Series([1.0])}, "data=Series: must be the path of a table, a pandas DataFrame or a zoo table"),
        ({"data": None}, "data=None: must be the path of a table"),
        ({"task": 3}, r"task=3: must be the name of a task or a zoo\.Task"),
        ({"task": zoo.Task}, r"task=.*: must be the name of a task or a zoo\.Task"),
    ],
)
def test_wrong_types_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(zoo.ZooError, match=said):
        zoo.Options(**{"task": "bulk-modulus", "data": "k.csv", **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": 0}, "seeds 0"),
        ({"seeds": 101}, "seeds 101: must be at most 100"),
        ({"batch_size": 1}, "batch_size 1: must be at least 2"),
        ({"learning_rate": -1e-3}, "learning_rate -0.001"),
        ({"patience": 0}, "patience 0"),
        ({"mode": "Head"}, "mode Head: use one of blend, mixture, full, head, layerwise, or a baseline"),
        ({"precision": "8"}, "precision 8: must be one of 32-true"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Options("bulk-modulus", Path("k.csv"), **wrong)


def test_default_folders_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = Options("dielectric", tmp_path / "d.csv")
    first = default_out(options)
    assert first == Path("runs/dielectric-multi-113k")
    first.mkdir(parents=True)
    assert default_out(options) == Path("runs/dielectric-multi-113k-2")
    Path("runs/dielectric-multi-113k-2.partial").mkdir()
    assert default_out(options) == Path("runs/dielectric-multi-113k-3")
    assert default_out(options, resume=True) == Path("runs/dielectric-multi-113k-2")
    assert default_out(Options("dielectric", tmp_path / "d.csv", backbone=None)) == Path("runs/dielectric-scratch")


def test_a_run_on_formulas_is_not_named_after_a_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "k.csv"
    data.write_text("formula,K_VRH\nMgO,160\nNaCl,25\nSi,98\n", encoding="utf-8")
    assert default_out(Options("bulk-modulus", data)) == Path("runs/bulk-modulus-formulas")
    assert default_out(Options("bulk-modulus", data, mode="svr")) == Path("runs/bulk-modulus-svr")
    data.write_text("formula,structure,K_VRH\nMgO,MgO.cif,160\nNaCl,NaCl.cif,25\n", encoding="utf-8")
    assert default_out(Options("bulk-modulus", data)) == Path("runs/bulk-modulus-multi-113k")


def test_a_later_run_never_takes_the_name_of_one_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is one more than the highest taken, whatever else is in the folder."""
    monkeypatch.chdir(tmp_path)
    options = Options("dielectric", tmp_path / "d.csv")
    for name in ("dielectric-multi-113k-7", "dielectric-multi-113k-wide", "dielectric-multi-113k-9.csv", "notes"):
        Path("runs", name).mkdir(parents=True)
    assert default_out(options) == Path("runs/dielectric-multi-113k-8")
    assert default_out(options, resume=True) == Path("runs/dielectric-multi-113k-8")


def test_overrides_replace_tuned_settings_alone() -> None:
    options = Options("dielectric", Path("d.csv"), epochs=7, batch_size=16, learning_rate=0.01)
    for from_scratch, tuned in ((True, SCRATCH), (False, TRANSFER)):
        settings = options.fit_settings(500, from_scratch=from_scratch)
        assert (settings.epochs, settings.batch_size, settings.learning_rate) == (7, 16, 0.01)
        assert (settings.weight_decay, settings.average) == (tuned.weight_decay, tuned.average)


def test_a_fingerprint_changes_with_what_a_fit_depends_on() -> None:
    options = Options("dielectric", Path("d.csv"))

    def fingerprint(options: Options) -> dict[str, Any]:
        return options.fingerprint({"rows_sha256": "0"}, ["1"], 100)

    for changes in ({"seeds": 9}, {"baselines": ("rf",)}, {"compare_scratch": True}, {"data": Path("moved.csv")}):
        assert fingerprint(replace(options, **changes)) == fingerprint(options)
    for changes in ({"epochs": 9}, {"mode": "head"}, {"test": 0.2}, {"seed": 1}, {"n_train": 50}):
        assert fingerprint(replace(options, **changes)) != fingerprint(options)


def test_numbers_of_numpy_and_empty_paths_are_taken() -> None:
    options = Options("dielectric", "d.csv", seeds=np.int64(3), learning_rate=np.float32(0.5), structures="")  # type: ignore[arg-type]
    assert (options.data, options.seeds, options.learning_rate, options.structures) == (Path("d.csv"), 3, 0.5, None)
