"""Options that commands share, and options declared as the fields of a dataclass."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import click
import pytest
from click.testing import CliRunner
from support.commandline import PLUGIN, zoo
from zoo.cli import main

from zoo.commands.options import Command, CommaSeparated, DeclaredCommand, names, option
from zoo.jobs.finetune.options import Options
from zoo.jobs.study.options import StudyOptions, StudyRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.option("--sizes", type=CommaSeparated(int), default="1,2")
@click.option("--words", type=CommaSeparated())
def command(sizes: tuple[int, ...], words: tuple[str, ...] | None) -> None:
    click.echo(f"{sizes} {words}")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ([], "(1, 2) None"),
        (["--sizes", "50, 100,50,", "--words", "rf"], "(50, 100) ('rf',)"),
        (["--words", ""], "(1, 2) ()"),
    ],
)
def test_values_are_separated_by_commas(arguments: list[str], printed: str) -> None:
    assert CliRunner().invoke(command, arguments).output == f"{printed}\n"


def test_a_value_that_is_not_an_integer_is_refused() -> None:
    result = CliRunner().invoke(command, ["--sizes", "5,x"])
    assert result.exit_code == 2
    assert "'5,x' is not a list of integers separated by commas" in result.output


def test_names_are_completed_whatever_their_case() -> None:
    with click.Context(command) as context:
        parameter = click.Option(["--name"])
        assert names("backbone")(context, parameter, "def-1") == ["dEf-10k", "dEf-113k", "dEf-113k-mp"]
        assert names("featurizer")(context, parameter, "MAG") == ["magpie", "magpie-structure"]
        assert names("task")(context, parameter, "zzz") == []


@pytest.mark.parametrize(
    ("command", "declared"), [("finetune", Options), ("study", StudyOptions), ("study", StudyRequest)]
)
def test_every_field_that_is_described_has_an_option_with_its_description(command: str, declared: type) -> None:
    shown = " ".join(CliRunner().invoke(main, [command, "--help"], terminal_width=10_000).stdout.split())
    hints = get_type_hints(declared, include_extras=True)
    for field in fields(declared):
        described = getattr(getattr(hints[field.name], "__metadata__", [None])[-1], "description", None)
        if described and field.name not in ("data", "title"):
            assert f"--{field.name.replace('_', '-')}" in shown
            assert " ".join(described.split()) in shown


def test_defaults_types_and_flags() -> None:
    hints = get_type_hints(StudyOptions, include_extras=True)
    defaults = {field.name: field.default for field in fields(StudyOptions)}
    made = {name: option(name, hints[name], defaults[name], {}) for name in hints}
    assert (made["seeds"].type, made["seeds"].default) == (click.INT, 10)
    assert list(made["split"].type.to_info_dict()["choices"]) == ["random", "composition", "chemsys"]
    assert made["max_rejected"].opts == ["--max-rejected"]
    assert made["scratch"].secondary_opts == ["--no-scratch"]
    assert made["unseen"].secondary_opts == []
    assert made["sizes"].type.convert("50, 100,50", None, None) == (50, 100)
    assert made["structures"].type.convert("cifs", None, None) == Path("cifs")


def test_declarations_are_imported_when_the_options_are_needed() -> None:
    command = DeclaredCommand("x", declared=["zoo.no_such_module:Options"])
    assert command.get_short_help_str() == ""
    with pytest.raises(ModuleNotFoundError):
        command.main(["--seeds", "1"], standalone_mode=False)


def commands(group: click.Group, path: tuple[str, ...] = ("zoo",)) -> Iterator[tuple[str, click.Command]]:
    """All commands, with their names as typed."""
    for name, command in group.commands.items():
        yield " ".join([*path, name]), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = {"zoo": main, **dict(commands(main))}
NEEDS_NOTHING = (
    "zoo list",
    "zoo show multi-113k",
    "zoo plugins list",
    "zoo doctor",
    "zoo cache info",
    "zoo cache clear",
)


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_two_examples_that_parse(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_in_a_new_process: None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hardness.py").write_text(PLUGIN)
    above = click.Context(main, info_name="zoo", help_option_names=["-h", "--help"])
    command = ALL[name]
    assert isinstance(command, Command)
    assert len(command.examples) >= 2
    for what, line in command.examples:
        assert what[0].isupper()
        words = shlex.split(line)
        found = max((each for each in ALL if line.startswith(each)), key=len)
        assert found != "zoo"
        ALL[found].make_context(
            found, words[len(found.split()) :], parent=above
        )  # every option exists and takes its value


def test_examples_that_need_no_files_run() -> None:
    lines = [line for command in ALL.values() for _, line in command.examples if line.startswith(NEEDS_NOTHING)]
    for line in dict.fromkeys(lines):
        if "--plugin" not in line and "--online" not in line:
            assert zoo(*shlex.split(line)[1:]).exit_code == 0, line


def test_a_long_example_can_be_copied_from_a_narrow_terminal() -> None:
    command = ALL["zoo finetune"]
    help_text = CliRunner().invoke(main, ["finetune", "--help"], terminal_width=60).output
    assert max(len(line) for line in help_text.splitlines() if "https://" not in line) <= 60
    shown = re.sub(r" \\\n +", " ", help_text)
    for _, line in command.examples:
        assert f"  {line}\n" in shown
    assert "--backbone" in help_text.split("Model:\n")[1].split("\n\n")[0]
    assert help_text.index("Common options:") > help_text.index("Output:") > help_text.index("Data:")


def test_commands_are_listed_by_what_they_are_for() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    making = text.split("Making and publishing backbones:\n")[1].split("\n\n")[0]
    first = [line.split()[0] for line in making.splitlines() if line[2] != " "]
    assert first == ["pretrain", "fetch", "convert", "publish"]
    listed = {name for name in main.commands if re.search(rf"^  {name} ", text, re.MULTILINE)}
    assert listed == set(main.commands)
    assert "..." not in text.split("Your crystals:")[1]
