"""Plugins in a single file: what is found in it, and where it is broken."""

import hashlib
import json
import sys

import pytest

from zoo.errors import PluginError
from zoo.registry import plugins
from zoo.registry.plugin_files import one_line, one_line_with_place, read_plugin_file

HARDNESS = """
from zoo import Task
hardness = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.1, 150.0))
"""


def test_what_a_file_offers_each_once_in_its_order(tmp_path):
    file = tmp_path / "mine.py"
    made = "import zoo.plugins.tasks as tasks\nfrom zoo import Baseline\nfrom zoo.plugins.tasks import dielectric\n"
    made += "_hidden = tasks.gw_gap\nfirst = tasks.band_gap\nagain = first\n"
    made += "class Counter:\n    name = 'counter'\n    def featurize(self, structures): ...\n"
    file.write_text(made + HARDNESS)
    found, digest = read_plugin_file(file, "mine.py")
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [(kind, name, attribute) for kind, name, attribute, _ in found] == [
        ("task", "band-gap", "first"),
        ("featurizer", "counter", "Counter"),
        ("task", "hardness", "hardness"),
    ]
    assert found[2][3].unit == "GPa"


def test_classes_of_a_file_are_found_by_pickle_and_a_file_called_json_shadows_nothing(tmp_path):
    file = tmp_path / "json.py"
    file.write_text("class Counter:\n    name = 'counter'\n    def featurize(self, structures): ...\n")
    ((_, _, _, counter),), _ = read_plugin_file(file, "json.py")
    assert sys.modules[counter.__module__].Counter is counter
    assert not hasattr(sys.modules["json"], "Counter")


class UnshowableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 1000), f"ValueError: {'x' * 300} …"),
        (UnshowableError(), "UnshowableError: <exception str() failed>"),
    ],
)
def test_an_exception_is_shown_on_one_line(error, line):
    assert one_line(error) == line


def test_the_place_is_where_it_was_raised():
    def fail():
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose") as caught:
        fail()
    number = fail.__code__.co_firstlineno + 1
    assert one_line_with_place(caught.value) == f"ValueError: on purpose (test_plugin_files.py, line {number})"


def test_the_place_is_in_the_code_of_the_plugin_rather_than_of_a_library():
    def fail():
        json.loads("{")

    with pytest.raises(ValueError, match="Expecting") as caught:
        fail()
    number = fail.__code__.co_firstlineno + 1
    assert one_line_with_place(caught.value).endswith(f"(test_plugin_files.py, line {number})")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "No such file or directory"),
        ("x = 1\ntask = = 2\n", ", line 2: not valid Python"),
        ("x = 1\nif x:\ny = 2\n", ", line 3: not valid Python"),
        ("a = 1\0", "not valid Python"),
        ("import no_such_module_of_zoo", "; install the package that has no_such_module_of_zoo, or correct the file"),
        ("\n\nraise RuntimeError('on purpose')", ", line 3: RuntimeError: on purpose"),
        ("import sys\nsys.exit(4)", ", line 2: SystemExit: 4"),
        ("import surely_not_installed", ", line 1: ModuleNotFoundError"),
        ("x = 1", "no Task, Baseline, Network or featurizer"),
        ("from zoo.plugins.tasks import dielectric", "no Task, Baseline, Network or featurizer"),
        (HARDNESS + HARDNESS.replace("hardness =", "again ="), "are both a task called 'hardness'"),
        ("from zoo import Task\nt = Task('t', target='x', unit='', valid=(2, 1))", ", line 2: ValueError: task 't'"),
    ],
)
def test_a_single_file_that_cannot_be_used(tmp_path, source, said):
    file = tmp_path / "mine.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(PluginError) as raised:
        plugins.add_file(file)
    assert str(raised.value).startswith(str(file))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [p for p in plugins.plugins() if p.origin] == []


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(PluginError, match="directory"):
        plugins.add_file(tmp_path)
