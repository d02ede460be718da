"""Figures for anybody's data, and ``python -m zoo.figures``; they live in :mod:`zoo.analysis.figures`."""

import sys

from zoo.analysis.figures import *  # noqa: F403
from zoo.analysis.figures import __all__ as __all__


def __dir__() -> list[str]:
    return sorted(__all__)


if __name__ == "__main__":
    from zoo.analysis.figures.__main__ import main

    sys.exit(main())
