"""How the project is laid out: few entries, small packages, small modules, a test module for each of them."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ZOO, TESTS = ROOT / "zoo", ROOT / "tests"
TOP = {
    *("_utils", "registry", "data", "analysis", "models", "training", "hub", "testing", "jobs", "commands"),
    *("__init__.py", "__main__.py", "errors.py", "py.typed"),
    *("contracts.py", "figures.py"),  # the names by which plugins and users import them
}
MAX_MODULES = 12
MAX_LINES = 400
PACKAGES = sorted(path.parent.relative_to(ZOO).as_posix() for path in ZOO.rglob("__init__.py") if path.parent != ZOO)
MODULES = sorted(
    path.relative_to(ZOO).with_suffix("").as_posix()
    for path in ZOO.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
SOURCES = [*ZOO.rglob("*.py"), *(ROOT / "plugins").glob("*.py"), ROOT / "cli.py"]


def name_of(path: Path) -> str:
    home = ZOO if path.is_relative_to(ZOO) else ROOT
    return path.relative_to(home).with_suffix("").as_posix()


def test_the_top_has_the_ten_packages_and_little_else() -> None:
    assert {path.name for path in ZOO.iterdir() if path.name != "__pycache__"} == TOP


def test_packages_are_small() -> None:
    """Divide a package that is not, or merge what belongs together."""
    for package in PACKAGES:
        inside = [path for path in (ZOO / package).glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
        inside += [path for path in (ZOO / package).iterdir() if (path / "__init__.py").exists()]
        assert len(inside) <= MAX_MODULES, package


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_has_its_test_module() -> None:
    """``zoo/a/b.py`` is tested by ``tests/a/test_b.py``, or by several ``tests/a/test_b_TOPIC.py``."""
    missing = []
    for module in MODULES:
        folder, _, name = module.rpartition("/")
        stem = f"test_{name.removeprefix('_')}"
        found = [*(TESTS / folder).glob(f"{stem}.py"), *(TESTS / folder).glob(f"{stem}_*.py")]
        if not found:
            missing.append(module)
    assert missing == []


def test_every_test_module_has_its_module() -> None:
    """``cli.py``, ``plugins``, ``benchmarks`` and ``docs`` have their tests here as well."""
    strays = []
    for path in sorted(TESTS.rglob("test_*.py")):
        inside = path.relative_to(TESTS)
        if inside.parts[0] in ("e2e", "equivalence"):
            continue
        homes = [ZOO / inside.parent, ROOT / inside.parent]
        known = {each.stem.strip("_") for home in homes for each in home.glob("*.py")}
        name = inside.stem.removeprefix("test_")
        if not any(name == each or name.startswith(f"{each}_") for each in known):
            strays.append(inside.as_posix())
    assert strays == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_private_modules_and_names_stay_in_their_package() -> None:
    """Ours and those of other libraries; tests use none."""
    strays = []
    for path in [*SOURCES, *TESTS.rglob("*.py")]:
        own = ".".join(("zoo", *path.relative_to(ZOO).parent.parts)) if path.is_relative_to(ZOO) else "zoo"
        for name in imported(path):
            parts = name.split(".")
            for i, part in enumerate(parts):
                private = part.startswith("_") and not part.startswith("__") and parts[: i + 1] != ["zoo", "_utils"]
                if private and ".".join(parts[:i]) != own:
                    strays.append(f"{name_of(path)} imports {name}")
    assert strays == []


def test_packages_say_what_is_in_them_and_list_their_names() -> None:
    for package in PACKAGES:
        module = importlib.import_module(f"zoo.{package.replace('/', '.')}")
        assert len((module.__doc__ or "").split()) >= 8, package
        assert module.__all__, package
        parts = {path.name.partition(".")[0] for path in (ZOO / package).iterdir()}  # compiled ones may be missing
        assert [name for name in module.__all__ if name not in parts and not hasattr(module, name)] == [], package
        modules = {path.stem for path in (ZOO / package).glob("[a-z]*.py")}
        modules |= {path.name for path in (ZOO / package).iterdir() if (path / "__init__.py").exists()}
        if len(modules & set(module.__all__)) > 1:  # a list of modules, not of functions and classes
            assert modules <= set(module.__all__), package
