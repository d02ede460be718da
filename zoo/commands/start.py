"""Where to begin: what ``zoo`` alone says, and ``zoo quickstart``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from zoo.commands.console import show_text
from zoo.commands.options import FOLDER, Command, common, is_quiet
from zoo.errors import DOCUMENTATION, InputError

if TYPE_CHECKING:
    from pathlib import Path

TABLE, NOTEBOOK = "dielectric.csv", "quickstart.ipynb"
"""Files of ``zoo quickstart``."""

BEGINNING = f"""\
Pretrained crystal graph networks, fine-tuned on your few hundred crystals.

Where to begin:

  zoo quickstart                            a folder with an example table and a notebook
  zoo predict multi-113k NaCl.cif           formation energies, band gaps and more of your CIFs and POSCARs
  zoo finetune --task dielectric data.csv   a model from your own table of crystals and values
  zoo serve multi-113k                      predictions on a page in your browser, for CIFs dropped there
  zoo list                                  all backbones
  zoo doctor                                is everything installed, and does it work?

zoo --help lists all commands; the documentation is at {DOCUMENTATION}/"""
"""What ``zoo`` says without a command."""

_PROSE: dict[str, Any] = {"cell_type": "markdown"}


@click.command(
    cls=Command,
    examples=[
        ("Into the folder zoo-quickstart", "zoo quickstart"),
        (
            "Then fine-tune on a hundred rows of the table",
            f"zoo finetune --task dielectric {TABLE} --n-train 100 --fast --out first",
        ),
    ],
)
@click.argument("folder", metavar="[DIR]", type=FOLDER, default="zoo-quickstart")
@common
@click.pass_context
def quickstart(ctx: click.Context, folder: Path) -> None:
    """Copy an example table and a notebook into the folder DIR, to try zoo with.

    The table has the dielectric constants of 1,056 crystals.
    """
    from importlib.resources import files

    from zoo._utils.files import write_bytes, write_text

    examples = files("zoo.examples")
    there = [name for name in (TABLE, NOTEBOOK) if (folder / name).exists()]
    if there:
        raise InputError(f"{folder / there[0]} exists already; give another folder: zoo quickstart DIR")
    write_bytes(folder / TABLE, (examples / TABLE).read_bytes())
    write_text(folder / NOTEBOOK, as_notebook((examples / "quickstart.md").read_text(encoding="utf-8")))
    if not is_quiet(ctx):
        show_text(
            f"{folder} has an example table and a notebook. Next:\n\n"
            f"  cd {folder}\n"
            f"  zoo finetune --task dielectric {TABLE} --n-train 100 --fast --out first\n"
            "  zoo report first   # how good the model is, on one page\n"
            "  zoo serve first    # a page on which you drop CIFs\n\n"
            f"or the same in Python: jupyter lab {NOTEBOOK}"
        )


def as_notebook(text: str) -> str:
    r"""Return a notebook in Jupyter's format from Markdown: blocks of Python are its cells of code.

    Examples
    --------
    >>> cells = json.loads(as_notebook("# Title\n\n```python\n1 + 1\n```\n"))["cells"]
    >>> [(cell["cell_type"], cell["source"]) for cell in cells]
    [('markdown', '# Title'), ('code', '1 + 1')]
    """
    parts = re.split(r"^```python\n(.*?)^```\n?", text, flags=re.MULTILINE | re.DOTALL)
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(parts):
        if source := part.strip():
            cell: dict[str, Any] = {"id": f"cell-{len(cells)}", "metadata": {}, "source": source}
            kind = {"cell_type": "code", "execution_count": None, "outputs": []} if number % 2 else _PROSE
            cells.append(cell | kind)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
