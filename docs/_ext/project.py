"""Where the project lies: its folder, its repository and its site."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
REPOSITORY: str = _URLS["Source"]
SITE: str = _URLS["Documentation"]
