"""Compiled modules, and what stands in their place where they are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo._utils import compiled

REPORT = """
import sys
sys.modules.update(dict.fromkeys({hidden}))
from zoo._utils import compiled
print(*compiled.missing())
print(*(name for name in compiled.PARTS if getattr(compiled, name) is None))
"""


@pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")
def test_each_part_is_the_compiled_module_of_its_name() -> None:
    for name, module in zip(compiled.PARTS, compiled.MODULES, strict=True):
        assert getattr(compiled, name) is sys.modules[module]
        assert not str(sys.modules[module].__file__).endswith(".py")


def test_a_part_that_is_missing_is_named_and_none() -> None:
    """In a process of its own, whose imports of the parts fail."""
    for hidden in ([compiled.MODULES[1]], list(compiled.MODULES)):
        names = " ".join(module.rpartition(".")[2] for module in hidden)
        if len(hidden) == 1 and compiled.missing():
            continue
        code = REPORT.format(hidden=hidden)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [names, names]
