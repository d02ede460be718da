"""Progress, as it looks in a log, on a terminal, and when it is not wanted."""

from __future__ import annotations

import doctest
import re
from typing import TYPE_CHECKING

import pytest

from zoo._utils import progress as module
from zoo._utils.progress import fitted_line, progress

if TYPE_CHECKING:
    from collections.abc import Callable


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_log_gets_a_line_for_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("training", 200, "epochs") as bar:
        for number in range(200):
            bar.advance(note=f"epoch {number}")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [re.match(r"training: (\d+) of 200 epochs, ", line)[1] for line in lines] == [
        str(20 * tenth) for tenth in range(1, 11)
    ]
    assert all(re.search(r", \d\S*/s, \d+ s left  epoch \d+$", line) for line in lines[:-1])
    assert " left" not in lines[-1]
    assert lines[-1].endswith("  epoch 199")


def test_steps_of_any_size_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 10, "files") as bar:
        bar.advance(0.5)
        bar.advance(4.5)
        bar.advance(5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["reading: 5 of 10 files", "reading: 10 of 10 files"]


def test_what_an_earlier_run_did_tells_nothing_of_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("zoo._utils.progress.time.monotonic", lambda: now[0])
    with progress("training", 100, "epochs") as bar:
        bar.skip(60, "done before")
        now[0] = 10.0
        bar.advance(20)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["training: 60 of 100 epochs  done before", "training: 80 of 100 epochs, 2/s, 10 s left"]


def test_an_unknown_total_gives_no_false_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a total there are no tenths; a line is due every half a minute only."""
    with progress("reading", None, "files") as bar:
        for _ in range(1000):
            bar.advance()
    assert capsys.readouterr().err == ""


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("training", 10, "epochs", quiet=True) as bar:
        bar.advance(10, "done")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_terminal_gets_a_bar(on_a_terminal: Callable[..., list[str]]) -> None:
    code = """
from zoo._utils.progress import progress
import time
with progress("training", 4, "epochs") as bar:
    for number in range(4):
        time.sleep(0.05)
        bar.advance(1, f"validation MAE {number}")
with progress("reading", None, "files") as bar:
    bar.advance(3)
"""
    text = "\n".join(on_a_terminal(code, 140))
    assert re.search(r"training  ━{40}  4/4 epochs  \d\S*/s  validation MAE 3", text)
    assert re.search(r"reading  3 files", text)


NOTE = "seed 0, multi-113k (mixture): validation MAE 12.34 GPa"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_line_keeps_count_and_error_at_every_width(width: int) -> None:
    line = fitted_line(width, "training", 12, 1200, "epochs", 4000.0, 0.3, NOTE)
    assert len(line) <= width
    assert "12/1,200 epochs" in line
    if width > 40:
        assert "67 min left" in line or "66.7 min left" in line
        assert "validation MAE 12.34 GPa" in line
    assert ("━" in line or "─" in line) == (width > 79)
    assert ("seed 0, multi-113k (mixture): " in line) == (width > 100)
    assert line.startswith("training") == (width != 60)


def test_the_terminal_never_gets_two_lines(on_a_terminal: Callable[..., list[str]]) -> None:
    code = f"""
from zoo._utils.progress import progress
with progress("training", 1200, "epochs") as bar:
    bar.advance(1200, {NOTE!r})
"""
    for columns in (60, 80):
        lines = [line.rstrip() for line in "\n".join(on_a_terminal(code, columns)).replace("\r", "\n").splitlines()]
        shown = [line for line in lines if line]
        assert max(map(len, shown)) <= columns
        assert "1,200/1,200 epochs" in shown[-1]
        assert shown[-1].endswith("validation MAE 12.34 GPa")


def test_a_notebook_gets_one_line_that_changes() -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    code = """
import time
from zoo._utils.progress import progress
with progress("training", 50, "epochs") as bar:
    for number in range(50):
        time.sleep(0.01)
        bar.advance(1, f"validation MAE {number}")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert re.fullmatch(r"training  ━{40}  50/50 epochs  \d\S*/s  validation MAE 49", output.data["text/plain"])


def test_nothing_to_do_shows_nothing(on_a_terminal: Callable[..., list[str]]) -> None:
    code = "from zoo._utils.progress import progress\nwith progress('study', 0, 'cells'):\n    pass"
    assert "".join(on_a_terminal(code, 80)).strip() == ""
