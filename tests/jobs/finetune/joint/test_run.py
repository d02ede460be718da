"""Several targets at once, on real moduli."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.interrupted import Cut, cut_after

import zoo
from zoo.errors import InputError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.saved_runs import JointResult
from zoo.models.checkpoint import weights

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.models.checkpoint.weights import MemberArrays


def test_each_target_is_a_run_of_the_rows_that_have_its_value(
    run: tuple[JointResult, Path], frame: pd.DataFrame
) -> None:
    _, out = run
    splits = json.loads((out / "splits.json").read_text())["0"]
    assert set(splits["test"]) == set(frame.material_id[(frame.part == "test") & (frame.index != 5)])
    for target in ("K_VRH", "G_VRH"):
        own = json.loads((out / target / "splits.json").read_text())["0"]
        there = set(frame.material_id[frame[target].notna()])
        for part, ids in splits.items():
            assert set(own[part]) == set(ids) & there
        assert zoo.load(out / target).config.provenance["learned_with"] == [{"K_VRH": "G_VRH"}.get(target, "K_VRH")]


def test_the_targets_share_a_body_and_have_a_head_each(run: tuple[JointResult, Path], frame: pd.DataFrame) -> None:
    _, out = run
    bulk, shear = (_member(out / target) for target in ("K_VRH", "G_VRH"))
    for name, tensor in bulk.tensors.items():
        same = np.array_equal(tensor, shear.tensors[name])
        assert same == name.startswith(("embedding.", "convs.", "norm.")), name
    # What is said of the test rows is what the saved models predict.
    found = pd.read_csv(out / "predictions.csv").set_index("id")
    model = zoo.load(out)
    predicted = model.predict(frame.structure, ids=frame.material_id).set_index("id").loc[found.index]
    for target in ("K_VRH", "G_VRH"):
        there = found[f"prediction_{target}"].notna()
        assert there.sum() == frame[target].notna().sum()
        np.testing.assert_allclose(
            found[f"prediction_{target}"][there], predicted[f"prediction_{target}"][there], rtol=1e-4
        )


def _member(folder: Path) -> MemberArrays:
    (member,) = weights.read(folder).members
    return member


def test_of_rows_with_both_values_a_regressor_is_that_of_a_run_of_its_own(
    options: Options, frame: pd.DataFrame, tmp_path: Path
) -> None:
    table = frame[30:]
    both = replace(options, data=table, mode="ridge", log=("G_VRH",))
    finetune(both, tmp_path / "both", quiet=True)
    finetune(replace(both, target="G_VRH", unit="GPa", log=True), tmp_path / "alone", quiet=True)
    together, own = (pd.read_csv(each / "predictions.csv") for each in (tmp_path / "both/G_VRH", tmp_path / "alone"))
    pd.testing.assert_frame_equal(together, own)
    metrics = json.loads((tmp_path / "both" / "metrics.json").read_text())["targets"]
    assert [each["headline"] for each in metrics.values()] == ["mae", "mae_log10"]


def test_a_blend_of_each_target_with_out_of_fold_predictions(
    options: Options, frame: pd.DataFrame, tmp_path: Path
) -> None:
    few = replace(options, mode="blend", test=0.1, split_column=None, epochs=1, baselines=("mean",))
    out = tmp_path / "blend"
    lines: list[str] = []
    result = finetune(few, out, quiet=True, say=lines.append)
    assert isinstance(result, JointResult)
    assert "tiny: one network, with a head for each of 2 targets" in lines
    assert any(line.endswith("1 row without a value of any target: 6") for line in lines)
    found = pd.read_csv(out / "out_of_fold.csv")
    assert [column for column in found.columns if column.endswith("_K_VRH")] == [
        f"{name}_K_VRH" for name in ("target", "prediction", "lower", "upper", "error", "rank")
    ]
    kept = frame.set_index("material_id").loc[found.id]
    for target in ("K_VRH", "G_VRH"):
        np.testing.assert_array_equal(found[f"target_{target}"], kept[target])
        metrics = result.results[target].metrics
        members = metrics["blend"]["per_seed"][0]["out_of_fold_mae"]
        assert "tiny fine-tuned" in members
        assert metrics["rows"]["filtered"] == frame[target].isna().sum()
    assert [row[0] for row in result.rows()[1]] == ["K_VRH", "", "G_VRH", ""]
    predicted = zoo.load(out).predict(frame.structure[:3], interval=0.8)
    assert (predicted.lower_G_VRH < predicted.prediction_G_VRH).all()


def test_an_interrupted_run_goes_on(options: Options, run: tuple[JointResult, Path], tmp_path: Path) -> None:
    out, again = tmp_path / "moduli", replace(options, compare_scratch=True)
    with pytest.MonkeyPatch.context() as patch:
        begun = cut_after(2, patch)  # the shared network, and that of the first target from scratch
        with pytest.raises(Cut):
            finetune(again, out, quiet=True)
        assert len(begun) == 2
    assert not out.exists()
    with pytest.raises(InputError, match="unfinished run; give resume=True"):
        finetune(again, out, quiet=True)
    with pytest.raises(InputError, match="other settings"):
        finetune(replace(again, target=("G_VRH", "K_VRH")), out, quiet=True, resume=True)
    with pytest.MonkeyPatch.context() as patch:
        begun = cut_after(9, patch)
        result = finetune(again, out, quiet=True, resume=True)
        assert len(begun) == 1
    assert isinstance(result, JointResult)
    assert list(result.results["G_VRH"].summary()) == ["tiny (full)", "from scratch"]
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "predictions.csv"), pd.read_csv(run[1] / "predictions.csv"), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("columns", "folders"),
    [(("K (GPa)", "K/GPa"), ["K-GPa", "K-GPa-2"]), (("cells", "Metrics.json"), ["cells-2", "Metrics.json-2"])],
)
def test_folders_have_names_that_any_system_takes(
    columns: tuple[str, str], folders: list[str], options: Options, frame: pd.DataFrame, tmp_path: Path
) -> None:
    table = frame.rename(columns=dict(zip(("K_VRH", "G_VRH"), columns, strict=True)))
    out = tmp_path / "out"
    finetune(
        Options(data=table, target=columns, backbone=options.backbone, mode="mean", split_column="part"),
        out,
        quiet=True,
    )
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(folders)
    model = zoo.load(out)
    assert model.targets == columns
    assert zoo.load(out, target=columns[1]).directory == out / folders[1]
