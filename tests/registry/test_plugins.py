import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import PluginError, UnknownNameError
from zoo.registry import plugins
from zoo.registry.contracts import Baseline, Featurizer, Task

HARDNESS = """
from zoo import Task
hardness = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.1, 150.0))
"""

SINGLE_FILE = """
import numpy as np
from zoo.registry.contracts import Baseline, Task
from zoo.plugins.featurizers import Magpie
from zoo.plugins.tasks import dielectric

hardness = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.1, 150.0))
same = hardness
_draft = Task("draft", target="x", unit="")

class Counter:
    name = "counter"
    labels = ["atoms"]
    citations = []
    def featurize(self, structures):
        return np.array([[len(s)] for s in structures], dtype=float)

def build(seed):
    from sklearn.linear_model import Ridge
    return Ridge()

ridge = Baseline("plain-ridge", build=build, featurizer="counter")
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Every test starts without files and with third parties on."""
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    plugins.remove_files()
    yield
    plugins.remove_files()


def names(kind):
    return [plugin.name for plugin in plugins.plugins(kind)]


def test_what_ships_is_registered_and_sound():
    ours = [plugin for plugin in plugins.plugins() if plugin.ours]
    assert {plugin.name for plugin in ours if plugin.kind == "task"} == {
        "formation-energy",
        "band-gap",
        "metallicity",
        "bulk-modulus",
        "shear-modulus",
        "dielectric",
        "refractive-index",
        "gw-gap",
    }
    assert [p.name for p in ours if p.kind == "featurizer"] == ["embedding", "magpie", "magpie-structure"]
    baselines = ["lasso", "logistic", "majority", "mean", "pls", "rf", "ridge", "svc", "svr"]
    assert [p.name for p in ours if p.kind == "baseline"] == baselines
    assert [plugins.check(plugin) for plugin in ours] == [None] * len(ours)


