"""Progress, as it looks in a log, on a terminal, and when it is not wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo._utils.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


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
    assert re.search(r"training ━+ 4/4 +epochs 100% +\d\S*/s .*validation MAE 3", text)
    assert re.search(r"reading .*3/\? +files", text)
