"""A whole fine-tuning on sixty real bulk moduli, with a small backbone made for the test."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.interrupted import Cut, cut_after

import zoo
from zoo.analysis.known_crystals import KnownCrystals, Match
from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.errors import InputError, TrainingError
from zoo.jobs import baselines, methods
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.models.checkpoint import weights
from zoo.registry import backbones, plugins
from zoo.registry.backbones import CRYSTALS_FILE

if TYPE_CHECKING:
    from zoo.jobs.finetune.result import Result

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_intervals_are_calibrated_on_validation_rows_and_measured_on_test_rows(
    run: tuple[Result, Path],
) -> None:
    _, out = run
    found = json.loads((out / "metrics.json").read_text())["intervals"]
    predictions = pd.read_csv(out / "predictions.csv")
    config = json.loads((out / "config.json").read_text())
    logs = np.abs(np.log10(predictions.prediction / predictions.target))
    assert found["calibration_rows"] == [12, 12]
    for seed in (0, 1):
        rows = predictions.seed == seed
        calibration = np.sort(logs[rows & (predictions.split == "validation")])
        assert config["members"][seed]["calibration"] == pytest.approx(calibration, rel=1e-3, abs=1e-5)
        # ⌈13 × 0.5⌉ = 7, ⌈13 × 0.8⌉ = 11, ⌈13 × 0.9⌉ = 12; and 12 rows are too few for 0.95
        test = logs[rows & (predictions.split == "test")]
        for each, rank in zip(found["coverage"], (7, 11, 12, None), strict=True):
            share = None if rank is None else np.mean(test <= calibration[rank - 1])
            assert each["per_seed"][seed] == share
    assert [each["level"] for each in found["coverage"]] == [0.5, 0.8, 0.9, 0.95]
    assert found["coverage"][3]["measured"] is None
    card = (out / "README.md").read_text()
    assert re.search(
        r"of the test rows lie inside their 90 % intervals \(a factor of .*\); 12 calibration rows per seed\.", card
    )
    assert "test rows of the first seed are farther" in card
    zoo.load(out).predict([], interval=0.95)  # the two seeds have 24 rows together
    with pytest.raises(InputError, match=r"interval 0\.97 needs more calibration rows than the 24 there are"):
        zoo.load(out).predict([], interval=0.97)


def test_intervals_of_a_run(run: tuple[Result, Path]) -> None:
    result, out = run
    model = zoo.load(out)
    crystals = [record.crystal for record in result.records]
    table = model.predict(crystals, interval=0.8)
    assert list(table.columns) == ["id", "prediction", "unit", "spread", "lower", "upper", "note"]
    assert (table.lower < table.prediction).all()
    assert (table.prediction < table.upper).all()
    wide = model.predict(crystals, interval=0.84)
    assert (wide.lower <= table.lower).all()
    assert (table.upper <= wide.upper).all()
    # One member: in log10 the interval is a factor, the same for all crystals.
    alone = replace(model, checkpoint=replace(model.checkpoint, members=model.checkpoint.members[:1]))
    table = alone.predict(crystals, interval=0.5)
    factor = 10 ** model.checkpoint.members[0].calibration[6]  # ⌈13 × 0.5⌉ = 7
    assert (table.upper / table.prediction).to_numpy() == pytest.approx(factor)
    assert (table.prediction / table.lower).to_numpy() == pytest.approx(factor)


def test_a_crystal_unlike_the_training_set_is_noted(run: tuple[Result, Path]) -> None:
    result, out = run
    model = zoo.load(out)
    crystals = [result.records[row].crystal for row in result.splits[0].train]
    usual = model.predict(crystals).note
    assert not usual.str.contains("farther").any()  # of its own crystals, none is farther than all
    crushed = [zoo.Crystal(each.numbers, 0.5 * each.lattice, each.frac) for each in crystals]
    notes = model.predict(crushed).note
    assert notes.str.contains("farther from the training set than 97.6 % of its own crystals").mean() > 0.25


def test_scaling_constants_are_those_of_the_training_rows(run: tuple[Result, Path]) -> None:
    result, out = run
    config = weights.read_config(out)
    for split, member in zip(result.splits, config.members, strict=True):
        logs = np.log10([result.records[row].target for row in split.train])
        assert member.scaling.mean == pytest.approx(logs.mean())
        assert member.scaling.std == pytest.approx(logs.std())
    seen = {s for split in result.splits for row in split.train for s in result.records[row].crystal.elements}
    assert set(config.elements) == seen


def test_the_run_is_a_model(run: tuple[Result, Path]) -> None:
    result, out = run
    model = zoo.load(out)
    rows = result.splits[0].test
    table = model.predict([result.records[row].crystal for row in rows])
    both = np.stack([outcome.predictions[rows] for outcome in result.outcomes[result.model]])
    assert table.prediction.to_numpy() == pytest.approx(both.mean(axis=0), rel=1e-4)
    assert table.spread.to_numpy() == pytest.approx(both.std(axis=0, ddof=1), rel=1e-3)
    assert model.unit == "GPa"


def test_a_run_is_a_backbone_too(run: tuple[Result, Path], data: Path, tmp_path: Path) -> None:
    result = finetune(
        Options("shear-modulus", data, mode="mixture", backbone=str(run[1]), epochs=1), tmp_path / "next", quiet=True
    )
    assert result.checkpoint.config.provenance["backbone"]["name"] == "run"


def test_a_run_that_was_cut_off_goes_on(
    options: Options, run: tuple[Result, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        cut_after(2, patch)
        with pytest.raises(Cut):
            finetune(options, out, quiet=True)
    assert not out.exists()
    with pytest.raises(InputError, match="unfinished run; give resume=True"):
        finetune(options, out, quiet=True)
    other = Options(**{**vars(options), "epochs": 3})
    with pytest.raises(InputError, match=r"started with other settings \(epochs, fit\)"):
        finetune(other, out, resume=True, quiet=True)
    resumed = finetune(options, out, resume=True, quiet=True)
    for method, errors in run[0].errors.items():
        for ours, theirs in zip(resumed.errors[method], errors, strict=True):
            assert ours["mae"] == pytest.approx(theirs["mae"], rel=1e-3), method


def test_a_run_does_not_go_on_with_other_rows(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A structure file that was missing is there now: all rows behind it have moved."""
    table = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:40]
    names = [f"{name}.vasp" for name in table.material_id]
    for name, text in zip(names[1:], table.structure[1:], strict=True):
        (tmp_path / name).write_text(text)
    table.assign(file=names).drop(columns="structure").to_csv(tmp_path / "k.csv", index=False)
    request = Options(
        "bulk-modulus", tmp_path / "k.csv", mode="mixture", backbone=str(backbone), epochs=1, baselines=("mean",)
    )

    def cut(*_args: object, **_kwargs: object) -> methods.Outcome:
        raise Cut

    monkeypatch.setattr(baselines, "fit_baseline", cut)
    with pytest.raises(Cut):
        finetune(request, tmp_path / "run", quiet=True)
    (tmp_path / names[0]).write_text(table.structure[0])
    with pytest.raises(InputError, match=r"started with other settings \(rows_sha256\)"):
        finetune(request, tmp_path / "run", resume=True, quiet=True)