def test_listing_imports_nothing_heavy_and_no_plugin():
    code = """
import sys, json
from zoo.registry import plugins as extensions
found = extensions.plugins()
heavy = ["numpy", "torch", "dgl", "pymatgen", "matminer", "sklearn", "pandas", "pydantic", "scipy"]
print(json.dumps([len(found), [m for m in sys.modules if m in heavy or m.startswith("zoo.plugins")]]))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    count, loaded = json.loads(out)
    assert count >= 16
    assert loaded == []


def test_a_third_party_task(install):
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    (plugin,) = [p for p in plugins.plugins("task") if p.name == "hardness"]
    assert (plugin.distribution, plugin.version, plugin.value) == ("zoo-hard", "1.2", "hard:hardness")
    assert not plugin.ours
    assert "hard" not in sys.modules
    loaded = plugins.task("Hardness")
    assert isinstance(loaded, Task)
    assert loaded.target == "H_V"
    assert plugins.task("zoo-hard:HARDNESS") is loaded
    assert loaded in plugins.tasks()


def test_packages_are_seen_to_come_and_go(install):
    site = install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    before = plugins.plugins()
    assert plugins.plugins() == before
    install("zoo-soft", {"tasks": {"softness": "hard:hardness"}})  # into the same folder
    assert set(names("task")) - {plugin.name for plugin in before} == {"softness"}
    for name in ("zoo_hard", "zoo_soft"):
        shutil.rmtree(site / f"{name}-1.2.dist-info")
    assert not {"hardness", "softness"} & set(names("task"))


def test_ours_come_first(install):
    install("a-first-package", {"tasks": {"aaa": "hard:hardness"}}, {"hard": HARDNESS})
    assert names("task")[0] == "band-gap"
    assert names("task")[-1] == "aaa"


@pytest.mark.parametrize(
    ("value", "source", "said"),
    [
        ("hard:hardness", "import surely_not_installed", "ModuleNotFoundError: No module named 'surely_not_installed'"),
        ("hard:hardness", "raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("hard:hardness", "raise SystemExit(3)", "SystemExit: 3"),
        ("hard:hardness", "raise GeneratorExit", "GeneratorExit"),
        ("hard:hardness", "raise BaseExceptionGroup('two', [KeyboardInterrupt()])", "BaseExceptionGroup: two (1 sub-"),
        ("hard:hardness", "class Own(KeyboardInterrupt): ...\nraise Own", "Own (hard.py, line 2)"),
        ("hard:hardness", "hardness = = 3", "SyntaxError"),
        ("hard:softness", HARDNESS, "AttributeError"),
        ("nowhere:hardness", HARDNESS, "No module named 'nowhere'"),
        ("not a value!", HARDNESS, "cannot be loaded"),
        ("hard:hardness", "hardness = {'name': 'hardness'}", "is a dict, not a zoo.contracts.Task"),
        ("hard", HARDNESS, "is a module, not a zoo.contracts.Task"),
        ("hard:hardness", HARDNESS.replace('"hardness"', '"toughness"'), "calls itself 'toughness'"),
        ("hard:hardness", HARDNESS.replace("unit=", "gauge=3, unit="), "unexpected keyword argument 'gauge'"),
    ],
)
def test_a_broken_plugin_breaks_only_itself(install, value, source, said):
    install("zoo-hard", {"tasks": {"hardness": value}}, {"hard": source})
    (plugin,) = [p for p in plugins.plugins("task") if p.name == "hardness"]
    problem = plugins.check(plugin)
    assert "task 'hardness' of package zoo-hard 1.2" in problem
    assert said in problem
    assert "pip install --upgrade zoo-hard" in problem
    assert "\n" not in problem
    with pytest.raises(PluginError) as raised:
        plugins.task("hardness")
    assert str(raised.value) == problem
    assert plugins.task("dielectric").name == "dielectric"
    assert "hardness" not in [task.name for task in plugins.tasks()]


@pytest.mark.parametrize(("api", "remedy"), [(2, "update crystal-zoo"), (0, "update zoo-hard")])
def test_another_version_of_the_contract_is_refused(install, api, remedy):
    source = HARDNESS.replace("valid=", f"zoo_api={api}, valid=")
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": source})
    with pytest.raises(PluginError, match=rf"was written for zoo_api {api}, this zoo has 1: {remedy}"):
        plugins.task("hardness")


def test_two_plugins_of_one_name(install):
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    install("zoo-stiff", {"tasks": {"Hardness": "stiff:hardness"}}, {"stiff": HARDNESS.replace("GPa", "HV")})
    assert [(p.qualified, p.duplicate) for p in plugins.plugins("task") if not p.ours] == [
        ("zoo-hard:hardness", True),
        ("zoo-stiff:Hardness", True),
    ]
    with pytest.raises(PluginError) as raised:
        plugins.task("hardness")
    assert "package zoo-hard 1.2 and package zoo-stiff 1.2" in str(raised.value)
    assert "zoo-hard:hardness or zoo-stiff:Hardness" in str(raised.value)
    assert plugins.task("zoo-hard:hardness").unit == "GPa"
    assert plugins.task("zoo-stiff:hardness").unit == "HV"


def test_one_of_our_names_means_ours_whatever_is_installed(install):
    source = HARDNESS.replace('"hardness"', '"dielectric"')
    install("zoo-other", {"tasks": {"Dielectric": "other:hardness"}}, {"other": source})
    assert plugins.task("dielectric").target == plugins.task("crystal-zoo:dielectric").target == "eps_total"
    assert plugins.task("zoo-other:dielectric").target == "H_V"
    assert [p.qualified for p in plugins.plugins("task") if p.duplicate] == ["zoo-other:Dielectric"]
    assert not any(p.duplicate for p in plugins.plugins("baseline"))


def test_one_distribution_found_twice_is_no_duplicate(install):
    # As after `pip install -e .` beside an installed wheel; the first on the path is the one that runs.
    for site, version in (("wheel", "1.1"), ("editable", "1.2")):
        install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS}, version=version, site=site)
    (plugin,) = [p for p in plugins.plugins("task") if not p.ours]
    assert (plugin.version, plugin.duplicate) == ("1.2", False)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean bulk-modulus"):
        plugins.task("bulk_modulus")
    with pytest.raises(UnknownNameError, match="crystal-zoo:dielectric"):
        plugins.task("crystalzoo:dielectric")
    with pytest.raises(UnknownNameError, match="no featurizer is called 'dielectric'"):
        plugins.featurizer("dielectric")


def test_third_parties_can_be_switched_off(install, monkeypatch):
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    monkeypatch.setenv("ZOO_PLUGINS", "OFF")
    assert all(plugin.ours for plugin in plugins.plugins())
    assert plugins.task("dielectric")
    with pytest.raises(PluginError, match=r"package zoo-hard 1\.2 is switched off by ZOO_PLUGINS=off"):
        plugins.task("hardness")
    monkeypatch.setenv("ZOO_PLUGINS", "of")
    with pytest.raises(PluginError, match="ZOO_PLUGINS is 'of'; it can be on or off"):
        plugins.plugins()
    monkeypatch.setenv("ZOO_PLUGINS", "on")
    assert "hardness" in names("task")


FEATURIZER = """
import numpy as np
class Counter:
    citations = []
    def __init__(self): self.labels = ["atoms"]
    def featurize(self, structures): return np.array([[len(s)] for s in structures], dtype=float)
def make(): return Counter()
ready = Counter()
class Broken:
    def __init__(self): raise OSError("no data file")
class Bare:
    def featurize(self, structures): ...
class Old(Counter):
    zoo_api = 7
