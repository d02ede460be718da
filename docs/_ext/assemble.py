"""Assemble the pages of the documentation site: python docs/_ext/assemble.py FOLDER.

A page is a file of the repository, sometimes under another name (`MOUNTED`), or is written from the code: the commands
(`command_pages.py`) and the backbones (`backbone_pages.py`). Links between pages are links between files, which work on
GitHub too. Here they are translated: to the page if the file is one, and otherwise to the file in the repository. Pages
that are written here are linked to by their address on the site.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import backbone_pages
import command_pages
import notebooks
from project import REPOSITORY, ROOT, SITE

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNTED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/tasks.md": "benchmarks/tasks.md",
    "benchmarks/RESULTS.md": "benchmarks/speed.md",
    "studies/README.md": "paper/studies.md",
    "examples/README.md": "reference/examples.md",
    "examples/zoo-plugin-thermal/README.md": "reference/plugin-thermal.md",
    "examples/zoo-plugin-chgnet/README.md": "reference/plugin-chgnet.md",
    "examples/zoo-plugin-schnet/README.md": "reference/plugin-schnet.md",
}
"""Files outside of ``docs/`` and the pages that they become."""

NUMBERS = re.compile(r"(?<=\d) (?=%|m?s\b|against \d)|(?<=\d against) (?=\d)|(?<=[±=<]) (?=[\d.])|(?<=\bp) (?=[=<])")
"""Blanks between numbers, and between them and their units, at which no line may end."""

DIGEST = re.compile(r"\b([0-9a-f]{16})([0-9a-f]{16})([0-9a-f]{16})([0-9a-f]{16})\b(?= \|)")
"""A SHA-256 in a table, which may be broken into lines."""

FENCE = re.compile(r"^ *(`{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
PATH = re.compile(r"(?<=\[)docs/[\w/-]+\.md(?=\]\()")
"""The text of a link to a page, where that is its path: on the site, the page's title takes its place."""


def pages() -> dict[str, str]:
    """Return the files of the repository that become pages, and where those lie."""
    found = dict(MOUNTED)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = path.relative_to(ROOT / "docs").as_posix()
        if not name.startswith("_"):
            found[f"docs/{name}"] = re.sub(r"(^|/)README\.md$", r"\1index.md", name)
    for card in backbone_pages.cards():
        found[f"cards/{card.name}.md"] = f"backbones/{card.name}.md"
    return found


def translate(text: str, file: str, known: Mapping[str, str]) -> str:
    """Return the text of a page with links that hold on the site, and with numbers and units that stay together.

    Parameters
    ----------
    text : str
        Markdown; fenced blocks stay as they are.
    file : str
        The file that it is from, relative to the repository.
    known : mapping of str to str
        File → page.

    Raises
    ------
    FileNotFoundError
        A link leads nowhere.
    """
    here = os.path.dirname(known[file])

    def target(match: re.Match[str]) -> str:
        path, mark, anchor = match[0].partition("#")
        if path.startswith(SITE):  # a page that is no file
            return os.path.relpath(path.removeprefix(SITE).replace(".html", ".md"), here) + mark + anchor
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        linked = os.path.normpath(os.path.join(os.path.dirname(file), path))
        if linked in known:
            return os.path.relpath(known[linked], here) + mark + anchor
        if not (ROOT / linked).exists():
            raise FileNotFoundError(f"{file}: {match[0]}")
        if linked.startswith("docs/") and linked.endswith(".png"):
            return os.path.relpath(linked.removeprefix("docs/"), here)
        kind = "tree" if (ROOT / linked).is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{linked}{mark}{anchor}"

    def prose(part: str) -> str:
        return DIGEST.sub(r"\1<wbr>\2<wbr>\3<wbr>\4", NUMBERS.sub("\u00a0", PATH.sub("", LINK.sub(target, part))))

    parts, last = [], 0
    for fence in FENCE.finditer(text):
        parts += [prose(text[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, prose(text[last:])])


def titled(text: str, page: str) -> str:
    """Return the page of a study with the study's title, where its report has the finding as the title."""
    study = ROOT / "studies" / f"{page.split('/')[1]}.toml" if re.fullmatch(r"paper/[\w-]+/index\.md", page) else None
    if study is None:
        return text
    title = tomllib.loads(study.read_text(encoding="utf-8"))["title"]
    return re.sub(r"\A# (.*)", lambda finding: f"# {title}\n\n**{finding[1]}**", text)


def contents(page: str, known: Mapping[str, str]) -> str:
    """Return the table of contents of the paper's comparison, its studies; else nothing."""
    if page != "paper/index.md":
        return ""
    studies = sorted(each for each in known.values() if re.fullmatch(r"paper/[\w-]+/index\.md", each))
    lines = [each.removeprefix("paper/") for each in studies]
    return "\n".join(["", "```{toctree}", ":hidden:", "", "studies", *lines, "```", ""])


def write(folder: Path) -> None:
    """Write all pages and pictures."""
    shutil.rmtree(folder, ignore_errors=True)
    known = pages()
    cards = {f"cards/{card.name}.md": card for card in backbone_pages.cards()}
    for file, page in known.items():
        text = backbone_pages.page(cards[file]) if file in cards else (ROOT / file).read_text(encoding="utf-8")
        there = folder / page
        there.parent.mkdir(parents=True, exist_ok=True)
        text = titled(translate(text, file, known), page) + contents(page, known)
        there.write_text(text, encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.png"):
        there = folder / path.relative_to(ROOT / "docs")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there)
    notebooks.write(folder, known)
    backbone_pages.write_figures(folder / "backbones")
    (folder / "backbones" / "index.md").write_text(backbone_pages.index(), encoding="utf-8")
    command_pages.write(folder / "reference" / "commands")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
