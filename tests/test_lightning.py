"""Lightning is imported without half of SciPy, and leaves SciPy as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

FROM_LIBRARY = """
import sys
from zoo import _lightning
assert "scipy.signal" not in sys.modules, "it was imported, or its stand-in has stayed"
assert "scipy.stats" not in sys.modules
import scipy.signal
assert scipy.signal.windows.hamming(3)[1] == 1
"""

KEPT = """
import scipy.signal
real = scipy.signal
from zoo import _lightning
import sys
assert sys.modules["scipy.signal"] is real
"""

ASKED_MEANWHILE = """
import sys
from zoo import _lightning
with _lightning._without("scipy.signal"):
    import scipy.signal
    assert scipy.signal.hamming is None
    assert not hasattr(sys.modules["scipy.signal"], "__file__")
    from scipy.signal import find_peaks
    from scipy.signal.windows import hamming
    assert find_peaks([0, 1, 0])[0].tolist() == [1]
assert sys.modules["scipy.signal"].find_peaks is find_peaks
"""


@pytest.mark.parametrize("program", [FROM_LIBRARY, KEPT, ASKED_MEANWHILE])
def test_a_stand_in_for_signal_processing(program: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
