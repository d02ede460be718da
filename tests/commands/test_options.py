"""Options that commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from zoo.commands.options import CommaSeparated, names


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
