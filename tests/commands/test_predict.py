"""``zoo predict``, on real crystals."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.badtables import bad_tables
from support.commandline import refused, zoo

from zoo.testing import sample_crystals

if TYPE_CHECKING:
    from click.testing import Result

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


@pytest.mark.parametrize("case", ["missing", "empty", "header", "binary", "rejected", "kind", "folder"])
def test_a_bad_input_of_predict_is_one_line(case: str, backbone: Path, tmp_path: Path) -> None:
    path, _ = bad_tables(tmp_path)[case]
    out = tmp_path / "p.csv"
    result = zoo("predict", backbone, path, "--out", out, "-q", code=2)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert path.name in line or "0 crystals" in line
    assert not out.exists()


def test_predict_files_and_tables(fine_tuned: tuple[Result, Path], table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name, structure in sample_crystals.crystals().items():
        structure.to(filename=str(folder / f"{name}.cif"))
    (folder / "broken.cif").write_text("data_x\n_cell_length_a ?\n")
    out = tmp_path / "new.csv"
    result = zoo("predict", fine_tuned[1], folder, table, "--out", out)
    with out.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    own = ["input_formula", "K_VRH", "G_VRH"]
    assert list(rows[0]) == ["id", "prediction", "unit", "spread", "note", "formula", "atoms", *own]
    assert "the column formula of the input is called input_formula in" in result.stderr
    assert len(rows) == len(sample_crystals.crystals()) + 59
    assert {row["unit"] for row in rows} == {"GPa"}
    assert all(float(row["prediction"]) > 0 and float(row["spread"]) >= 0 for row in rows)
    metrics = pd.read_csv(fine_tuned[1] / "predictions.csv")
    same = metrics[metrics.id == rows[-1]["id"]].prediction.to_numpy()
    assert float(rows[-1]["prediction"]) == pytest.approx(np.mean(same), rel=1e-4)
    assert f"predictions  {len(rows)}, in {out}" in result.stdout
    assert f"The first 10 of {len(rows)} predictions" in result.stdout
    assert re.split(r"  +", result.stdout.splitlines()[1]) == ["id", "K_VRH", "spread", "note"]
    rejected = pd.read_csv(tmp_path / "new.rejected.csv")
    assert sorted(rejected.file.map(lambda name: Path(name).name)) == ["broken.cif", "k.csv"]
    assert "rejected    2 row(s)" in result.stdout


def test_predict_with_nothing_usable(backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("no crystal")
    (tmp_path / "b.cif").write_text("")
    out = tmp_path / "p.csv"
    message = zoo("predict", backbone, tmp_path, "--out", out, "-q", code=2).stderr
    assert message.startswith("Error: none of the 2 crystals given can be used")
    assert not out.exists()
    assert len(pd.read_csv(tmp_path / "p.rejected.csv")) == 2


def test_predict_overwrites_predictions_alone(backbone: Path, table: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    shutil.copy(table, mine)
    before = mine.read_bytes()
    assert "mine.csv exists and holds no predictions" in refused("predict", backbone, mine, "--out", mine, "-q")
    assert mine.read_bytes() == before
    for _ in range(2):
        zoo("predict", backbone, mine, "--out", tmp_path / "p.csv", "-q")


def test_predict_forgets_what_an_earlier_run_rejected(backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("no crystal")
    next(iter(sample_crystals.crystals().values())).to(str(tmp_path / "b.cif"))
    out = tmp_path / "p.csv"
    zoo("predict", backbone, tmp_path / "a.cif", tmp_path / "b.cif", "--out", out, "-q")
    assert len(pd.read_csv(tmp_path / "p.rejected.csv")) == 1
    zoo("predict", backbone, tmp_path / "b.cif", "--out", out, "-q")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cif", "b.cif", "p.csv"]
    (tmp_path / "p.rejected.csv").write_text("mine\n")
    line = refused("predict", backbone, tmp_path / "b.cif", "--out", out, "-q")
    assert "p.rejected.csv exists and lists no rejected rows" in line
    assert (tmp_path / "p.rejected.csv").read_text() == "mine\n"


def test_predict_with_no_such_model(table: Path, tmp_path: Path) -> None:
    assert "did you mean" in refused("predict", "dEf-11k", table)
    assert "config.json" in refused("predict", tmp_path, table)


def test_an_output_that_cannot_be_written_is_one_line(backbone: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    words = ("predict", backbone, table, "--out", tmp_path / "file" / "p.csv", "-q")
    assert "p.csv" in refused(*words)
    assert (tmp_path / "file").read_text() == "in the way"


def test_columns_with_names_of_ones_own(backbone: Path, table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table).iloc[:3]
    mine = pd.DataFrame({"relaxed": frame.structure, "guess": frame.structure, "sample": frame.material_id})
    mine.to_csv(tmp_path / "mine.csv", index=False)
    assert "the columns 'relaxed' and 'guess' hold structures; say which with --structure" in refused(
        "predict", backbone, tmp_path / "mine.csv", "--out", tmp_path / "p.csv"
    )
    options = ("--structure", "relaxed", "--out", tmp_path / "p.csv")
    result = zoo("predict", backbone, tmp_path / "mine.csv", *options)
    assert list(pd.read_csv(tmp_path / "p.csv").id) == list(frame.material_id)
    assert "ids from column sample, judging by its cells; --id names another" in result.stderr
    result = zoo("predict", backbone, tmp_path / "mine.csv", "--id", "sample", *options)
    assert "ids from" not in result.stderr


def test_the_best_candidates(backbone: Path, table: Path, tmp_path: Path) -> None:
    """As documented: --top, --lowest, --sort, --keep."""
    out = tmp_path / "p.csv"
    zoo("predict", backbone, table, "--out", out, "-q")
    everything = pd.read_csv(out)
    result = zoo("predict", backbone, table, "--top", 3, "--keep", "K_VRH", "--out", out)
    top = pd.read_csv(out)
    assert top.id.tolist() == everything.sort_values("prediction", ascending=False).id.tolist()[:3]
    assert top.K_VRH.tolist() == everything.set_index("id").K_VRH[top.id].tolist()
    assert list(top)[-1] == "K_VRH"
    assert "The highest 3 of 59 predictions" in result.stdout
    assert f"predictions  59; the 3 highest are in {out}" in result.stdout
    zoo("predict", backbone, table, "--sort", "--lowest", "--keep", "", "--out", out, "-q")
    assert pd.read_csv(out).prediction.is_monotonic_increasing
    assert list(pd.read_csv(out))[-1] == "atoms"
    assert "--lowest goes with --top or --sort" in zoo("predict", backbone, table, "--lowest", code=2).stderr
    line = refused("predict", backbone, table, "--keep", "k")
    assert "--keep k: no table has such a column (columns: material_id" in line


def test_several_models_and_their_inputs(
    backbone: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, out = tmp_path / "other", tmp_path / "p.csv"
    shutil.copytree(backbone, other)
    alone = tmp_path / "alone.csv"
    zoo("predict", backbone, table, "--out", alone, "-q")
    expected = pd.read_csv(alone).prediction.tolist()
    result = zoo("predict", backbone, other, "--", table, "--out", out)  # options may follow
    written = pd.read_csv(out)
    for name in (backbone.name, "other"):
        assert written[f"prediction_{name}"].tolist() == expected
    assert f"K_VRH, {backbone.name}" not in result.stdout.splitlines()[0]
    assert re.search(rf", {backbone.name} +.*, other +note", result.stdout)
    assert "is given twice" in refused("predict", backbone, backbone, "--", table)
    assert "there is nothing to predict" in zoo("predict", backbone, other, "--", code=2).stderr
    # With one model, -- ends the options, as it does everywhere.
    monkeypatch.chdir(tmp_path)
    shutil.copy(table, "-mine.csv")
    for words in (("--", backbone, "-mine.csv"), (backbone, "--", "-mine.csv"), (backbone, table, "--", "-mine.csv")):
        zoo("predict", "--out", "q.csv", "-q", *words)
        assert set(pd.read_csv("q.csv").prediction) == set(expected)


def test_known_crystals_are_noted(backbone: Path, tmp_path: Path) -> None:
    sample_crystals.crystals()["NaCl"].to(filename=str(tmp_path / "salt.cif"))
    out = tmp_path / "p.csv"
    zoo("predict", "dEf-91k", tmp_path / "salt.cif", "--known", "--out", out, "-q")
    assert re.search("same crystal as mp-22862 in the training set of dEf-91k", pd.read_csv(out).note[0])
    line = refused("predict", backbone, tmp_path / "salt.cif", "--known", "--out", out)
    assert "there is no list of training crystals, so --known has nothing to compare with" in line
