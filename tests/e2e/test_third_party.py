"""The example plugin package, installed into a fresh environment beside a wheel of zoo."""

import csv
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "zoo-plugin-thermal"


def run(*command, cwd, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ZOO_PLUGINS")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(build_wheel, tmp_path_factory):
    """Make an environment that has both wheels, and everything else from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=folder).strip()
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*install, build_wheel(ROOT), build_wheel(EXAMPLE), cwd=folder)
    # Later on the path than the wheels; .pth files in there (an editable zoo) are not followed.
    Path(purelib, "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    shutil.copytree(EXAMPLE / "tests", folder / "plugin-tests")
    return folder, python, scripts / "zoo"


def test_the_environment_uses_the_wheels(fresh):
    folder, python, _ = fresh
    code = "import zoo, zoo.cli, zoo_plugin_thermal as z; print(zoo.__file__, zoo.cli.__file__, z.__file__, sep='\\n')"
    for line in run(python, "-c", code, cwd=folder).split():
        assert Path(line).is_relative_to(folder)


def test_the_plugin_is_listed_by_name_and_version(fresh):
    folder, _, zoo = fresh
    listed = json.loads(run(zoo, "plugins", "list", "--json", cwd=folder))
    found = {(p["kind"], p["name"]): p for p in listed}
    for key in (("task", "debye-temperature"), ("featurizer", "lindemann-terms"), ("baseline", "lindemann")):
        assert found[key]["distribution"] == "zoo-plugin-thermal"
        assert found[key]["version"] == "1.0"
    assert found["task", "dielectric"]["distribution"] == "crystal-zoo"
    assert len([p for p in listed if p["kind"] == "task"]) == 9


def test_it_is_loaded_by_name_and_can_be_switched_off(fresh):
    folder, python, _ = fresh
    code = """
from zoo.registry import plugins as extensions
print(extensions.task("Debye-Temperature").unit, extensions.baseline("zoo-plugin-thermal:lindemann").featurizer)
print([extensions.check(p) for p in extensions.plugins()].count(None) == len(extensions.plugins()))
"""
    assert run(python, "-c", code, cwd=folder).split() == ["K", "lindemann-terms", "True"]
    listing = "from zoo.registry import plugins as extensions; print({p.distribution for p in extensions.plugins()})"
    assert run(python, "-c", listing, cwd=folder, ZOO_PLUGINS="off").strip() == "{'crystal-zoo'}"


def test_the_packages_own_tests_pass(fresh):
    folder, python, _ = fresh
    options = ("-q", "-p", "no:cacheprovider", "plugin-tests")
    assert " passed" in run(python, "-m", "pytest", *options, cwd=folder)


def test_fine_tuning_on_the_task_against_the_baseline(fresh):
    folder, python, zoo = fresh
    table = folder / "elements.csv"
    code = """
import csv, sys
sys.path.insert(0, "plugin-tests")
from test_zoo_plugin_thermal import ELEMENTS, SITES
from pymatgen.core import Lattice, Structure
with open(sys.argv[1], "w", newline="") as handle:
    out = csv.writer(handle)
    out.writerow(["id", "structure", "theta_D"])
    for symbol, (kind, a, theta) in ELEMENTS.items():
        crystal = Structure(Lattice.cubic(a), [symbol] * len(SITES[kind]), SITES[kind])
        out.writerow([symbol, crystal.to(fmt="poscar"), theta])
"""
    run(python, "-c", code, table, cwd=folder)
    options = ("--task", "debye-temperature", "--backbone", "none", "--baseline", "lindemann", "--baseline", "mean")
    printed = run(zoo, "finetune", *options, "--epochs", 2, "--test", 0.25, "--out", "run", table, cwd=folder)
    assert "lindemann" in printed
    with (folder / "run" / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["unit"] for row in rows} == {"K"}
    assert {row["id"] for row in rows} >= {"Cu", "Pb"}
