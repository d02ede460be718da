"""One network that learns several targets at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from support.tinyrecipe import EXAMPLE, RECIPE, example, write
from zoo.cli import main

import zoo
from zoo.errors import InputError
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import PARTS
from zoo.jobs.pretrain.run import pretrain
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from zoo.jobs.pretrain.card import Report


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


def test_targets_and_heads_must_agree(tmp_path: Path) -> None:
    recipe = write(tmp_path, RECIPE.replace("\n[network]", OTHERS.replace("targets = 3", "targets = 2")))
    with pytest.raises(InputError, match=r"network.targets is 2; task and others are 3"):
        read_recipe(recipe)