def test_a_folder_of_any_name_and_a_baseline_named_twice(data: Path, backbone: Path, tmp_path: Path) -> None:
    request = Options(
        "bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, baselines=("mean", "mean")
    )
    result = finetune(request, tmp_path / "ΔEf, my run", quiet=True)
    assert list(result.errors) == [result.model, "mean"]
    assert len(zoo.load(tmp_path / "ΔEf, my run").predict([record.crystal for record in result.records[:3]])) == 3


def test_what_cannot_be_done_is_said_before_anything_is_trained(data: Path, backbone: Path, tmp_path: Path) -> None:
    cases = [
        (Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), n_train=500), "500"),
        (
            Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), max_rejected=0.01),
            "2 of 60 rows cannot be used",
        ),
        (Options("bulk-modulos", data), "did you mean bulk-modulus"),
        (Options("bulk-modulus", data, baselines=("fr",)), "rf"),
        (Options("bulk-modulus", data, mode="mixture", backbone="dEf-113k-mp"), "not published yet"),
        (Options("bulk-modulus", tmp_path / "none.csv", backbone=str(backbone)), "none.csv"),
        (Options("dielectric", data, backbone=str(backbone)), "poly_total"),
        (Options("bulk-modulus", data, mode="mean", folds=40), "40 folds: cross-fitted in 10 folds each"),
    ]
    for request, message in cases:
        with pytest.raises(zoo.ZooError, match=message) as caught:
            finetune(request, tmp_path / "out", quiet=True)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "out.partial").exists()


