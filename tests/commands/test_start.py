"""``zoo quickstart``: what it copies works, and nothing is overwritten."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from support.commandline import refused, zoo

from zoo.commands.start import as_notebook
from zoo.data.tables.table import read_table
from zoo.registry import plugins

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


def test_a_table_and_a_notebook_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = zoo("quickstart").stdout
    assert "zoo finetune --task dielectric dielectric.csv --n-train 100 --fast --out first\n" in said
    folder = tmp_path / "zoo-quickstart"
    assert sorted(path.name for path in folder.iterdir()) == ["dielectric.csv", "quickstart.ipynb"]
    assert len(read_table(folder / "dielectric.csv", plugins.task("dielectric")).records) == 1056
    message = refused("quickstart")
    assert message == "Error: zoo-quickstart/dielectric.csv exists already; give another folder: zoo quickstart DIR"
    zoo("quickstart", tmp_path / "new" / "place", "-q")
    assert (tmp_path / "new" / "place" / "quickstart.ipynb").exists()


def test_the_notebook_is_one(tmp_path: Path) -> None:
    zoo("quickstart", tmp_path)
    notebook = json.loads((tmp_path / "quickstart.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) == 4
    assert all("```" not in cell["source"] for cell in notebook["cells"])
    names: dict[str, object] = {}
    exec(code[0], names)  # the others train
    assert "salt" in names
    assert "zoo.finetune(options" in ast.unparse(ast.parse(code[1]))


def test_prose_without_code_is_a_notebook_too() -> None:
    assert [cell["cell_type"] for cell in json.loads(as_notebook("# Title\n"))["cells"]] == ["markdown"]


def test_without_a_table_finetune_says_where_to_find_one() -> None:
    message = refused("finetune", "--task", "dielectric")
    assert message.startswith("Error: there is no table: zoo finetune --task TASK data.csv.")
    assert "zoo quickstart" in message
