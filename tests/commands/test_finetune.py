"""``zoo finetune``, on real crystals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.badtables import bad_tables
from support.commandline import PLUGIN, refused, zoo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


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


def test_folds_have_a_table_of_their_own(table: Path, backbone: Path, tmp_path: Path) -> None:
    options = ("--task", "bulk-modulus", table, "--backbone", backbone, "--mode", "full", "--epochs", 1)
    result = zoo("finetune", *options, "--folds", 3, "--baseline", "mean", "--out", tmp_path / "run")
    lines = result.stdout.splitlines()
    assert lines[0] == "Errors on test rows, 3 folds"
    start = lines.index("MAE log10 by fold")
    assert re.split(r"  +", lines[start + 1]) == ["fold", "test rows", "tiny (full)", "mean"]
    assert [line.split()[0] for line in lines[start + 3 : start + 7]] == ["1", "2", "3", "mean"]
    assert re.split(r"  +", lines[3])[1].startswith(f"{re.split(r'  +', lines[start + 6])[2]} (")  # with its factor
    assert "test rows in fold 1" in result.stderr


def test_test_rows_of_a_second_table(table: Path, backbone: Path, tmp_path: Path) -> None:
    head, *rows = table.read_text().split("\nmp-")
    test = tmp_path / "t.csv"
    test.write_text("\nmp-".join([head, *rows[:12]]))
    options = ("--task", "bulk-modulus", "--backbone", backbone, "--mode", "full", "--epochs", 1)
    message = refused("finetune", *options, table, "--test-data", test, "--out", tmp_path / "run")
    assert "are training rows too, by their ids (" in message
    rest = tmp_path / "k.csv"
    rest.write_text("\nmp-".join([head, *rows[12:]]))
    result = zoo("finetune", *options, rest, "--test-data", test, "--out", tmp_path / "run")
    assert "k.csv and t.csv: 59 of 60 rows used" in result.stderr


def test_finetune_as_json_prints_nothing_else(table: Path, backbone: Path, tmp_path: Path) -> None:
    options = (
        "--task",
        "bulk-modulus",
        table,
        "--mode",
        "mixture",
        "--backbone",
        backbone,
        "--epochs",
        1,
        "--out",
        tmp_path / "run",
    )
    printed = json.loads(zoo("finetune", *options, "--json").stdout)
    assert printed == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert printed["unit"] == "GPa"


@pytest.mark.parametrize("before", [True, False])
def test_a_quiet_finetune_prints_results_alone(before: bool, table: Path, backbone: Path, tmp_path: Path) -> None:
    words = ["finetune", "--task", "bulk-modulus", table, "--mode", "mixture", "--backbone", backbone, "--epochs", 1]
    words += ["--out", tmp_path / "run"]
    result = zoo("-q", *words) if before else zoo(*words, "-q")
    assert result.stderr == ""
    assert result.stdout.startswith("Errors on test rows, 1 seed")


def test_a_task_from_a_single_file(table: Path, backbone: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    words = ("--task", "stiffness", table, "--mode", "head", "--backbone", backbone, "--epochs", 1, "--plugin", plugin)
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


@pytest.mark.parametrize("case", ["missing", "empty", "header", "binary", "column", "rejected", "kind", "folder"])
def test_a_bad_table_is_one_line_and_leaves_no_run(case: str, backbone: Path, tmp_path: Path) -> None:
    path, message = bad_tables(tmp_path)[case]
    out = tmp_path / "run"
    words = ("--task", "bulk-modulus", path, "--backbone", backbone, "--out", out)
    assert message in refused("finetune", *words)
    assert not out.exists()
    assert not (tmp_path / "run.partial").exists()


def test_a_mode_needs_a_backbone(table: Path) -> None:
    line = refused("finetune", "--task", "bulk-modulus", table, "--backbone", "none", "--mode", "head")
    assert "leave it out, or name a --backbone" in line


def test_a_folder_that_cannot_be_made_is_one_line(backbone: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    words = ("finetune", "--task", "bulk-modulus", table, "--backbone", backbone, "--out", tmp_path / "file" / "run")
    (line,) = zoo(*words, "-q", code=2).stderr.splitlines()
    assert line.startswith("Error: ")


def test_a_column_without_a_task(table: Path, backbone: Path, tmp_path: Path) -> None:
    options = ("--backbone", backbone, "--mode", "full", "--epochs", 1, "--out", tmp_path / "run")
    result = zoo("finetune", table, "--target", "K_VRH", "--unit", "GPa", *options)
    assert re.split(r"  +", result.stdout.splitlines()[1])[1] == "MAE (GPa)"
    assert "K_VRH (GPa) is learned as it is: the middle 90 % of the training values span 1." in result.stderr
    assert "--log takes log10" in result.stderr.replace("\n", " ")
    assert refused("finetune", table, "--task", "K_VRH").endswith(
        "--target COLUMN --unit UNIT takes any column without a task; a task of your own comes from --plugin FILE.py "
        "(https://crystal-zoo.github.io/crystal-zoo/reference/plugins.html)"
    )
    assert refused("finetune", table).startswith("Error: --task is missing: which property does the table hold?")
    assert refused("finetune", table, "--task", "bulk-modulus", "--no-log").startswith("Error: --no-log with --task")


def test_two_targets_at_once(table: Path, backbone: Path, tmp_path: Path) -> None:
    targets = ("--target", "K_VRH", "--unit", "GPa", "--target", "G_VRH", "--unit", "GPa", "--log-of", "G_VRH")
    out = tmp_path / "run"
    words = ("--backbone", backbone, "--mode", "full", "--epochs", 1, "--out", out)
    result = zoo("finetune", table, *targets, *words)
    lines = result.stdout.splitlines()
    assert lines[0] == "Errors on test rows, 1 seed"
    assert [re.split(r"  +", line)[:3] for line in lines[3:5]] == [
        ["K_VRH", "59", "tiny (full)"],
        ["G_VRH", "59", "tiny (full)"],
    ]
    assert re.split(r"  +", lines[3])[3].endswith(" GPa")
    assert re.split(r"  +", lines[4])[3].startswith("MAE log10 ")
    assert re.search(r"^models +.*run$", result.stdout, re.MULTILINE)
    assert "row 5" in result.stdout
    predicted = zoo("predict", out, table, "--out", tmp_path / "p.csv")
    assert "prediction_K_VRH,unit_K_VRH" in (tmp_path / "p.csv").read_text().splitlines()[0]
    assert re.split(r"  +", predicted.stdout.splitlines()[1]) == ["id", "K_VRH, K_VRH", "G_VRH, G_VRH", "note"]
    reports = zoo("report", out).stdout.split()
    assert reports[1::2] == [str(out / target / "report.html") for target in ("K_VRH", "G_VRH")]
    assert "each with a report in its folder" in refused("report", out, "--out", tmp_path / "r.html")
    zoo("predict", out, table, "--out", tmp_path / "one.csv", "--target", "G_VRH")
    assert (tmp_path / "one.csv").read_text().startswith("id,prediction,unit,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "K_VRH", "--target", "K_VRH"), "--target K_VRH is given twice"),
        (
            ("--target", "K_VRH", "--target", "G_VRH", "--unit", "GPa"),
            "--unit is given once for 2 targets; give one for each, in the same order",
        ),
        (
            ("--target", "K_VRH", "--target", "G_VRH", "--task", "bulk-modulus"),
            "--task is given once for 2 targets; give one for each, in the same order",
        ),
        (
            ("--task", "bulk-modulus", "--task", "metallicity"),
            "the task metallicity has classes, and several targets at once are numbers; start a run of its own",
        ),
        (
            ("--target", "K_VRH", "--target", "G_VRH", "--log-of", "K"),
            "--log-of names 'K', which is not a target; there is K_VRH, G_VRH",
        ),
        (("--target", "K_VRH", "--log", "--log-of", "K_VRH"), "--log-of says which targets are learned in log10"),
        (
            ("--target", "K_VRH", "--target", "G_VRH", "--backbone", "all"),
            "--backbone all compares backbones on one target, and there are several; name one",
        ),
        (("--target", "K_VRH", "--target", "Poisson"), "there is no column 'Poisson'"),
    ],
)
def test_targets_that_do_not_go_together(table: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    assert message in refused("finetune", table, *words, "--out", tmp_path / "run")


def start(table: Path, backbone: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "zoo", "finetune", "--task", "bulk-modulus", table, "--backbone", backbone]
    command += ["--mode", "full", "--out", out, *options]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(there: Callable[[], bool]) -> None:
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    raise AssertionError("nothing happened within a minute")


def test_ctrl_c_in_the_first_fit_leaves_nothing_and_says_so(table: Path, backbone: Path, tmp_path: Path) -> None:
    live = tmp_path / "run.partial" / "history.csv"
    process = start(table, backbone, tmp_path / "run", "--epochs", "2000")
    wait_for(lambda: live.exists() and len(live.read_text().splitlines()) > 3)
    rows = live.read_text().splitlines()
    assert rows[0] == "method,seed,epoch,learning_rate,train_loss,validation_loss,validation_mae,seconds"
    assert {tuple(row.split(",")[:2]) for row in rows[1:]} == {("tiny (full)", "0")}
    epochs = [int(row.split(",")[2]) for row in rows[1:]]
    assert 0 < epochs[0] < epochs[1] < epochs[2]
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert "interrupted before a fit was finished; nothing is kept: run the same command again" in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_after_a_fit_says_what_is_kept_and_how_to_go_on(table: Path, backbone: Path, tmp_path: Path) -> None:
    cells = tmp_path / "run.partial" / "cells"
    process = start(table, backbone, tmp_path / "run", "--epochs", "60", "--seeds", "30")
    wait_for(lambda: len(list(cells.glob("*.safetensors"))) > 1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    said = re.search(r"interrupted; (\d+) finished fits? kept in \S+run.partial: the same command with --resume", error)
    assert said is not None, error
    assert int(said[1]) == len([path for path in cells.glob("*.json") if path.name != "settings.json"]) > 0


def test_a_full_disk_keeps_the_fits_and_says_how_to_go_on(table: Path, backbone: Path, tmp_path: Path) -> None:
    """A file that may not grow fails as on a full disk."""
    options = ("--task", "bulk-modulus", table, "--backbone", backbone, "--mode", "mean", "--out", tmp_path / "run")
    command = ["sh", "-c", 'ulimit -f 40; exec "$@"', "sh", sys.executable, "-m", "zoo", "finetune", *map(str, options)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert re.search(r"stopped; 10 finished fits kept in \S+run.partial: the same command with --resume", found.stderr)
    assert found.stderr.splitlines()[-1].endswith("model.safetensors: File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    zoo("finetune", *options, "--resume", "-q")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_verbose_says_what_is_read_from_where_and_how_long_it_takes(
    table: Path, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("--task", "bulk-modulus", table, "--backbone", backbone, "--mode", "full", "--epochs", 1)
    zoo("finetune", *options, "-v", "--out", tmp_path / "run")
    steps = [re.sub(r"^ *\d+\.\d\d s  ", "", line) for line in caplog.messages if re.match(r" *\d+\.\d\d s  ", line)]
    assert steps[0] == f"tiny: origin directory, in {backbone}"
    assert steps[1] == f"read {table}: 59 rows used, 1 left out, crystals from column structure"
    assert steps[2] == "graphs of 59 crystals: cutoff 8 Å, 12 neighbours"
    assert steps[3].startswith("fitted a network to 47 rows, seed 0: 1 epoch, epoch 1 kept, validation MAE ")


def test_quiet_prints_results_alone(table: Path, backbone: Path, tmp_path: Path) -> None:
    options = ("--task", "bulk-modulus", table, "--backbone", backbone, "--mode", "full", "--epochs", 1)
    result = zoo("finetune", *options, "-q", "--out", tmp_path / "run")
    assert result.stderr == ""
    assert result.stdout.startswith("Errors on test rows")
