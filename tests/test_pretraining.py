"""Recipes, and a whole pretraining on forty real bulk moduli."""

from __future__ import annotations

import hashlib
import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tinyrecipe import EXAMPLE, RECIPE, ROOT, example, ids, write
from zoo.cli import main

import zoo
from zoo import checkpoints, extensions, pretraining, registry, store
from zoo.card import Card
from zoo.errors import InputError, ZooError
from zoo.graphs import GraphSettings
from zoo.interruptions import LAST, SaveOften
from zoo.pretraining import Report, pretrain
from zoo.recipes import read_recipe
from zoo.selection import PARTS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from zoo.training import FitResult

FILES = ["README.md", "config.json", "model.safetensors", "splits.json"]
RECIPES = sorted((ROOT / "cards" / "recipes").glob("*.toml"))
SHIPPED = [path for path in RECIPES if path.stem in registry.names()]


# --- what cannot be done ---


def test_what_else_cannot_be_done_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    no_ids = write(tmp_path / "a")
    (tmp_path / "a" / "ids.json").unlink()
    damaged = write(tmp_path / "b")
    (tmp_path / "b" / "ids.json").write_text("{")
    features = write(tmp_path / "c", RECIPE.replace("atom_features = 111", "atom_features = 92"))
    task = write(tmp_path / "d", RECIPE.replace("bulk-modulus", "bulk-modulos"))
    for path, message in (
        (no_ids, "ids.json cannot be read"),
        (damaged, "must be a JSON object"),
        (features, "network.atom_features: must be 111"),
        (task, "did you mean bulk-modulus"),
    ):
        with pytest.raises(ZooError, match=message):
            pretrain(read_recipe(path), [EXAMPLE], tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match=r"none\.csv"):
        pretrain(read_recipe(write(tmp_path / "e")), [tmp_path / "none.csv"], tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match=r"tiny\.toml needs a table: give --data TABLE"):
        pretrain(read_recipe(write(tmp_path / "e")), [], tmp_path / "out", quiet=True)
    assert not list(tmp_path.glob("out*"))


def test_a_row_that_is_wanted_and_broken_stops_the_run(tmp_path: Path) -> None:
    table = example().iloc[:45]
    table.loc[44, "structure"] = "no crystal"  # not wanted: no matter
    table.to_csv(tmp_path / "fine.csv", index=False)
    table.loc[5, "structure"] = "no crystal"
    table.to_csv(tmp_path / "broken.csv", index=False)
    recipe = read_recipe(write(tmp_path / "recipe"))
    with pytest.raises(InputError, match=r"1 of 40 rows cannot be used"):
        pretrain(recipe, [tmp_path / "broken.csv"], tmp_path / "out", quiet=True)
    assert len(pretrain(recipe, [tmp_path / "fine.csv"], tmp_path / "out", quiet=True)) == 3


def unknown_key(folder: Path, text: str) -> str:
    write(folder, text + "momentum = 0.9\n")
    return "fit.momentum: Extra inputs are not permitted"


def missing_target(folder: Path, text: str) -> str:
    example().drop(columns="K_VRH").to_csv(folder / "data.csv", index=False)
    return "no column for the task bulk-modulus"


def missing_ids(folder: Path, text: str) -> str:
    example().iloc[2:].to_csv(folder / "data.csv", index=False)
    return f"lacks 2 of the 40 rows of tiny, the first: {example().material_id[0]}"


def changed_recipe(folder: Path, text: str) -> str:
    other = read_recipe(write(folder / "other", text.replace("seed = 3", "seed = 4").replace("1e-2", "2e-2")))
    (folder / "out.partial").mkdir()
    digest = hashlib.sha256((folder / "data.csv").read_bytes()).hexdigest()
    pretraining._begin(folder / "out.partial/begun.json", {"recipe": other.model_dump(mode="json"), "table": digest})
    return "was begun with another recipe.fit.learning_rate, another recipe.seed; give the same to resume"


def corrupted_store(folder: Path, text: str) -> str:
    store.table_graphs(folder / "data.csv", GraphSettings(), quiet=True)
    (array,) = folder.glob("cache/graphs/*/distances.npy")
    array.write_bytes(array.read_bytes()[:-4])
    return "is damaged (distances.npy is not what was written); remove it: zoo cache clear"


