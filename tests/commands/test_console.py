"""How the command line shows things, on a terminal and in a pipe."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result

from zoo.commands import console
from zoo.commands.options import common
from zoo.data.tables.records import Rejection
from zoo.errors import InputError, IntegrityError
from zoo.hub import pull
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = ("name", "target", "weights")
ROWS = [("dEf-10k", "formation_energy_per_atom", "not published yet"), ("K[2]", "[bold]band_gap[/bold]", "cached")]


def invoke(error: Exception, *arguments: str) -> Result:
    @click.group(cls=console.ErrorGroup)
    @common
    def group() -> None:
        pass

    @group.command()
    @common
    def fail() -> None:
        raise error

    return CliRunner().invoke(group, ["fail", *arguments])


def test_a_table_in_a_pipe_is_as_wide_as_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(HEADER, ROWS, title="Two [of] them")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Two [of] them"
    assert [re.split(r"  +", line) for line in (lines[1], *lines[3:])] == [list(HEADER), *(list(row) for row in ROWS)]
    assert all(line == line.rstrip() for line in lines)


def test_a_wide_table_in_a_pipe_keeps_every_cell_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(("", ""), [("elements", ", ".join(["Xe"] * 100))])
    assert capsys.readouterr().out == f"elements  {', '.join(['Xe'] * 100)}\n"


def test_the_list_takes_one_line_a_backbone_in_eighty_columns(on_a_terminal: Callable[..., list[str]]) -> None:
    lines = on_a_terminal("from zoo.cli import main; main(['list'])", 80)
    assert max(map(len, lines)) <= 80
    assert " ".join(lines[:2]).split() == ["name", "target", "unit", "test", "weights", "MAE"]
    assert lines[-2] == "no room in 80 columns for: size, training rows"
    names = list(backbones.named())
    assert [line.split()[0] for line in lines[3:-2]] == names
    for name, line in zip(names, lines[3:-2], strict=True):
        assert line.endswith(pull.status(backbones.get(name)).replace("not published yet", "unpublished"))
        assert backbones.get(name).target in line
    wide = on_a_terminal("from zoo.cli import main; main(['list'])", 160)
    assert any("formation_energy_per_atom" in line for line in wide)
    assert len(wide) == 2 + len(list(backbones.named())) + 1  # where the labels of one come from


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["list", "show multi-113k", "plugins list", "--help", "finetune --help"])
def test_what_is_printed_fits_the_terminal_and_breaks_no_word(
    command: str, columns: int, on_a_terminal: Callable[..., list[str]]
) -> None:
    code = f"from zoo.cli import main; main({command.split()!r})"
    lines, wide = ([line.rstrip() for line in on_a_terminal(code, width)] for width in (columns, 400))
    assert max(len(line) for line in lines if "https://" not in line) <= columns
    whole = {word for line in wide for word in line.split()}
    broken = {word for line in lines for word in line.split()} - whole
    assert not {word for word in broken if word.isalpha()} - {"no", "room", "in", "columns", "unpublished"}


def test_prose_is_rendered_on_a_terminal_alone(
    on_a_terminal: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = "# Title\n\n- one **bold** word"
    console.show_prose(text)
    assert capsys.readouterr().out == text + "\n"
    lines = on_a_terminal(f"from zoo.commands.console import show_prose; show_prose({text!r})", 40)
    shown = "\n".join(lines)
    assert "• one bold word" in shown
    assert "#" not in shown
    assert "*" not in shown


def test_json_keeps_letters_that_are_not_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_json({"name": "ΔEf", "value": None})
    printed = capsys.readouterr().out
    assert "ΔEf" in printed
    assert json.loads(printed) == {"name": "ΔEf", "value": None}


def test_three_rejections_are_shown_and_the_rest_counted() -> None:
    path = Path("rejected.csv")
    wrong = [Rejection(name, None, "", "", "", "no crystal") for name in "abcde"]
    metals = [Rejection("t.csv", row, "", "gap", "0", "a metal", filtered=True) for row in (1, 2)]
    assert console.rejections([], path) == []
    assert console.rejections(wrong[:2], path) == [
        "rejected    2 row(s), in rejected.csv",
        "  a: no crystal",
        "  b: no crystal",
    ]
    assert console.rejections(wrong, path)[-2:] == ["  c: no crystal", "  … and 2 more"]
    assert console.rejections([metals[0], *wrong[:1], metals[1]], path) == [
        "filtered    2 row(s), in rejected.csv",
        "  t.csv row 1, column gap = '0': a metal",
        "  t.csv row 2, column gap = '0': a metal",
        "rejected    1 row(s), in rejected.csv",
        "  a: no crystal",
    ]


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("k.csv, row 5:\nno crystal"), "Error: k.csv, row 5: no crystal", 2),
        (IntegrityError("other bytes"), "Error: other bytes", 3),
        (OSError(errno.ENOSPC, "No space left on device"), "Error: No space left on device", 2),
        (PermissionError(errno.EACCES, "Permission denied", "/out"), "Error: /out: Permission denied", 2),
    ],
)
def test_what_a_user_can_cause_is_one_line(error: Exception, line: str, code: int) -> None:
    result = invoke(error)
    assert result.stderr.splitlines() == [line]
    assert result.exit_code == code


def test_what_only_we_can_cause_is_not_hidden() -> None:
    assert isinstance(invoke(KeyError("x")).exception, KeyError)


NOISY = """
import atexit, ctypes, os
from zoo import Task

atexit.register(os.write, 1, b"its end prints\\n")

print("python prints")
os.write(1, b"a descriptor prints\\n")
os.system("echo a shell prints")
libc = ctypes.CDLL(None)
libc.printf(b"C prints\\n")
stiffness = Task(name="stiffness", target="K_VRH", unit="GPa", description="Stiffness.")
"""


def test_what_a_plugin_prints_does_not_reach_the_json(tmp_path: Path) -> None:
    plugin = tmp_path / "noisy.py"
    plugin.write_text(NOISY)
    command = [sys.executable, "-m", "zoo", "--plugin", str(plugin), "plugins", "list", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "stiffness" in {each["name"] for each in json.loads(done.stdout)}
    printed = {line for line in done.stderr.splitlines() if line.endswith("prints")}
    assert printed == {"python prints", "a descriptor prints", "a shell prints", "C prints", "its end prints"}


def test_standard_output_is_itself_again_after_a_command_with_json() -> None:
    code = "from zoo.cli import main; main(['list', '--json'], standalone_mode=False); print('after')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("]\nafter\n")
    json.loads(done.stdout.removesuffix("after\n"))


def test_json_into_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "zoo", "list", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: No space left on device\n")


def test_sentences_are_broken_between_words_on_a_terminal_alone(
    on_a_terminal: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = "No significant difference at 20 rows: transfer is lower (p = 0.68)\ncheckpoint  runs/a-long-name-of-a-run"
    console.show_text(text, wrap=True)
    assert capsys.readouterr().out == f"{text}\n"
    lines = on_a_terminal(f"from zoo.commands.console import show_text; show_text({text!r}, wrap=True)", 30)
    assert lines == [
        "No significant difference at",
        "20 rows: transfer is lower (p",
        "= 0.68)",
        "checkpoint",
        "runs/a-long-name-of-a-run",
    ]
