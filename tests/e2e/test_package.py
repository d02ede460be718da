"""What is in the wheel and in the source distribution, and what is not."""

from __future__ import annotations

import configparser
import email
import importlib.machinery
import importlib.resources
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from zoo import __version__
from zoo._utils import compiled
from zoo.registry import backbones
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Folder of the repository → the package that it becomes.
PACKAGES = {"zoo": "zoo", "plugins": "zoo/plugins", "cards": "zoo/cards"}
EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
# What is compiled, and what compiling it needs; a wheel has the result.
SOURCES = (".pyx", ".pxd", ".h", ".c")


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
    files = [path for path in files if not path.name.endswith((*EXTENSIONS, *SOURCES))]
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
    inside = {
        f"{PACKAGES[top]}/{path.parent.relative_to(ROOT / top).as_posix()}".removesuffix("/.")
        for top in ("zoo", "plugins")
        for path in (ROOT / top).rglob("*.py")
    }
    assert packages == inside | {"zoo/cards", "zoo/examples"}


@pytest.mark.skipif(bool(compiled.missing()), reason="no C compiler here")
def test_compiled_parts_are_in_the_wheel_without_sources_and_debugging_symbols(wheel: zipfile.ZipFile) -> None:
    inside = [name for name in wheel.namelist() if name.endswith(EXTENSIONS)]
    parts = {name.split("/")[-1].partition(".")[0] for name in inside}
    assert parts == {path.stem for path in (ROOT / "zoo").rglob("*.pyx")} == set(compiled.PARTS)
    assert not [name for name in wheel.namelist() if name.endswith(SOURCES)]
    if sys.platform == "linux":  # the names of the sections of an ELF file
        for name in inside:
            assert b".debug_" not in wheel.read(name)
            assert b".symtab" not in wheel.read(name)


def test_a_pure_wheel_has_everything_else_and_fits_every_platform(
    wheel: zipfile.ZipFile, build_wheel: Callable[..., Path]
) -> None:
    # It needs no compiler.
    path = build_wheel(ROOT, ZOO_PURE="1", CC="/nowhere/cc")
    assert path.name.endswith("-py3-none-any.whl")
    pure = zipfile.ZipFile(path)
    assert set(pure.namelist()) == {name for name in wheel.namelist() if not name.endswith(EXTENSIONS)}
    assert "Root-Is-Purelib: true" in metadata(pure, "WHEEL")


@pytest.mark.skipif(os.name == "nt", reason="Microsoft's compiler is not named by CC")
def test_there_is_no_wheel_for_a_platform_without_compiled_parts(source_tree: Callable[[Path], Path]) -> None:
    tree = source_tree(ROOT)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    environment = {**os.environ, "CC": "/nowhere/cc", "ZOO_PURE": "0"}
    command = [sys.executable, "-c", code, str(tree.parent)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "set the environment variable ZOO_PURE=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tree.parent.glob("*.whl")) == []


def test_the_source_distribution_holds_all_that_its_tests_need(source_tree: Callable[[Path], Path]) -> None:
    tree = source_tree(ROOT)
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tree.parent)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tree.parent / done.stdout.splitlines()[-1]) as archive:
        inside = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert {"tests/conftest.py", "docs/tutorial.md", "benchmarks/tasks.py", "zoo/models/kernels/gating.pyx"} <= files
    assert files - inside == set()
    made = {name for name in inside - files if not name.startswith("crystal_zoo.egg-info/")}
    assert made == {"PKG-INFO", "setup.cfg"} - files  # they are there if the tests run from such a distribution


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
    assert (found["Name"], found["Version"]) == (PROJECT["name"], __version__)
    assert found["License-Expression"] == "MIT"
    assert found["Requires-Python"] == ">=3.11"
    needed = {each.name: each for each in map(Requirement, found.get_all("Requires-Dist"))}
    assert needed["dgl"].marker.evaluate({"python_version": "3.12"})
    assert not needed["dgl"].marker.evaluate({"python_version": "3.13"})
    assert found["Classifier"]
    assert [line.split(", ")[0] for line in found.get_all("Project-URL")] == list(PROJECT["urls"])
    assert found.get_payload().startswith("# zoo")


def test_the_conda_recipe_needs_the_same() -> None:
    recipe = yaml.safe_load((ROOT / "packaging" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == __version__
    names = {"torch": "pytorch", "matplotlib": "matplotlib-base", "huggingface-hub": "huggingface_hub"}
    expected = {"python": (SpecifierSet(), "")}
    for requirement in map(Requirement, PROJECT["dependencies"]):
        marker = str(requirement.marker or "").replace("python_version ", "")
        expected[names.get(requirement.name, requirement.name)] = requirement.specifier, marker
    found = {}
    for line in recipe["requirements"]["run"]:
        condition, needed = (line["if"], line["then"]) if isinstance(line, dict) else ("", line)
        name, _, versions = needed.partition(" ")
        found[name] = SpecifierSet(versions), re.sub(r'match\(python, "<(.*)"\)', r'< "\1"', condition)
    assert found == expected
    oldest = recipe["build"]["skip"].removeprefix('match(python, "<').removesuffix('")')
    assert PROJECT["requires-python"] == f">={oldest}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    assert (citation["url"], citation["repository-code"]) == (
        PROJECT["urls"]["Documentation"],
        PROJECT["urls"]["Source"],
    )


def test_the_examples_are_found_by_the_package_too() -> None:
    """In an editable install as in a wheel."""
    for name in ("dielectric.csv", "bulk_modulus.csv"):
        inside = importlib.resources.files("zoo.examples") / name
        assert inside.read_bytes() == (ROOT / "examples" / name).read_bytes()


def test_the_cards_of_this_installation_are_those_of_the_repository() -> None:
    assert backbones.card_folder(backbones.get("dEf-10k")).samefile(ROOT / "cards")
