"""One process at a time, and the same settings when work is resumed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from zoo._utils import resuming
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from zoo._utils import resuming
with resuming.exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_and_none_after_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "a"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"{out}: another process is writing it; .* another --out"),
            resuming.exclusive(out),
        ):
            pass
        other.kill()
    with resuming.exclusive(out):
        out.touch()
    assert list(out.parent.iterdir()) == [out]
    with resuming.exclusive(tmp_path / "b" / "c" / "d"):
        assert (tmp_path / "b" / "c").exists()
    assert not (tmp_path / "b").exists()


def test_other_settings_are_named_with_their_keys(tmp_path: Path) -> None:
    note = tmp_path / "work" / "note.json"
    resuming.check_settings(note, {"fit": {"epochs": 3, "seed": 1}, "rows": (1, 2)})
    resuming.check_settings(note, {"rows": [1, 2], "fit": {"seed": 1, "epochs": 3}})
    with pytest.raises(InputError, match=r"work was started with other settings \(fit\.epochs, more\); give the same"):
        resuming.check_settings(note, {"fit": {"epochs": 4, "seed": 1}, "rows": [1, 2], "more": 1})
    note.write_text('{"fit":')
    with pytest.raises(InputError, match=r"note\.json is damaged \(.*\); remove .*work to start again"):
        resuming.check_settings(note, {})
