"""Commands, run in this process as a user would type them."""

from __future__ import annotations

from click.testing import CliRunner, Result
from zoo.cli import main

PLUGIN = """
from zoo import Task

stiffness = Task(name="stiffness", target="K_VRH", unit="GPa", transform="log10", valid=(0.1, 1000.0))
"""


def zoo(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: object, code: int = 2) -> str:
    """Run a command that fails with one line, and return the line."""
    result = zoo(*arguments, code=code)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    assert result.stdout == ""
    return lines[0]
