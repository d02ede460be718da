"""Studies as TOML files."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from zoo.data.tables.conditions import Condition
from zoo.errors import InputError
from zoo.jobs.study.options import StudyOptions, read_study

HEAD = 'task = "bulk-modulus"\ndata = "tables/k.csv"\n'
SHIPPED = sorted((Path(__file__).parents[3] / "studies").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_keys_are_the_options_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = (
        'sizes = [50, 100]\nbackbones = ["dEf-10k", "./mine"]\nwhere = [{column = "gap", above = 0}]\nunseen = true\n'
    )
    found = read_study(write(tmp_path, text + 'engine = "dask"\nout = "here"\nstrict = true\nworkers = 3\n'), {})
    assert found.options == StudyOptions(
        "bulk-modulus",
        tmp_path / "tables" / "k.csv",
        (50, 100),
        backbones=("dEf-10k", str(tmp_path / "mine")),
        where=(Condition(column="gap", above=0),),
        unseen=True,
    )
    assert (found.engine, found.workers, found.strict, found.out) == ("dask", 3, True, tmp_path / "here")


def test_the_command_line_takes_precedence(tmp_path: Path) -> None:
    path = write(tmp_path, "seeds = 9\nsizes = [50]\n")
    found = read_study(path, {"seeds": 3, "out": Path("there")}, tmp_path / "elsewhere")
    assert (found.options.seeds, found.options.sizes, found.out) == (3, (50,), Path("there"))
    assert found.options.data == tmp_path / "elsewhere" / "tables" / "k.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size = [50]\n", "study.toml: size: there is no such option"),
        ('sizes = ["x"]\n', "study.toml: sizes.0 x: must be a whole number"),
        ('where = [{column = "gap", over = 0}]\n', "study.toml: where.0.over: there is no such option"),
        ('split = "scaffold"\n', "study.toml: split scaffold: must be one of random, composition, chemsys"),
        ("seeds = 0\n", "study.toml: seeds 0: must be at least 1"),
        ("sizes = [50\n", "study.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read_study(write(tmp_path, text), {})
    assert message in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml cannot be read: No such file"):
        read_study(tmp_path / "none.toml", {})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_study_that_ships_can_be_read(path: Path) -> None:
    found = read_study(path, {})
    assert found.options.title
    assert found.options.data.parent == path.parent


def test_options_in_python_take_what_a_notebook_gives() -> None:
    found = StudyOptions("bulk-modulus", "k.csv", [np.int64(100), 50, 100], seeds=np.int32(3), structures="")
    assert (found.data, found.sizes, found.seeds, found.structures) == (Path("k.csv"), (100, 50), 3, None)
    with pytest.raises(FrozenInstanceError):
        found.seeds = 4
    assert replace(found, seeds=5).seeds == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "k.csv", "seed_count": 3}, "seed_count: there is no such option"),
        ({}, "data is missing"),
        ({"data": "k.csv", "sizes": 50}, "sizes=50: must be a tuple"),
        ({"data": "k.csv", "max_rejected": "many"}, "max_rejected many: must be a number"),
        ({"data": "k.csv", "baselines": (), "scratch": False, "backbones": ()}, "there is nothing to compare"),
    ],
)
def test_options_that_are_wrong_are_named_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as raised:
        StudyOptions("bulk-modulus", **given)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
