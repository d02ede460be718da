"""Pretraining that begins with other backbones, on forty real bulk moduli."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tinyrecipe import EXAMPLE, RECIPE, ids, write
from zoo.cli import main

from zoo import lineage, registry, weights
from zoo.errors import InputError, UnknownNameError
from zoo.hub import pull, sha256
from zoo.pretraining import Report, pretrain
from zoo.recipes import read_recipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], Path]:
    folder = tmp_path_factory.mktemp("first")
    report = pretrain(
        read_recipe(write(folder / "recipe", RECIPE.replace("epochs = 2", "epochs = 40"))),
        [EXAMPLE],
        folder / "tiny",
        quiet=True,
    )
    return report, folder / "tiny"


def starting(*starts: Path | str, width: int = 8, **changes: str) -> str:
    text = RECIPE.replace("seed = 3", f"seed = 4\nstart = {json.dumps([str(start) for start in starts])}")
    text = text.replace("width = 8", f"width = {width}")
    for key, value in changes.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"{key} = "))
        text = text.replace(line, f"{key} = {value}")
    return text


def errors(reports: list[Report]) -> list[float]:
    return [report.errors["mae"] for report in reports]


@pytest.mark.parametrize("copies", [1, 2])
def test_it_begins_where_the_others_ended(first: tuple[list[Report], Path], tmp_path: Path, copies: int) -> None:
    """Trained at no rate worth mentioning, one of them, or two side by side, makes the errors that it made."""
    text = starting(*[first[1]] * copies, width=8 * copies, learning_rate="1e-12", epochs="1")
    text = text.replace("[fit]", "[fit]\naverage = 0.5\nweight_decay = 0.0")
    found = pretrain(read_recipe(write(tmp_path / "recipe", text)), [EXAMPLE], tmp_path / "out", quiet=True)
    # Its batch statistics move, as they do in any training.
    assert errors(found) == pytest.approx(errors(first[0]), rel=0.2)
    anew = pretrain(
        read_recipe(write(tmp_path / "anew", starting(learning_rate="1e-12", epochs="1"))),
        [EXAMPLE],
        tmp_path / "none",
        quiet=True,
    )
    assert errors(anew)[0] > 2 * errors(found)[0]
    digest = sha256(first[1] / weights.WEIGHTS)
    assert weights.read_config(tmp_path / "out").provenance["start"] == {"tiny": digest}


def test_rows_that_a_start_was_trained_on_judge_nothing(tmp_path: Path) -> None:
    known = registry.training_ids(registry.get("dEf-91k"))
    judges = [*ids()["validation"], *ids()["test"]]
    shared = sum(name in known for name in judges)
    assert 0 < shared < len(judges)
    path = write(tmp_path, starting("dEf-91k", width=64, convolutions="4", head="128"))
    message = f"{shared} of the 12 validation and test rows are crystals that dEf-91k was trained on, from which it"
    with pytest.raises(InputError, match=message):
        pretrain(read_recipe(path), [EXAMPLE], tmp_path / "out", quiet=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []


def test_a_start_that_lists_no_crystals_is_told(
    backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = starting(backbone, epochs="1")
    with caplog.at_level(logging.WARNING, logger="zoo"):
        pretrain(read_recipe(write(tmp_path, text)), [EXAMPLE], tmp_path / "out", quiet=True)
    assert "nobody lists all crystals that tiny was trained on" in caplog.text
    assert lineage.trained_on(pull(str(tmp_path / "out"))) is None  # nor of what began with it


@pytest.mark.parametrize(
    ("starts", "changes", "message"),
    [
        (["dEf-10k"], {}, "network.convolutions is 2, and 4 in dEf-10k, from which it starts; the shapes must be the"),
        (["dEf-10k"], {"convolutions": "4", "head": "128"}, "network.width is 8; dEf-10k side by side are 64 wide"),
        (
            ["dEf-10k"],
            {"convolutions": "4", "head": "128", "width": "64", "cutoff": "7.0"},
            "graph: not as in dEf-10k, from which it starts",
        ),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_read(
    starts: list[str], changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, starting(*starts, **changes))
    done = CliRunner().invoke(main, ["pretrain", str(path), "--data", "none.csv", "--out", str(tmp_path / "o"), "-q"])
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean dEf-10k"):
        pretrain(read_recipe(write(tmp_path, starting("dEf-10"))), [EXAMPLE], tmp_path / "out", quiet=True)
