"""A whole pretraining on forty real bulk moduli, and what is said where none can be."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from support.tinyrecipe import EXAMPLE, FILES, RECIPE, example, ids, write
from zoo.cli import main

import zoo
from zoo._utils import resuming
from zoo.analysis.known_crystals import KnownCrystals
from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings
from zoo.errors import InputError, ZooError
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.run import pretrain
from zoo.models.checkpoint import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.pretrain.card import Report


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


def test_a_table_without_rows_of_the_recipe_is_named(tmp_path: Path) -> None:
    example().iloc[50:60].to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"other\.csv: no row of it is one of tiny; leave it out"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE, tmp_path / "other.csv"], tmp_path / "out", quiet=True)


def unknown_key(folder: Path, text: str) -> str:
    write(folder, text + "momentum = 0.9\n")
    return "fit.momentum: there is no such key"


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
    given = {"table": digest, "precision": "32-true", "start": [], "ancestors": []}
    inputs = {"recipe": other.model_dump(mode="json"), "processes": 2, **given}
    resuming.check_settings(folder / "out.partial/begun.json", inputs)
    return "was started with other settings (processes, recipe.fit.learning_rate, recipe.seed); give the same ones"


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


def test_the_checkpoint_predicts_what_the_report_says(run: tuple[list[Report], Path]) -> None:
    report, out = run
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert [(each.part, each.rows) for each in report] == [("train", 28), ("validation", 6), ("test", 6)]
    table = example().set_index("material_id")
    model = zoo.load(out)
    from pymatgen.io.vasp import Poscar

    assert json.loads((out / "splits.json").read_text()) == ids()
    assert sorted(KnownCrystals.read(out / "crystals.safetensors.gz").ids) == sorted(ids()["train"])
    for each in report:
        rows = table.loc[ids()[each.part]]
        predicted = model.predict([Poscar.from_str(text).structure for text in rows.structure]).prediction
        assert np.abs(predicted.to_numpy() - rows.K_VRH.to_numpy()).mean() == pytest.approx(
            each.errors["mae"], rel=1e-4
        )
    config = weights.read_config(out)
    assert (config.target.name, config.target.unit, config.target.task) == ("K_VRH", "GPa", "bulk-modulus")
    logs = np.log10(table.loc[ids()["train"]].K_VRH)
    assert config.members[0].scaling.mean == pytest.approx(logs.mean())
    assert config.provenance["recipe"]["fit"]["epochs"] == 2


def test_a_finished_run_is_never_overwritten(run: tuple[list[Report], Path], tmp_path: Path) -> None:
    for resume in (False, True):
        with pytest.raises(InputError, match="tiny exists; give another --out"):
            pretrain(read_recipe(write(tmp_path)), [EXAMPLE], run[1], resume=resume, quiet=True)
