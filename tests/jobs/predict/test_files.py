"""Predictions of files, folders and tables, written to a CSV file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.data.crystal import Crystal
from zoo.data.tables.records import Record
from zoo.errors import InputError
from zoo.jobs.predict import files
from zoo.jobs.predict.files import labels, predict_files
from zoo.jobs.predict.ranking import Ranking
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.jobs.predict.model import Model


def test_files_folders_and_tables(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, structure in samples.crystals().items():
        structure.to(filename=str(folder / f"{name}.cif"))
    (folder / "broken.cif").write_text("data_\nnothing here")
    table = tmp_path / "table.json"
    table.write_text(json.dumps([{"id": "t1", "structure": samples.crystals()["Si"].as_dict()}]))
    out = tmp_path / "predictions.csv"
    done = predict_files(model, [folder, table, folder / "Si.cif"], out)
    written = pd.read_csv(out)
    assert done.count == len(written) == len(samples.crystals()) + 2
    assert {"NaCl", "t1", "Si"} <= set(written.id)
    silicon = written[written.id.isin(["Si", "t1"])].prediction
    assert silicon.to_numpy() == pytest.approx(np.full(3, silicon.iloc[0]), rel=1e-4)
    assert [rejection.id for rejection in done.rejected] == ["broken"]
    assert pd.read_csv(tmp_path / "predictions.rejected.csv").id.tolist() == ["broken"]


def test_nothing_usable_leaves_nothing_half_written(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("no crystal")
    with pytest.raises(InputError, match=r"none of the 1 crystals given can be used; the first reason: .*a\.cif"):
        predict_files(model, [tmp_path / "a.cif"], tmp_path / "p.csv")
    with pytest.raises(InputError, match="there is no such file"):
        predict_files(model, [tmp_path / "b.cif"], tmp_path / "p.csv")
    assert not list(tmp_path.glob("p.csv*"))


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no device files here")
def test_only_regular_files_and_earlier_predictions_are_overwritten(model: Model, tmp_path: Path) -> None:
    silicon = tmp_path / "Si.cif"
    samples.crystals()["Si"].to(filename=str(silicon))
    for out in (Path("/dev/null"), Path("/dev/full")):
        with pytest.raises(InputError, match=f"{out} is not a regular file; give another out"):
            predict_files(model, [silicon], out)
    with pytest.raises(InputError, match="exists and holds no predictions"):
        predict_files(model, [silicon], silicon)
    for _ in range(2):
        assert predict_files(model, [silicon], tmp_path / "p.csv").count == 1


def test_ids_that_are_no_text_in_utf_8(model: Model, tmp_path: Path) -> None:
    """Half a surrogate pair in JSON, and a file's name of any bytes."""
    silicon = samples.crystals()["Si"]
    table = tmp_path / "table.jsonl"
    rows = [{"id": "\ud800", "structure": silicon.as_dict()}, {"id": "\udfff", "structure": "none"}]
    table.write_text("\n".join(json.dumps(row) for row in rows))
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.cif"))
    try:
        named.write_text(silicon.to(fmt="cif"))
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    done = predict_files(model, [table, named], tmp_path / "predictions.csv")
    assert pd.read_csv(done.out).id.tolist() == ["\\ud800", "\\udcff"]
    assert done.rejected_out is not None
    assert pd.read_csv(done.rejected_out).id.tolist() == ["\\udfff"]


def rows_of(tmp_path: Path, **columns: list[object]) -> Path:
    """Write a table of the sample crystals with columns of somebody's own."""
    crystals = samples.crystals()
    frame = pd.DataFrame({"name": list(crystals), "cif": [each.to(fmt="cif") for each in crystals.values()], **columns})
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    return path


