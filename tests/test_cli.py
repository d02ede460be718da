"""The command line as a whole: version, plugins given before the command, help, completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from support.commandline import refused, zoo
from zoo.cli import main

from zoo import __version__
from zoo.errors import DOCUMENTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


def test_version() -> None:
    assert zoo("--version").stdout == f"zoo, version {__version__}\n"


def test_a_plugin_file_that_cannot_be_used_is_named_before_the_command_too(tmp_path: Path) -> None:
    assert "missing.py" in refused("--plugin", tmp_path / "missing.py", "list")


def commands() -> Iterator[tuple[list[str], click.Command]]:
    """Walk the whole tree."""
    waiting: list[tuple[list[str], click.Command]] = [([], main)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            waiting += [([*path, name], each) for name, each in command.commands.items()]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id=" ".join(each[0]) or "zoo") for each in commands()]
)
def test_every_command_and_option_has_help(path: list[str], command: click.Command) -> None:
    printed = zoo(*path, "--help").stdout
    assert command.help
    assert " ".join(command.help.split("\n\n")[0].split()) in " ".join(printed.split())
    for parameter in command.get_params(click.Context(command, help_option_names=["-h", "--help"])):
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help"
            assert parameter.opts[-1] in printed
    assert zoo(*path, "-h").stdout == printed


def test_pages_of_commands_are_in_the_documentation() -> None:
    docs = Path(__file__).parents[1] / "docs"
    pages = {path[0]: command.page for path, command in commands() if len(path) == 1}
    assert {name for name, page in pages.items() if page} > {"finetune", "predict", "serve", "study", "push"}
    assert [page for page in pages.values() if page and not (docs / f"{page}.md").is_file()] == []
    said = zoo("serve", "--help").stdout.splitlines()[-2:]
    assert said == ["Documentation:", f"  {DOCUMENTATION}/how-to/serve.html"]


def test_alone_it_says_where_to_begin() -> None:
    said = zoo().stdout
    assert "Where to begin:" in said
    for line in said.splitlines():
        if line.startswith("  zoo "):
            assert line.split()[1] in main.commands
    assert zoo("--help").stdout != said


def test_on_a_terminal_the_page_follows_an_error(on_a_terminal: Callable[..., list[str]]) -> None:
    code = "import sys; sys.argv = ['zoo', 'finetune']; from zoo.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 2"
    lines = on_a_terminal(code, 200)
    assert lines[-2].startswith("Error: there is no table: zoo finetune --task TASK data.csv.")
    assert lines[-1] == f"See {DOCUMENTATION}/how-to/finetune.html"


def complete(line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        **os.environ,
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return [answer.partition(",")[2] for answer in done.stdout.splitlines() if answer]


def test_names_are_completed() -> None:
    assert complete("zoo show dE") == ["dEf-10k", "dEf-54k", "dEf-91k", "dEf-113k", "dEf-113k-mp", "dEf-NM"]
    assert complete("zoo finetune --task di") == ["dielectric"]
    assert complete("zoo finetune --baseline r") == ["rf", "ridge"]
    assert complete("zoo pul") == ["pull"]


def test_completion_is_silent_where_names_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "perhaps")
    assert complete("zoo finetune --task di") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_completion_script_is_bash() -> None:
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    script = subprocess.run(
        command, env={**os.environ, "_ZOO_COMPLETE": "bash_source"}, capture_output=True, text=True, check=True
    ).stdout
    assert "_ZOO_COMPLETE=bash_complete" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