class Costly(Counter):
    def __init__(self): ...
    @property
    def labels(self): raise AssertionError("asked for labels too early")
"""


@pytest.mark.parametrize("value", ["Counter", "make", "ready"])
def test_a_featurizer_is_an_object_a_class_or_a_function(install, value):

    install("zoo-count", {"featurizers": {"counter": f"count:{value}"}}, {"count": FEATURIZER})
    from zoo.testing import crystals

    made = plugins.featurizer("counter")
    assert isinstance(made, Featurizer)
    np.testing.assert_array_equal(made.featurize(list(crystals().values())), [[8], [8], [2], [5], [4]])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Broken", "OSError: no data file"),
        ("Bare", "lacks labels and citations"),
        ("Old", "zoo_api 7"),
        ("np", "is a module, without a method featurize"),
    ],
)
def test_a_broken_featurizer(install, value, said):
    install("zoo-count", {"featurizers": {"counter": f"count:{value}"}}, {"count": FEATURIZER})
    with pytest.raises(PluginError, match=said):
        plugins.featurizer("counter")


def test_loading_a_featurizer_does_not_ask_for_its_labels(install):
    install("zoo-count", {"featurizers": {"counter": "count:Costly"}}, {"count": FEATURIZER})
    assert plugins.featurizer("counter")


def test_backbones_are_packages(install):
    root = install("zoo-shelf", {"backbones": {"shelf": "zoo_shelf_cards", "flat": "hard"}}, {"hard": HARDNESS})
    (root / "zoo_shelf_cards").mkdir()
    (root / "zoo_shelf_cards" / "__init__.py").touch()
    assert plugins.load("backbone", "shelf").__name__ == "zoo_shelf_cards"
    with pytest.raises(PluginError, match="not a package with a folder of cards"):
        plugins.load("backbone", "flat")


def test_metadata_without_a_name_hides_nobody(install):
    root = install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    (root / "zoo_hard-1.2.dist-info" / "METADATA").write_text("")
    assert plugins.task("hardness").unit == "GPa"
    assert "dielectric" in names("task")


def test_a_single_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(SINGLE_FILE)
    added = plugins.add_file(file)
    assert [(p.kind, p.name, p.distribution, p.value) for p in added] == [
        ("task", "hardness", "mine.py", "mine.py:hardness"),
        ("featurizer", "counter", "mine.py", "mine.py:Counter"),
        ("baseline", "plain-ridge", "mine.py", "mine.py:ridge"),
    ]
    assert [plugins.check(plugin) for plugin in plugins.plugins() if plugin.origin] == [None] * 3
    assert plugins.task("HARDNESS").target == "H_V"
    assert plugins.task("mine.py:hardness").target == "H_V"
    assert isinstance(plugins.baseline("plain-ridge"), Baseline)
    assert plugins.featurizer(plugins.baseline("plain-ridge").featurizer).labels == ["atoms"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"], "byte code was left beside the file"


def test_a_single_file_stays_when_third_parties_are_off(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text(HARDNESS)
    plugins.add_file(file)
    monkeypatch.setenv("ZOO_PLUGINS", "off")
    assert plugins.task("hardness").unit == "GPa"


def test_a_single_file_is_read_again(tmp_path):
    file = tmp_path / "mine.py"
    for unit in ("GPa", "MPa"):  # as many bytes within one second: stale byte code would show
        file.write_text(HARDNESS.replace("GPa", unit))
        plugins.add_file(str(file))
        assert plugins.task("hardness").unit == unit


def test_two_files_of_one_name(tmp_path):
    files = [tmp_path / folder / "mine.py" for folder in ("a", "b")]
    for file, unit in zip(files, ("GPa", "MPa"), strict=True):
        file.parent.mkdir()
        file.write_text(HARDNESS.replace("GPa", unit))
        plugins.add_file(file)
    with pytest.raises(PluginError, match="say which one"):
        plugins.task("hardness")
    assert plugins.task("mine.py:hardness").unit == "GPa"
    assert plugins.task(f"{files[1]}:hardness").unit == "MPa"


def test_a_file_and_a_package_of_one_name(install, tmp_path):
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS})
    file = tmp_path / "mine.py"
    file.write_text(HARDNESS.replace("GPa", "MPa"))
    plugins.add_file(file)
    with pytest.raises(PluginError, match=r"mine\.py and package zoo-hard 1\.2; say which one"):
        plugins.task("hardness")
    assert plugins.task("mine.py:hardness").unit == "MPa"


def test_a_file_that_cannot_be_read_leaves_the_earlier_one(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HARDNESS)
    plugins.add_file(file)
    file.write_text("raise RuntimeError")
    with pytest.raises(PluginError, match="RuntimeError"):
        plugins.add_file(Path(str(file)))
    assert plugins.task("hardness").unit == "GPa"