def test_columns_of_the_input_are_copied(model: Model, tmp_path: Path) -> None:
    count = len(samples.crystals())
    table = rows_of(tmp_path, batch=[f"b, {i}" for i in range(count)], formula=["?"] * count, prediction=[1e-9] * count)
    done = predict_files(model, [table], tmp_path / "p.csv")
    written = pd.read_csv(done.out)
    assert list(written)[-5:] == ["formula", "atoms", "batch", "input_formula", "input_prediction"]
    assert written.batch.tolist() == [f"b, {i}" for i in range(count)]
    assert set(written.input_prediction) == {1e-9}
    assert set(written.input_formula) == {"?"} != set(written.formula)
    assert done.renamed == {"formula": "input_formula", "prediction": "input_prediction"}
    assert list(pd.read_csv(predict_files(model, [table], tmp_path / "p.csv", keep=["batch"]).out))[-1] == "batch"
    assert list(pd.read_csv(predict_files(model, [table], tmp_path / "p.csv", keep=[]).out))[-1] == "atoms"
    with pytest.raises(InputError, match=r"keep bath: no table has such a column \(columns: name, cif, batch"):
        predict_files(model, [table], tmp_path / "p.csv", keep=["bath"])


def test_cells_of_any_kind_are_copied(model: Model, tmp_path: Path) -> None:
    silicon = samples.crystals()["Si"].as_dict()
    cells = {"x": 0.1 + 0.2, "n": None, "tags": ["a", "b"], "flag": True}
    (tmp_path / "t.json").write_text(json.dumps([{"id": "s", "structure": silicon, **cells}]))
    silicon_file = tmp_path / "Si.cif"
    samples.crystals()["Si"].to(filename=str(silicon_file))
    written = pd.read_csv(predict_files(model, [tmp_path / "t.json", silicon_file], tmp_path / "p.csv").out, dtype=str)
    assert float(written.x[0]) == 0.1 + 0.2
    assert written.n.isna().all()
    assert json.loads(written.tags[0]) == ["a", "b"]
    assert written.flag[0] == "True"
    assert written.loc[1, ["x", "tags", "flag"]].isna().all()


@pytest.mark.parametrize("lowest", [False, True])
def test_the_best_rows_are_those_of_the_whole_table_in_order(model: Model, tmp_path: Path, *, lowest: bool) -> None:
    table = rows_of(tmp_path)
    inputs = [table, table]  # each prediction twice: equal ones stay in the order of the input
    everything = pd.read_csv(predict_files(model, inputs, tmp_path / "all.csv").out)
    expected = everything.sort_values("prediction", ascending=lowest, kind="stable").reset_index(drop=True)
    done = predict_files(model, inputs, tmp_path / "sorted.csv", ranking=Ranking(lowest=lowest))
    pd.testing.assert_frame_equal(pd.read_csv(done.out), expected)
    top = predict_files(model, inputs, tmp_path / "top.csv", ranking=Ranking(lowest=lowest, top=3))
    pd.testing.assert_frame_equal(pd.read_csv(top.out), expected.head(3))
    assert (top.count, top.written, len(top.head)) == (len(everything), 3, 3)
    assert [row["id"] for (row,) in done.head] == expected.id.head(10).tolist()
    assert {path.name for path in tmp_path.iterdir()} == {"two", "mine.csv", "all.csv", "sorted.csv", "top.csv"}