@pytest.mark.parametrize("spoil", [unknown_key, missing_target, missing_ids, changed_recipe, corrupted_store])
def test_bad_input_is_one_line_with_exit_code_two(
    spoil: Callable[[Path, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    write(tmp_path)
    example().to_csv(tmp_path / "data.csv", index=False)
    message = spoil(tmp_path, RECIPE)
    before = sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts)
    names = ("tiny.toml", "--data", "data.csv", "--out", "out")
    options = [str(tmp_path / name) if not name.startswith("--") else name for name in names]
    done = CliRunner().invoke(main, ["pretrain", *options, "--resume", "-q"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts) == before


# --- a run ---


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], Path]:
    folder = tmp_path_factory.mktemp("pretraining")
    report = pretrain(read_recipe(write(folder / "recipe")), [EXAMPLE], folder / "tiny", quiet=True)
    assert sorted(path.name for path in folder.iterdir()) == ["recipe", "tiny"]
    return report, folder / "tiny"


def test_the_checkpoint_predicts_what_the_report_says(run: tuple[list[Report], Path]) -> None:
    report, out = run
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "splits.json",
    ]
    assert [(each.part, each.rows) for each in report] == [("train", 28), ("validation", 6), ("test", 6)]
    table = example().set_index("material_id")
    model = zoo.load(out)
    from pymatgen.io.vasp import Poscar

    assert json.loads((out / "splits.json").read_text()) == ids()
    for each in report:
        rows = table.loc[ids()[each.part]]
        predicted = model.predict([Poscar.from_str(text).structure for text in rows.structure]).prediction
        assert np.abs(predicted.to_numpy() - rows.K_VRH.to_numpy()).mean() == pytest.approx(
            each.errors["mae"], rel=1e-4
        )
    config = checkpoints.read_config(out)
    assert (config.target.name, config.target.unit, config.target.task) == ("K_VRH", "GPa", "bulk-modulus")
    logs = np.log10(table.loc[ids()["train"]].K_VRH)
    assert config.members[0].scaling.mean == pytest.approx(logs.mean())
    assert config.provenance["recipe"]["fit"]["epochs"] == 2


def test_the_card_has_digests_figures_and_the_command(run: tuple[list[Report], Path]) -> None:
    report, out = run
    card = Card.read(out / "README.md")
    assert (card.name, card.target, card.unit, card.transform) == ("tiny", "K_VRH", "GPa", "log10")
    for file in card.files:
        assert file.sha256 == hashlib.sha256((out / file.name).read_bytes()).hexdigest()
    assert card.training.rows is not None
    assert (card.training.rows.train, card.training.rows.val, card.training.rows.test) == (28, 6, 6)
    assert card.test_mae == pytest.approx(report[2].errors["mae"], abs=1e-4)
    assert {result.rows for result in card.results} == {"6 test rows", "6 validation rows"}
    assert card.command == "zoo pretrain tiny.toml --data bulk_modulus.csv"
    assert str(out.parent) not in (out / "README.md").read_text() + (out / "config.json").read_text()
    assert card.architecture is not None
    assert (card.architecture.width, card.architecture.convolutions) == (8, 2)
    from pymatgen.core import Composition

    formulas = example().set_index("material_id").formula[ids()["train"]]
    assert set(card.elements) == {element.symbol for text in formulas for element in Composition(text).elements}


def test_a_finished_run_is_never_overwritten(run: tuple[list[Report], Path], tmp_path: Path) -> None:
    for resume in (False, True):
        with pytest.raises(InputError, match="tiny exists; give another --out"):
            pretrain(read_recipe(write(tmp_path)), [EXAMPLE], run[1], resume=resume, quiet=True)


