"""What the documentation says is run, and what it points to exists.

In README.md, CONTRIBUTING.md and docs/, the blocks of a file are run in their order, in a folder that holds a copy of
examples/:

- ``python`` blocks share their names, as the cells of a notebook do;
- a ``console`` block is executed line by line (``$ zoo …``);
- a ``toml`` block that begins with ``# NAME.toml`` becomes that file, for the blocks after it;
- ``<!-- not run: REASON -->`` before a block leaves it out, ``<!-- fails -->`` expects its last line to fail.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from zoo.cli import main

import zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = [path for path in FILES if path.is_file()]
OTHERS = [ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md", *sorted(ROOT.glob("examples/zoo-plugin-*/README.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!-- *(?P<text>(?:(?!-->).)*?) *-->\s*\Z", re.DOTALL)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(zoo.__path__, "zoo.") if not module.name.endswith("__main__")
)


@dataclass(frozen=True)
class Block:
    """A fenced block: what it holds, where, and what the comment before it says."""

    file: Path
    line: int
    language: str
    body: str
    comment: str

    @property
    def runs(self) -> bool:
        return not self.comment.startswith("not run")


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else "\n" for line in match["body"].splitlines(keepends=True))
        before = COMMENT.search(text[: match.start()])
        comment = before["text"] if before else ""
        found.append(Block(path, text.count("\n", 0, match.start()) + 2, match["language"], body, comment))
    return found


def commands(block: Block) -> list[str]:
    """Lines after ``$ ``, with what continues them behind a backslash."""
    joined = block.body.replace("\\\n", " ")
    return [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- docstrings ---


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=OPTIONS)
    assert result.failed == 0


def test_there_are_examples_in_docstrings() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for module in MODULES for test in finder.find(importlib.import_module(module)) if test.examples]
    assert len(found) >= 3


# --- blocks ---


def test_the_runner_finds_blocks_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "```python\na = 1\n```\n\n1. item\n\n    ```python\n    if a:\n        b = 2\n    ```\n\n"
        "<!-- not run: takes an hour -->\n```console\n$ zoo list \\\n    --json\noutput\n$ zoo doctor\n```\n"
    )
    first, second, third = blocks(path)
    assert (first.body, first.line, first.runs) == ("a = 1\n", 2, True)
    assert second.body == "if a:\n    b = 2\n"
    assert (third.language, third.comment, third.runs) == ("console", "not run: takes an hour", False)
    assert [shlex.split(command) for command in commands(third)] == [["zoo", "list", "--json"], ["zoo", "doctor"]]


def test_there_are_blocks_that_run() -> None:
    running = {(name(path), block.language) for path in FILES for block in blocks(path) if block.runs}
    assert {("README.md", "python"), ("CONTRIBUTING.md", "python"), ("docs/tutorial.md", "console")} <= running


@pytest.mark.parametrize("path", FILES, ids=name)
def test_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks(path):
        if block.runs and block.language == "python":
            # On the lines of the file, so that what fails is shown with its place.
            exec(compile("\n" * (block.line - 1) + block.body, str(path), "exec"), names)
        elif block.runs and block.language == "console":
            run_console(block)
        elif block.language == "toml" and (named := re.match(r"# ([\w-]+\.toml)\b", block.body)):
            (tmp_path / named[1]).write_text(block.body, encoding="utf-8")


def run_console(block: Block) -> None:
    """Run the lines of a block that begin with $."""
    where = f"{name(block.file)}, line {block.line}"
    lines = commands(block)
    assert lines, f"{where}: a console block without a line that begins with $"
    for number, line in enumerate(lines, 1):
        words = shlex.split(line, comments=True)
        assert words[0] == "zoo", f"{where}: {line} is not run: say why"
        result = CliRunner().invoke(main, words[1:])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        fails = block.comment == "fails" and number == len(lines)
        assert (result.exit_code != 0) == fails, f"{where}: {line}\n{result.output}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_what_is_not_run_says_why(path: Path) -> None:
    for block in blocks(path):
        if block.language in ("sh", "bash"):
            assert not block.runs, f"{name(path)}, line {block.line}: {block.language} blocks are not run: say why"
        if not block.runs:
            reason = block.comment.removeprefix("not run").removeprefix(":").strip()
            assert len(reason) > 5, f"{name(path)}, line {block.line}: no reason is given"


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=name)
def test_nothing_is_left_to_be_filled_in(path: Path) -> None:
    assert re.findall(r"@@\w*@@|\bXXX\b|\bTO" + r"DO\b", path.read_text(encoding="utf-8")) == []


# --- references ---


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=name)
def test_links_point_to_what_exists(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), f"{name(path)}: {target}"
        if anchor:
            assert anchor in anchors(linked), f"{name(path)}: {target}"


def anchors(path: Path) -> set[str]:
    """Headings as GitHub links to them."""
    titles = re.findall(r"^#+ +(.*?) *$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def mentioned(path: Path) -> Iterator[list[str]]:
    """Commands in running text and in blocks, run or not: the words after ``zoo``."""
    text = path.read_text(encoding="utf-8")
    for block in blocks(path):
        if block.language in ("", "console", "bash", "sh", "text"):
            for line in block.body.replace("\\\n", " ").splitlines():
                match = re.match(r"(?:\$ )?zoo (.*)", line)
                if match:
                    yield _words(match[1])
    for span in re.findall(r"`zoo ([^`]+)`", FENCE.sub("", text)):
        yield _words(span)
    for line in re.findall(r"^ {4}zoo (.*)$", FENCE.sub("", text), re.MULTILINE):
        yield _words(line)


def _words(line: str) -> list[str]:
    return line.split("#")[0].split()


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """Walk the click tree as far as words name commands."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"zoo {' '.join(words)}: there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=name)
def test_commands_and_options_that_are_mentioned_exist(path: Path) -> None:
    for words in mentioned(path):
        command, rest = resolve([word for word in words if word != "…"])
        known = {
            each
            for given in (*main.params, *command.get_params(click.Context(command, help_option_names=["-h", "--help"])))
            for each in (*given.opts, *given.secondary_opts)
        }
        known |= {"--help", "-h"}
        for word in rest:
            option = re.match(r"--?[a-z][\w-]*", word)
            if option:
                assert option[0] in known, f"{name(path)}: zoo {' '.join(words)}: there is no option {option[0]}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_options_in_running_text_exist(path: Path) -> None:
    """An option that stands alone, as ``--seeds``, belongs to some command of ours, or to another program's line."""
    known, waiting = {"--help"}, [main]
    while waiting:
        command = waiting.pop()
        known.update(
            each
            for given in command.get_params(click.Context(command, help_option_names=["-h", "--help"]))
            for each in (*given.opts, *given.secondary_opts)
        )
        waiting += command.commands.values() if isinstance(command, click.Group) else ()
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for option in re.findall(r"`(--[a-z][\w-]*)", text):
        assert option in known, f"{name(path)}: {option}"


def test_all_public_names_are_in_the_reference() -> None:
    pages = (ROOT / "docs" / "reference" / "python").glob("*.md")
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    modules = {"contracts", "errors", "figures", "registry", "testing"}
    documented = set(re.findall(r"auto(?:class|function):: zoo\.(\w+)", text))
    contracts = {"Task", "Baseline", "Requirement", "ZooError"}
    assert set(dir(zoo)) - modules - contracts - {"__version__"} <= documented
    for module in ("zoo.registry.contracts", "zoo.analysis.figures", "zoo.testing", "zoo.errors"):
        assert f"automodule:: {module}\n" in text


def test_the_checks_would_notice() -> None:
    with pytest.raises(AssertionError, match="there is no command fine-tune"):
        resolve(["fine-tune", "--task", "x"])
    assert resolve(["plugins", "list", "--check"])[0].name == "list"
    assert "what-every-session-leaves" not in anchors(ROOT / "README.md")