def test_several_models_read_the_crystals_once(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows_of(tmp_path)
    one = pd.read_csv(predict_files(model, [table], tmp_path / "one.csv").out)
    atoms = model.checkpoint.atom_table.copy()
    atoms[14] = 0
    blind = replace(model, name="blind", checkpoint=replace(model.checkpoint, atom_table=atoms))
    built = []
    build = files.iter_records
    monkeypatch.setattr(files, "iter_records", lambda *args, **more: built.append(args) or build(*args, **more))
    done = predict_files([model, blind], [table], tmp_path / "p.csv")
    written = pd.read_csv(done.out)
    assert len(built) == 1
    assert list(written) == [
        "id",
        *(f"{name}_two" for name in ("prediction", "unit", "spread", "note")),
        *(f"{name}_blind" for name in ("prediction", "unit", "spread", "note")),
        "formula",
        "atoms",
    ]
    assert written.prediction_two.tolist() == one.prediction.tolist()
    silicon = written.id == "Si"
    assert written.prediction_blind[~silicon].tolist() == one.prediction[~silicon].tolist()
    assert written.prediction_blind[silicon].isna().all()
    assert written.note_blind[silicon].tolist() == ["not predicted: blind has no features for the element Si"]
    predict_files([model, blind], [table], tmp_path / "p.csv")  # an earlier file of two models is overwritten


def test_what_no_model_can_predict_is_rejected(model: Model, tmp_path: Path) -> None:
    atoms = model.checkpoint.atom_table.copy()
    atoms[14] = 0
    blind = [replace(model, name=name, checkpoint=replace(model.checkpoint, atom_table=atoms)) for name in "ab"]
    done = predict_files(blind, [rows_of(tmp_path)], tmp_path / "p.csv")
    (rejected,) = done.rejected
    assert rejected.id == "Si"
    assert rejected.reason == "a has no features for the element Si; b has no features for the element Si"


def test_models_of_one_name_are_told_apart_by_their_folders(model: Model, tmp_path: Path) -> None:
    placed = [replace(model, directory=tmp_path / each / "two") for each in ("x", "y")]
    assert labels([*placed, replace(model, name="other")]) == ["x/two", "y/two", "other"]
    with pytest.raises(InputError, match=r"the model .*two is given twice"):
        labels([model, model])


def test_memory_is_bounded_by_the_chunk(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a chunk of crystals is read ahead of what has been predicted."""
    monkeypatch.setattr(files, "CHUNK", 3)
    read, ahead = 0, []

    class Stream:
        kept = ()

        def __iter__(self) -> Iterator[Record]:
            nonlocal read
            for number in range(10):
                read += 1
                yield Record(str(number), Crystal.from_structure(samples.crystals()["Si"]), None, number, "f")

    class Bar:
        done = 0

        def advance(self, steps: float = 1, note: str = "") -> None:
            self.done += 1
            ahead.append(read - self.done)

    stream: Any = Stream()
    bar: Any = Bar()
    predict_files(model, [], tmp_path / "p.csv", rows=stream, bar=bar)
    assert len(ahead) == 10
    assert max(ahead) <= 3


def test_the_list_of_rejected_rows_is_complete_and_the_summary_short(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_REJECTED", 2)
    table = rows_of(tmp_path)
    frame = pd.read_csv(table)
    frame.loc[1:, "cif"] = "none"
    frame.to_csv(table, index=False)
    done = predict_files(model, [table], tmp_path / "p.csv")
    assert (len(done.rejected), done.rejected_count) == (2, len(frame) - 1)
    assert done.rejected_out is not None
    assert pd.read_csv(done.rejected_out).id.tolist() == frame.name.tolist()[1:]


def test_an_interruption_leaves_nothing(model: Model, tmp_path: Path) -> None:
    class Bar:
        def advance(self, steps: float = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    table, bar = rows_of(tmp_path), Bar()
    for ranking in (None, Ranking(), Ranking(top=1)):
        with pytest.raises(KeyboardInterrupt):
            predict_files(model, [table], tmp_path / "p.csv", ranking=ranking, bar=bar)  # type: ignore[arg-type]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "two"]


def test_crystals_that_the_network_was_trained_on_are_noted(tmp_path: Path) -> None:
    """Rock salt is mp-22862, also with the experimental cell."""
    dEf = zoo.load("dEf-113k")  # noqa: N806
    samples.crystals()["NaCl"].to(filename=str(tmp_path / "mine.cif"))
    caesium = samples.crystals()["NaCl"].copy()
    caesium.replace_species({"Na": "Fr"})
    caesium.to(filename=str(tmp_path / "other.cif"))
    done = predict_files(dEf, [tmp_path], tmp_path / "p.csv", known=True)
    notes = dict(zip(*(pd.read_csv(done.out, keep_default_na=False)[name] for name in ("id", "note")), strict=True))
    assert "same crystal as mp-22862 in the training set of dEf-113k" in notes["mine"]
    assert "training set of" not in notes["other"]
