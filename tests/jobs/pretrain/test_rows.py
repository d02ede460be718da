"""Which rows a recipe chooses, by a list or by a rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.tinyrecipe import EXAMPLE, RECIPE, example, ids, write

from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings
from zoo.errors import InputError
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import select
from zoo.jobs.pretrain.run import pretrain

if TYPE_CHECKING:
    from pathlib import Path

RULE = """
[data.split]
test = 0.2
validation = 0.1
"""


def overlapping() -> dict[str, list[str]]:
    return {**ids(), "test": [*ids()["test"], ids()["train"][4]]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (overlapping(), f"the id {ids()['train'][4]} occurs twice; the parts must not overlap"),
        ({"train": ids()["train"], "test": ids()["test"]}, "lists of ids called train, validation, test: 'validation'"),
        ({**ids(), "test": []}, "test must be a list of ids, at least two to train on and one in each other part"),
        ({**ids(), "train": ids()["train"][:1]}, "train must be a list of ids"),
        ({**ids(), "validation": "mp-1"}, "validation must be a list of ids"),
        ([1, 2], "must be a JSON object with lists of ids"),
        ({**ids(), "test": ["mp-none", "mp-nothing"]}, "lacks 2 of the 36 rows of tiny, the first: mp-none"),
    ],
)
def test_ids_that_cannot_be_used_are_named(parts: object, message: str, tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path / "recipe", parts=parts))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        pretrain(recipe, [EXAMPLE], tmp_path / "out", quiet=True)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))


# --- a rule ---


def ruled(folder: Path, extra: str = "", split: str = RULE) -> Path:
    return write(folder, RECIPE.replace('[data]\nids = "ids.json"\n', f"[data]\n{extra}{split}"))


def choose(path: Path) -> dict[str, list[str]]:
    return select(read_recipe(path), [EXAMPLE]).parts


def test_a_rule_gives_every_row_one_part_of_the_size_asked_for(tmp_path: Path) -> None:
    parts = choose(ruled(tmp_path))
    names = [name for rows in parts.values() for name in rows]
    assert sorted(names) == sorted(example().material_id)
    assert len(parts["test"]) / len(names) == pytest.approx(0.2, abs=0.04)
    assert len(parts["validation"]) / len(names) == pytest.approx(0.1, abs=0.03)


def test_smaller_sets_lie_in_larger_ones_and_share_the_other_parts(tmp_path: Path) -> None:
    every = choose(ruled(tmp_path / "all"))
    few = choose(ruled(tmp_path / "few", split=RULE + "train = 100\n"))
    assert few["train"] == every["train"][:100]
    assert (few["test"], few["validation"]) == (every["test"], every["validation"])


def test_conditions_leave_rows_out_and_move_none(tmp_path: Path) -> None:
    table = example().set_index("material_id")
    every = choose(ruled(tmp_path / "all"))
    stiff = choose(ruled(tmp_path / "stiff", 'where = [{column = "K_VRH", above = 100.0}]\n'))
    for part, rows in stiff.items():
        assert rows == [name for name in every[part] if table.K_VRH[name] > 100]
        assert 0 < len(rows) < len(every[part])


def test_target_and_graph_of_an_identifier_are_of_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row of an identifier counts, for both; it lacks the target, so the identifier takes no part."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    table = example().iloc[:30].copy()
    table.loc[1, "material_id"] = table.loc[0, "material_id"]
    table.loc[0, "K_VRH"] = np.nan
    table.loc[2, "structure"], table.loc[3, "material_id"] = "no crystal", table.loc[2, "material_id"]
    table.to_csv(tmp_path / "twice.csv", index=False)
    found = select(read_recipe(ruled(tmp_path / "r")), [tmp_path / "twice.csv"])
    assert table.loc[0, "material_id"] not in found.targets
    assert found.targets[table.loc[2, "material_id"]] == [table.loc[2, "K_VRH"]]
    graphs = store.table_graphs(tmp_path / "twice.csv", GraphSettings(), quiet=True)
    assert len(graphs.ids) == 27
    assert table.loc[2, "material_id"] not in graphs.ids  # rather than with the crystal of the fourth row


@pytest.mark.parametrize("word", ["", "nan", "None", "N/A", "metal"])
def test_a_missing_cell_is_no_label(word: str, tmp_path: Path) -> None:
    label = '\n[[others]]\ntask = "metallicity"\nlabel = { column = "gap", at_most = 0 }\n'
    text = RECIPE.replace('[data]\nids = "ids.json"\n', f"[data]\n{RULE}").replace("head = 8", "head = 8\ntargets = 2")
    gaps = [word, "0.0", "1.5", *["2"] * 37]
    example().iloc[:40].assign(gap=gaps).to_csv(tmp_path / "gaps.csv", index=False)
    found = select(read_recipe(write(tmp_path, text + label)), [tmp_path / "gaps.csv"])
    labels = [found.targets[name][1] for name in example().material_id[:3]]
    np.testing.assert_equal(labels, [np.nan, 1.0, 0.0])


def test_a_subset_without_a_row_is_named(tmp_path: Path) -> None:
    path = ruled(tmp_path, split=RULE + '\n[data.subsets.hard]\ncolumn = "K_VRH"\nabove = 1e4\n')
    with pytest.raises(
        InputError, match=r"data\.subsets\.hard: no chosen row fulfils K_VRH>10000; correct or remove it"
    ):
        choose(path)


def test_subsets_are_those_that_fulfil_their_condition(tmp_path: Path) -> None:
    table = example()
    formula = table.formula[0]
    subset = f'[data.subsets.one]\ncolumn = "formula"\nequals = "{formula}"\n'
    chosen = select(read_recipe(ruled(tmp_path, split=RULE + subset)), [EXAMPLE])
    assert chosen.subsets == {"one": frozenset(table.material_id[table.formula == formula])}


def test_errors_are_reported_for_subsets_too(tmp_path: Path) -> None:
    rule = RULE + 'train = 20\n[data.subsets.stiff]\ncolumn = "K_VRH"\nabove = 100.0\n'
    reports = pretrain(read_recipe(ruled(tmp_path / "recipe", split=rule)), [EXAMPLE], tmp_path / "out", quiet=True)
    names = [report.name for report in reports]
    assert names == [name for part in ("train", "validation", "test") for name in (f"{part}, stiff", part)]
    assert reports[1].rows == 20
    table = example().set_index("material_id").K_VRH
    tests = choose(tmp_path / "recipe" / "tiny.toml")["test"]
    assert reports[4].rows == int(np.sum(table[tests] > 100))


@pytest.mark.parametrize(
    ("extra", "split", "message"),
    [
        ("", RULE + "train = 100000\n", "100000 training rows are requested, but there are only"),
        ('where = [{column = "gap", above = 0.0}]\n', RULE, "lacks the column 'gap' that "),
        ('where = [{column = "K_VRH", above = 1e9}]\n', RULE, "0 usable rows are too few: there is no train part"),
        ("", RULE.replace("0.2", "0.95"), "leave nothing to train on"),
    ],
)
def test_rules_that_cannot_be_followed_are_explained(extra: str, split: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        choose(ruled(tmp_path, extra, split))


def test_a_table_without_identifiers_is_refused(tmp_path: Path) -> None:
    example().drop(columns="material_id").to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match="needs a column of identifiers"):
        select(read_recipe(ruled(tmp_path)), [tmp_path / "data.csv"])


def test_a_missing_target_is_named_and_a_recipe_may_say_its_column(tmp_path: Path) -> None:
    example().rename(columns={"K_VRH": "stiffness"}).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match=r"data\.csv: no column for the task bulk-modulus: .*in a recipe: column"):
        select(read_recipe(ruled(tmp_path)), [tmp_path / "data.csv"])
    path = ruled(tmp_path)
    path.write_text(path.read_text().replace('task = "bulk-modulus"', 'task = "bulk-modulus"\ncolumn = "stiffness"'))
    chosen = select(read_recipe(path), [tmp_path / "data.csv"])
    assert chosen.parts == choose(ruled(tmp_path / "plain"))
    assert chosen.targets[chosen.ids[0]] == example().set_index("material_id").K_VRH[chosen.ids[0]]
    with pytest.raises(InputError, match="there is no column 'stiffness'"):
        choose(path)