def test_the_command_prints_a_table_and_the_folder(
    run: tuple[list[Report], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("recipes"))
    result = CliRunner().invoke(main, ["pretrain", "recipes/tiny.toml", "--data", str(EXAMPLE), "-q"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "tiny"
    assert re.split(r"  +", lines[1]) == ["part", "rows", "MAE (GPa)", "RMSE (GPa)", "R²"]
    test = re.split(r"  +", lines[5])
    assert test[:2] == ["test", "6"]
    assert float(test[2]) == pytest.approx(run[0][2].errors["mae"], rel=1e-3)
    assert lines[6] == "checkpoint  runs/tiny"
    assert Card.read(tmp_path / "runs/tiny/README.md").command == (
        "zoo pretrain recipes/tiny.toml --data bulk_modulus.csv"
    )


class _Cut(Exception):  # noqa: N818
    pass


def test_a_run_that_was_cut_off_goes_on(
    run: tuple[list[Report], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second epoch is cut off; the resumed run does that epoch alone and ends where an uncut one does."""
    recipe, out = read_recipe(write(tmp_path / "recipe")), tmp_path / "tiny"
    real, histories = pretraining.fit, []

    def cut(*args: object, **kwargs: object) -> FitResult:
        def stop(row: dict[str, float], _epochs: int) -> None:
            if row["epoch"] == 2:
                raise _Cut

        return real(*args, **{**kwargs, "on_epoch": stop})  # type: ignore[arg-type]

    def watched(*args: object, **kwargs: object) -> FitResult:
        tell = kwargs.pop("on_epoch")

        def note(row: dict[str, float], epochs: int) -> None:
            histories.append(row["epoch"])
            tell(row, epochs)  # type: ignore[operator]

        return real(*args, **{**kwargs, "on_epoch": note})  # type: ignore[arg-type]

    monkeypatch.setattr(pretraining, "fit", cut)
    with pytest.raises(_Cut):
        pretrain(recipe, [EXAMPLE], out, quiet=True)
    assert not out.exists()
    monkeypatch.setattr(pretraining, "fit", watched)
    with pytest.raises(InputError, match=r"tiny\.partial holds an unfinished run; give --resume"):
        pretrain(recipe, [EXAMPLE], out, quiet=True)
    other = read_recipe(write(tmp_path / "other", RECIPE.replace("1e-2", "2e-2")))
    with pytest.raises(InputError, match=r"begun with another recipe\.fit\.learning_rate; give the same"):
        pretrain(other, [EXAMPLE], out, resume=True, quiet=True)
    example().iloc[:100].to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match="begun with another table; give the same"):
        pretrain(recipe, [tmp_path / "data.csv"], out, resume=True, quiet=True)
    assert histories == []
    resumed = pretrain(recipe, [EXAMPLE], out, resume=True, quiet=True)
    assert histories == [2]
    for each, expected in zip(resumed, run[0], strict=True):
        assert each.errors["mae"] == pytest.approx(expected.errors["mae"], rel=1e-3)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "splits.json",
    ]


KILLED = """
import os, signal, sys
from zoo import interruptions
from zoo.cli import main

save = interruptions.SaveOften.on_train_batch_end

def on_train_batch_end(self, trainer, *rest):
    self.seconds = 0  # after each step
    save(self, trainer, *rest)
    if trainer.global_step == int(sys.argv[1]):
        HERE

interruptions.SaveOften.on_train_batch_end = on_train_batch_end
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of seven steps, with averaged weights; in the folder ``uncut`` what an uncut run makes of them."""
    folder = tmp_path_factory.mktemp("longer")
    text = RECIPE.replace("epochs = 2", "epochs = 4").replace("batch_size = 8", "batch_size = 4\naverage = 0.9")
    pretrain(read_recipe(write(folder, text)), [EXAMPLE], folder / "uncut", device="cpu", quiet=True)
    return folder


def run_until(step: int, end: str, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    options = [
        "pretrain",
        str(folder / "tiny.toml"),
        "--data",
        str(EXAMPLE),
        "--out",
        str(out),
        "--device",
        "cpu",
        "-q",
    ]
    command = [sys.executable, "-c", KILLED.replace("HERE", end), str(step), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_resumed(folder: Path, out: Path) -> None:
    """The resumed run ends where the uncut one does."""
    pretrain(read_recipe(folder / "tiny.toml"), [EXAMPLE], out, device="cpu", resume=True, quiet=True)
    errors = [checkpoints.read_config(path).provenance["errors"] for path in (folder / "uncut", out)]
    for part in PARTS:
        for metric in ("mae", "rmse"):
            assert errors[1][part][metric] == pytest.approx(errors[0][part][metric], rel=1e-6)
    assert not list(out.parent.glob("*.partial"))


def test_a_run_killed_in_mid_epoch_ends_where_an_uncut_one_does(longer: Path, tmp_path: Path) -> None:
    """Killed without warning after the fourth of the seven steps of the third epoch."""
    killed = run_until(18, "os.kill(os.getpid(), signal.SIGKILL)", longer, tmp_path / "cut")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "cut").exists()
    state = torch.load(tmp_path / "cut.partial" / "work" / LAST, weights_only=True)
    assert (state["epoch"], state["global_step"], state["batches"]) == (2, 18, 4)
    assert_resumed(longer, tmp_path / "cut")


def test_a_disk_that_is_full_in_mid_epoch_costs_one_line(longer: Path, tmp_path: Path) -> None:
    """The system refuses to write more than the first bytes of a checkpoint; the one before it is left."""
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))"
    full = run_until(18, limit, longer, tmp_path / "cut")
    assert full.returncode == 2, full.stderr
    (line,) = full.stderr.splitlines()
    last = tmp_path / "cut.partial" / "work" / LAST
    assert line == (
        f"Error: {last} cannot be written: File too large; {LAST} is still the one before; "
        "free some space, then go on with --resume"
    )
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", LAST]
    assert torch.load(last, weights_only=True)["global_step"] == 18
    assert_resumed(longer, tmp_path / "cut")


def test_a_disk_that_is_full_at_the_end_costs_no_training(
    longer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    measure = pretraining._measure

    def then_full(*args: object) -> list[Report]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        return measure(*args)  # type: ignore[arg-type]

    recipe, out = read_recipe(longer / "tiny.toml"), tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "_measure", then_full)
        try:
            with pytest.raises(InputError, match=r"cut cannot be written: File too large; free some space, then go on"):
                pretrain(recipe, [EXAMPLE], out, device="cpu", quiet=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not out.exists()

    def no_step(*_: object) -> None:
        raise AssertionError("a step was made again")

    monkeypatch.setattr(SaveOften, "on_train_batch_end", no_step)
    assert_resumed(longer, out)


def test_a_checkpoint_that_is_damaged_is_named(longer: Path, tmp_path: Path) -> None:
    run_until(10, "os.kill(os.getpid(), signal.SIGKILL)", longer, tmp_path / "cut")
    last = tmp_path / "cut.partial" / "work" / LAST
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(InputError, match=rf"{last} is damaged; remove {tmp_path / 'cut.partial'} to begin again"):
        pretrain(read_recipe(longer / "tiny.toml"), [EXAMPLE], tmp_path / "cut", resume=True, quiet=True)


def test_two_processes_train_one_backbone(tmp_path: Path) -> None:
    write(tmp_path)
    command = [sys.executable, "-m", "zoo.cli", "pretrain", str(tmp_path / "tiny.toml"), "--data", str(EXAMPLE)]
    command += ["--out", str(tmp_path / "tiny"), "--device", "cpu", "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == FILES
    assert [line.split()[:2] for line in done.stdout.splitlines()[-4:-1]] == [
        ["train", "28"],
        ["validation", "6"],
        ["test", "6"],
    ]
    refused = subprocess.run([*command[:-1], "0"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "tiny exists" in refused.stderr


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *command]
    return subprocess.run(launch, capture_output=True, text=True, check=False, timeout=600)


def test_two_processes_of_torchrun_killed_in_mid_epoch_end_where_uncut_ones_do(tmp_path: Path) -> None:
    """The uncut ones are started by Lightning, so that both ways are compared as well."""
    text = RECIPE.replace("epochs = 2", "epochs = 3").replace("batch_size = 8", "batch_size = 2\naverage = 0.9")
    options = ["pretrain", str(write(tmp_path, text)), "--data", str(EXAMPLE), "--device", "cpu", "--devices", "2"]
    pretrained = [tmp_path / "uncut", tmp_path / "cut"]
    script = tmp_path / "killed.py"
    script.write_text(KILLED.replace("HERE", "os.kill(os.getpid(), signal.SIGKILL)"))
    uncut = [sys.executable, "-m", "zoo.cli", *options, "--out", str(pretrained[0])]
    assert subprocess.run(uncut, capture_output=True, check=False, timeout=600).returncode == 0
    killed = torchrun(str(script), "11", *options, "--out", str(pretrained[1]))
    assert killed.returncode != 0
    state = torch.load(tmp_path / "cut.partial" / "work" / LAST, weights_only=True)
    assert (state["epoch"], state["global_step"], state["batches"]) == (1, 11, 4)
    resumed = torchrun("-m", "zoo.cli", *options, "--out", str(pretrained[1]), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    errors = [checkpoints.read_config(path).provenance["errors"] for path in pretrained]
    for part in PARTS:
        assert errors[1][part]["mae"] == pytest.approx(errors[0][part]["mae"], rel=1e-6)


def test_numbers_that_torchrun_was_not_given_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("LOCAL_WORLD_SIZE", "2"), ("WORLD_SIZE", "6")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="2 processes here and 6 in all; give --devices 2 --num-nodes 3"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE], tmp_path / "out", devices=2, quiet=True)


def test_more_gpus_than_there_are_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"--devices 4: this machine has 1 GPU\(s\)"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE], tmp_path / "out", devices=4, quiet=True)


# --- several targets at once ---

OTHERS = """
[[others]]
task = "metallicity"
label = { column = "K_VRH", at_most = 100 }

[[others]]
task = "shear-modulus"
where = { column = "K_VRH", above = 60 }

[network]
targets = 3"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], Path, pd.DataFrame]:
    """Twenty of the forty crystals have a bulk modulus, all a label, and those above 60 GPa a shear modulus."""
    folder = tmp_path_factory.mktemp("several")
    table = example().iloc[:40].assign(G_VRH=lambda rows: rows.K_VRH / 2)
    recipe = write(folder / "recipe", RECIPE.replace("\n[network]", OTHERS))
    first, second = table.iloc[:20], table.iloc[20:]
    first.to_csv(folder / "a.csv", index=False)
    second.to_csv(folder / "b.csv", index=False)
    report = pretrain(read_recipe(recipe), [folder / "a.csv", folder / "b.csv"], folder / "tiny", quiet=True)
    return report, folder / "tiny", table.set_index("material_id")


def test_each_target_is_measured_on_the_rows_that_have_it(several: tuple[list[Report], Path, pd.DataFrame]) -> None:
    reports, out, table = several
    parts = json.loads((out / "splits.json").read_text())
    counted = [(each.task.name, each.part, each.rows) for each in reports]
    sheared = {part: int((table.K_VRH[parts[part]] > 60).sum()) for part in PARTS}
    assert counted == [
        *(("bulk-modulus", part, len(parts[part])) for part in PARTS),
        *(("metallicity", part, len(parts[part])) for part in PARTS),
        *(("shear-modulus", part, sheared[part]) for part in PARTS),
    ]
    assert sum(sheared.values()) < 40


def test_each_head_predicts_what_its_report_says(several: tuple[list[Report], Path, pd.DataFrame]) -> None:
    reports, out, table = several
    from pymatgen.io.vasp import Poscar

    names = json.loads((out / "splits.json").read_text())["test"]
    structures = [Poscar.from_str(text).structure for text in table.structure[names]]
    truths = {"bulk-modulus": table.K_VRH, "metallicity": (table.K_VRH <= 100) * 1.0}
    for task, truth in truths.items():
        predicted = zoo.load(out, target=task).predict(structures).prediction
        found = next(each.errors["mae"] for each in reports if each.task.name == task and each.part == "test")
        assert np.abs(predicted.to_numpy() - truth[names].to_numpy()).mean() == pytest.approx(found, rel=1e-4)
    assert zoo.load(out).predict(structures).prediction.tolist() == pytest.approx(
        zoo.load(out, target="K_VRH").predict(structures).prediction.tolist()
    )
    with pytest.raises(InputError, match=r"tiny does not predict 'gap'; it has K_VRH, is_metal, G_VRH"):
        zoo.load(out, target="gap")


def test_the_command_chooses_a_target_and_names_the_others(
    several: tuple[list[Report], Path, pd.DataFrame], tmp_path: Path
) -> None:
    _, out, _ = several
    command = ["predict", str(out), str(EXAMPLE), "--out", str(tmp_path / "p.csv")]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    assert "--target also takes is_metal, G_VRH" in first.stderr
    moduli = (tmp_path / "p.csv").read_text()
    second = CliRunner().invoke(main, [*command, "--target", "shear-modulus"])
    assert second.exit_code == 0, second.output
    assert "also takes" not in second.stderr
    assert (tmp_path / "p.csv").read_text() != moduli
    refused = CliRunner().invoke(main, [*command, "--target", "gap"])
    assert refused.exit_code == 2
    assert "tiny does not predict 'gap'; it has K_VRH, is_metal, G_VRH" in refused.stderr


def test_the_card_of_several_targets_names_each(several: tuple[list[Report], Path, pd.DataFrame]) -> None:
    _, out, _ = several
    card = Card.read(out / "README.md")
    assert card.other_targets == ["is_metal", "G_VRH"]
    assert [result.target for result in card.results if result.metric == "mae"] == [
        *(None, None),
        *("is_metal", "is_metal"),
        *("G_VRH", "G_VRH"),
    ]
    assert card.row("")[1] == "K_VRH + 2"
    assert card.command == "zoo pretrain tiny.toml --data a.csv --data b.csv"


def test_missing_labels_are_no_part_of_the_loss() -> None:
    import torch

    from zoo.training import masked_l1

    output = torch.tensor([[1.0, 5.0], [2.0, 7.0], [4.0, 9.0]], requires_grad=True)
    target = torch.tensor([[1.5, math.nan], [math.nan, 6.0], [1.0, math.nan]])
    loss = masked_l1(output, target)
    assert loss.item() == pytest.approx(((0.5 + 3.0) / 2 + 1.0) / 2)
    loss.backward()
    assert output.grad is not None
    assert output.grad.tolist() == [[-0.25, 0.0], [0.0, 0.5], [0.25, 0.0]]
    assert masked_l1(output[:1], target[:1]).item() == pytest.approx(0.25)  # a column without any label


def test_targets_and_heads_must_agree(tmp_path: Path) -> None:
    recipe = write(tmp_path, RECIPE.replace("\n[network]", OTHERS.replace("targets = 3", "targets = 2")))
    with pytest.raises(InputError, match=r"network.targets is 2; task and others are 3"):
        read_recipe(recipe)


def test_a_table_without_rows_of_the_recipe_is_named(tmp_path: Path) -> None:
    example().iloc[50:60].to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"other\.csv: no row of it is one of tiny; leave it out"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE, tmp_path / "other.csv"], tmp_path / "out", quiet=True)


# --- what ships ---


def test_there_are_recipes() -> None:
    assert "dEf-10k" in [path.stem for path in SHIPPED]


def test_a_recipe_that_was_not_trained_is_one_that_needs_a_key() -> None:
    others = [read_recipe(path) for path in RECIPES if not registry.get(path.stem).files]
    assert [recipe.name for recipe in others] == ["dEf-113k-mp"]
    assert all(recipe.data.fetch for recipe in others)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_agree_with_their_cards(path: Path) -> None:
    recipe = read_recipe(path)
    card = registry.get(recipe.name)
    assert card.name == recipe.name == path.stem
    assert (card.target, card.unit) == (extensions.task(recipe.task).target, recipe.unit)
    if not card.files:
        return
    assert card.training.rows is not None
    counts = (card.training.rows.train, card.training.rows.val, card.training.rows.test)
    if recipe.data.ids is not None:
        parts = json.loads((path.parent / recipe.data.ids).read_text())
        assert tuple(len(parts[part]) for part in PARTS) == counts
    assert card.architecture is not None
    assert card.graph is not None
    assert card.architecture.model_dump() == recipe.network.model_dump(exclude={"gaussian_end"})
    assert card.graph.model_dump() == recipe.graph.model_dump()
    assert card.command is not None
    assert card.command.startswith(f"zoo pretrain {path.relative_to(ROOT).as_posix()} --data ")
    # The weights were made by this very recipe.
    config = checkpoints.read_config(registry.weights_folder(card))
    assert config.provenance["recipe_sha256"] == recipe.digest
    errors = config.provenance["errors"]
    headline = (
        next(errors[f"test, {subset}"] for subset in recipe.data.subsets) if recipe.data.subsets else errors["test"]
    )
    assert headline["mae"] == pytest.approx(card.test_mae, abs=1e-4)