def test_the_recommended_backbone_is_named_with_its_reason(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    finetune(Options("bulk-modulus", data, mode="mixture", epochs=1), tmp_path / "run", quiet=True, say=said.append)
    name = plugins.task("bulk-modulus").recommended_backbone
    assert any(
        line.startswith(f"backbone {name} from")
        and line.endswith(": recommended by the task; backbone all compares all of them on validation rows")
        for line in said
    )
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    experts = json.loads((tmp_path / "run" / "config.json").read_text())["provenance"]["experts"]
    assert len(experts) >= 7
    assert all(f"{each} (SHA-256 {digest[:12]}…)" in card for each, digest in experts.items())


def test_test_rows_that_the_backbone_was_trained_on_are_counted(data: Path, tmp_path: Path) -> None:
    with gzip.open(EXAMPLES.parent / "cards" / "ids" / "dEf-10k.json.gz") as file:
        trained_on = set(json.load(file)["train"])
    said: list[str] = []
    request = Options("bulk-modulus", data, backbone="dEf-10k", mode="full", epochs=1, seeds=2, test=0.4)
    found = finetune(request, tmp_path / "run", quiet=True, say=said.append)
    names = json.loads((tmp_path / "run" / "splits.json").read_text())
    expected = [len(trained_on & set(names[str(seed)]["test"])) for seed in (0, 1)]
    assert found.overlap == expected
    assert sum(expected) > 0
    worst = max((0, 1), key=expected.__getitem__)
    line = (
        f"{expected[worst]} of {len(names[str(worst)]['test'])} test rows are crystals that dEf-10k saw in training, "
        "with another property (formation_energy_per_atom): no leak of the target"
    )
    assert line in said
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test_rows_in_pretraining"] == expected


def test_crystals_with_other_identifiers_are_recognised(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data).iloc[10:40]
    table.to_csv(tmp_path / "given.csv", index=False)
    table.assign(material_id=[f"mine-{i}" for i in range(30)]).to_csv(tmp_path / "own.csv", index=False)
    request = Options("bulk-modulus", tmp_path / "given.csv", backbone="dEf-91k", mode="full", epochs=1, test=0.3)
    given = finetune(request, tmp_path / "given", quiet=True)
    own = finetune(replace(request, data=tmp_path / "own.csv"), tmp_path / "own", quiet=True)
    # Other names make another split of the same crystals; one of them has been relaxed anew since it was trained on.
    trained_on = backbones.training_ids(backbones.get("dEf-91k"))
    known = [name in trained_on for name in table.material_id]
    tested = [int(own.records[row].id.removeprefix("mine-")) for row in own.splits[0].test]
    assert own.overlap is not None
    assert sum(known[row] for row in tested) == own.overlap[0] + 1 == 9
    assert given.overlap == [sum(given.records[row].id in trained_on for row in given.splits[0].test)]
    # The run has a list of its own crystals, so that they are recognised as well.
    (match,) = KnownCrystals.read(tmp_path / "own" / CRYSTALS_FILE).matches([given.records[0].crystal])
    assert match == [Match("mine-0", same=True)]


def test_what_cannot_be_told_is_said(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers of somebody's own, a backbone without a list, a copy of one with it, copies in the table."""
    table = pd.read_csv(data).iloc[10:30]
    own = pd.concat([table, table.iloc[:2]]).assign(material_id=[f"mine-{i}" for i in range(22)])
    own.to_csv(tmp_path / "own.csv", index=False)
    said: list[str] = []
    request = Options("bulk-modulus", tmp_path / "own.csv", backbone="dEf-10k", mode="full", epochs=1, test=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(backbones, "CRYSTALS_FILE", "none")  # the backbone's list of structures is missing
        found = finetune(request, tmp_path / "own", quiet=True, say=said.append)
    assert found.overlap is None
    assert UNKNOWN_IDS in said
    crystals = {record.id: record.crystal.digest for record in found.records}
    names = json.loads((tmp_path / "own" / "splits.json").read_text())["0"]
    trained = {crystals[name] for name in names["train"] + names["validation"]}
    copies = sum(crystals[name] in trained for name in names["test"])
    told = [line for line in said if "have exactly the crystal of a training or validation row" in line]
    assert [line.split()[0] for line in told] == ([str(copies)] if copies else [])
    copy = tmp_path / "copy"
    shutil.copytree(backbones.weights_folder(backbones.get("dEf-10k")), copy)
    again = replace(request, data=data, backbone=str(copy), test=0.4)
    assert (
        finetune(again, tmp_path / "again", quiet=True).overlap
        == finetune(replace(again, backbone="dEf-10k"), tmp_path / "known", quiet=True).overlap
    )
    # A run as the backbone of the next knows the rows that it was trained on, and that they are of this property.
    said.clear()
    finetune(replace(again, backbone=str(tmp_path / "known"), seed=3), tmp_path / "next", quiet=True, say=said.append)
    assert any("test rows are crystals that known was trained on, on this very property" in line for line in said)
    (tmp_path / "known" / "splits.json").unlink()
    finetune(replace(again, backbone=str(tmp_path / "known")), tmp_path / "last", quiet=True, say=said.append)
    assert any(line.startswith("known: no complete list of its training crystals exists") for line in said)


def test_a_run_without_a_finished_cell_begins_anew(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=2, learning_rate=1e15)
    with pytest.raises(TrainingError, match="diverged"):
        finetune(request, tmp_path / "run", quiet=True)
    finetune(replace(request, learning_rate=None), tmp_path / "run", quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("task", "column", "name"),
    [("formation-energy", "formation_energy_per_atom", "dEf-10k"), ("band-gap", "band_gap", "multi-113k")],
)
def test_the_same_property_is_called_a_leak(task: str, column: str, name: str, data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data).drop(index=7).rename(columns={"K_VRH": column})
    table[column] = table.index / 100.0
    table.to_csv(tmp_path / "e.csv", index=False)
    said: list[str] = []
    request = Options(task, tmp_path / "e.csv", mode="mixture", backbone=name, epochs=1, test=0.4)
    finetune(request, tmp_path / "run", quiet=True, say=said.append)
    assert any("on this very property: their error says nothing about new crystals" in line for line in said)
