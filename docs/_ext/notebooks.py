"""Notebooks, which are kept as text (MyST), as files that Jupyter and Colab open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jupytext
from nbformat.v4 import new_code_cell
from project import REPOSITORY, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLAB = REPOSITORY.replace("https://github.com", "https://colab.research.google.com/github") + "/blob/notebooks/"
INSTALL = f"""# In Colab: install zoo.
import sys

if "google.colab" in sys.modules:
    %pip install -q git+{REPOSITORY}"""


def is_notebook(file: str) -> bool:
    """Return whether a file of the repository is a notebook."""
    return file.startswith("docs/notebooks/") and not file.endswith("README.md")


def links(page: str) -> str:
    """Return the line below the title of a page that leads to the notebook."""
    name = page.rpartition("/")[2].replace(".md", ".ipynb")
    return f'[Open in Colab]({COLAB}{name}) · <a href="{name}" download>Download the notebook</a>'


def write(folder: Path, known: Mapping[str, str]) -> None:
    """Write the notebooks where Sphinx copies them from, and a link to each on its page."""
    for file, page in known.items():
        if is_notebook(file):
            notebook = jupytext.read(ROOT / file)
            notebook.cells.insert(1, new_code_cell(INSTALL, id="install"))
            there = (folder.parent / "extra" / page).with_suffix(".ipynb")
            there.parent.mkdir(parents=True, exist_ok=True)
            jupytext.write(notebook, there)
            text = (folder / page).read_text(encoding="utf-8")
            (folder / page).write_text(
                re.sub(r"(?m)^(# .*)$", rf"\1\n\n{links(page)}", text, count=1), encoding="utf-8"
            )
