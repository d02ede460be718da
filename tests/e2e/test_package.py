"""What is in the wheel, and what is not."""

from __future__ import annotations

import configparser
import email
import importlib.machinery
import importlib.resources
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo._utils import compiled
from zoo.registry import backbones
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Folder of the repository → the package that it becomes.
PACKAGES = {"zoo": "zoo", "plugins": "zoo/plugins", "cards": "zoo/cards"}


@pytest.fixture(scope="module")
def wheel(build_wheel: Callable[[Path], Path]) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(ROOT))


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = [each for each in wheel.namelist() if each.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_file_is_in_the_wheel_byte_by_byte(folder: str, wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if path.suffix not in (".so", ".pyd")]  # made where they are
    assert files
    for path in files:
        inside = f"{PACKAGES[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        assert inside in names
        assert wheel.read(inside) == path.read_bytes()


def test_the_wheel_holds_what_a_user_needs(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"zoo/cli.py", "zoo/py.typed", "zoo/data/elements.csv", "zoo/plugins/tasks.py"} <= names
    assert {"zoo/cards/dEf-10k.md", "zoo/cards/recipes/dEf-10k.toml"} <= names
    assert {f"zoo/cards/weights/dEf-10k/{name}" for name in ("model.safetensors", "config.json")} <= names
    assert {f"zoo/examples/{name}" for name in ("__init__.py", "dielectric.csv", "bulk_modulus.csv")} <= names
    # Licence and citation of the data go wherever the data go.
    assert "creativecommons.org/licenses/by/4.0" in wheel.read("zoo/examples/README.md").decode()
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    outside = {name.split("/")[0] for name in names}
    assert outside == {"zoo", next(name for name in outside if name.endswith(".dist-info"))}
    assert not [name for name in names if "test_" in name or "make_examples" in name or "plugin_thermal" in name]
    packages = {name.rpartition("/")[0] for name in names if name.endswith(".py")}
    inside = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")}
    assert packages == inside | {"zoo/plugins", "zoo/cards", "zoo/examples"}


@pytest.mark.skipif(bool(compiled.missing()), reason="no C compiler here")
def test_compiled_parts_are_in_the_wheel_and_no_c_source(wheel: zipfile.ZipFile) -> None:
    endings = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    parts = {name.split("/")[-1].partition(".")[0] for name in wheel.namelist() if name.endswith(endings)}
    assert parts == {path.stem for path in (ROOT / "zoo").rglob("*.pyx")} == set(compiled.PARTS)
    assert not [name for name in wheel.namelist() if name.endswith(".c")]


def test_without_a_compiler_the_wheel_has_everything_else(
    wheel: zipfile.ZipFile, build_wheel: Callable[..., Path]
) -> None:
    plain = zipfile.ZipFile(build_wheel(ROOT, "/nowhere/cc"))
    endings = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    assert not [name for name in plain.namelist() if name.endswith(endings)]
    assert set(plain.namelist()) == {name for name in wheel.namelist() if not name.endswith(endings)}


def test_bundled_weights_are_small_and_are_those_of_the_card(wheel: zipfile.ZipFile) -> None:
    card = Card.parse(wheel.read("zoo/cards/dEf-10k.md").decode())
    assert card.bundled
    sizes = {file.name: wheel.getinfo(f"zoo/cards/weights/dEf-10k/{file.name}").file_size for file in card.files}
    assert sizes == {file.name: file.size for file in card.files}
    assert sum(sizes.values()) < 1_000_000


def test_every_declared_entry_point_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    written = configparser.ConfigParser(delimiters=("=",))
    written.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    written.read_string(metadata(wheel, "entry_points.txt"))
    expected = {**PROJECT["entry-points"], "console_scripts": PROJECT["scripts"]}
    assert {group: dict(written[group]) for group in written.sections()} == expected


def test_the_metadata_say_what_is_needed(wheel: zipfile.ZipFile) -> None:
    found = email.message_from_string(metadata(wheel, "METADATA"))
    assert (found["Name"], found["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert found["License-Expression"] == "MIT"
    assert set(found["Requires-Python"].split(",")) == {">=3.11", "<3.13"}
    assert found.get_payload().startswith("# zoo")


def test_the_examples_are_found_by_the_package_too() -> None:
    """In an editable install as in a wheel."""
    for name in ("dielectric.csv", "bulk_modulus.csv"):
        inside = importlib.resources.files("zoo.examples") / name
        assert inside.read_bytes() == (ROOT / "examples" / name).read_bytes()


def test_the_cards_of_this_installation_are_those_of_the_repository() -> None:
    assert backbones.card_folder(backbones.get("dEf-10k")).samefile(ROOT / "cards")
