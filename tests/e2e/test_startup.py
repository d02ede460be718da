"""What is looked up often starts fast: it imports none of the heavy packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pymatgen.io.cif import CifWriter
from support.rocksalt import rock_salt

import zoo
from zoo._utils import compiled

HEAVY = {"torch", "dgl", "pymatgen", "matminer", "sklearn", "scipy", "pandas", "matplotlib"}
SUBMODULES = {path.stem for path in Path(zoo.__file__).parent.iterdir()} | {"cli", "plugins", "cards"}
RUN = """
import json, sys
sys.argv[0] = "zoo"
from zoo.cli import main
code = main(sys.argv[1:], standalone_mode=False)
print()
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""
IMPORT = """
import json, sys
before = set(sys.modules)
import zoo
print(json.dumps(sorted(name for name in set(sys.modules) - before if "." not in name)))
"""


def modules_after(code: str, *arguments: str) -> tuple[str, set[str]]:
    """Run code in a fresh interpreter; return what it printed and the top-level modules it ended with."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    printed, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return printed, set(json.loads(last))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("--help", "fine-tuned on your few hundred crystals"),
        ("--version", zoo.__version__),
        ("list", "dEf-10k"),
        ("list --json", '"name": "dEf-10k"'),
        ("show dEf-10k", "model.safetensors"),
        ("plugins list", "formation-energy"),
    ],
)
def test_light_commands_stay_light(command: str, shown: str) -> None:
    printed, modules = modules_after(RUN, *command.split())
    assert shown in printed
    assert modules & HEAVY == set()


def test_a_prediction_imports_no_torch_and_little_else(tmp_path: Path) -> None:
    salt = tmp_path / "nacl.cif"
    salt.write_text(str(CifWriter(rock_salt("NaCl"))), encoding="utf-8")
    printed, modules = modules_after(
        RUN, "predict", "dEf-10k", str(salt), "--out", str(tmp_path / "p.csv"), "--device", "cpu"
    )
    assert "nacl" in printed
    # Without a C compiler, pymatgen's compiled search.
    assert modules & (HEAVY | {"sympy"}) == ({"pymatgen"} if "nearest" in compiled.missing() else set())


def test_a_command_ends_without_a_search_for_garbage() -> None:
    """What is frozen is not looked at: after torch was imported, that search takes a third of a second."""
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); from zoo.cli import main; "
    command = [sys.executable, "-c", code + "main(['list'], standalone_mode=False)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_the_probe_would_notice() -> None:
    assert "torch" in modules_after(IMPORT.replace("import zoo\n", "import zoo; zoo.finetune\n"))[1]


def test_importing_zoo_imports_next_to_nothing() -> None:
    _, modules = modules_after(IMPORT)
    assert modules & (HEAVY | {"numpy", "pydantic", "click", "rich", "huggingface_hub"}) == set()
    assert "zoo" in modules


def test_dir_shows_the_public_names() -> None:
    assert len(set(zoo.__all__)) == len(zoo.__all__)
    code = "import json, zoo; print(); print(json.dumps([n for n in dir(zoo) if not n.startswith('_')]))"
    _, names = modules_after(code)
    assert set(zoo.__all__) <= names
    assert names - set(zoo.__all__) == {"contracts", "errors", "figures", "registry", "testing"}


@pytest.mark.parametrize("name", [name for name in zoo.__all__ if name not in SUBMODULES])
def test_every_public_name_resolves(name: str) -> None:
    value = getattr(zoo, name)
    assert value.__doc__
    assert value.__module__.startswith("zoo.")


@pytest.mark.parametrize("name", zoo.__all__)
def test_no_public_name_is_that_of_a_module(name: str) -> None:
    """An import of the module ``zoo.name`` would put the module in the place of the function."""
    assert name not in SUBMODULES


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'lode'"):
        zoo.lode  # noqa: B018
