"""Imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up; a module may import those before it: from its own layer's left, and from the layers before.
LAYERS = (
    ("compiled", "errors", "places", "files", "tomlfile", "wording", "begun", "pools", "devices"),
    ("contracts", "crystals", "progress"),
    (
        "_frontmatter",
        "card",
        "plugin_files",
        "extensions",
        "_huberrors",
        "whereabouts",
        "_hubwatch",
        "_hubclient",
        "registry",
        "seen",
        "hubcache",
        "strangers",
        "hub",
        "listing",
    ),
    (
        "_cif",
        "splits",
        "scaling",
        "elements",
        "_fastcif",
        "structures",
        "_readers",
        "_rows",
        "reading",
        "tables",
        "graphs",
        "packing",
        "conformal",
        "applicability",
        "store",
        "_mpclient",
        "materials_project",
        "stats",
        "leaks",
        "engines",
        "comparisons",
        "figures",
        "_dgl",
        "_lightning",
    ),
    (
        "batches",
        "models",
        "transfer",
        "inference",
        "loading",
        "interruptions",
        "averaging",
        "optimizing",
        "losses",
        "training",
        "tensorlist",
        "schema",
        "weights",
        "checkpoints",
    ),
    ("samples", "conformance", "_hubroutes", "hubserver", "testing"),
    (
        "prediction",
        "predicting",
        "convert",
        "sources",
        "lineage",
        "methods",
        "cells",
        "classical",
        "choosing",
        "options",
        "starting",
        "trust",
        "result",
        "plots",
        "report",
        "rundir",
        "finetuning",
        "study_plan",
        "study_analysis",
        "study_result",
        "recipes",
        "study_file",
        "study_cells",
        "study_setup",
        "study_figures",
        "study_prose",
        "study_report",
        "studies",
        "study_estimate",
        "selection",
        "continuing",
        "launch",
        "pretraining",
        "doctor",
        "periodic_table",
        "hubcard",
        "pulling",
        "publishing",
        "searching",
    ),
    ("console", "study_command", "fetch_command", "hub_commands", "cli", "__main__"),
)
LAYER = {module: place for place, module in enumerate(module for modules in LAYERS for module in modules)}


def _modules() -> dict[str, Path]:
    found = {path.stem: path for path in (ROOT / "zoo").glob("*.py") if path.stem != "__init__"}
    return {**found, "cli": ROOT / "cli.py"}


def _imports(path: Path, *, typing_too: bool = False) -> set[str]:
    """Modules of zoo that a file imports, wherever in the file, but not for type checking alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                skipped.update(ast.walk(node))
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "zoo":
            names.update(alias.name for alias in node.names if alias.name in LAYER)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zoo."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("zoo."))
    return names & LAYER.keys()


def test_every_module_has_a_layer() -> None:
    assert _modules().keys() - LAYER.keys() == set()


@pytest.mark.parametrize("name", sorted(_modules()))
def test_imports_point_down(name: str) -> None:
    upward = {other for other in _imports(_modules()[name]) if LAYER[other] > LAYER[name]}
    assert not upward, f"{name} imports modules that stand after it"


def test_the_models_know_nothing_of_jobs_or_files() -> None:
    for path in (ROOT / "zoo" / "models").glob("*.py"):
        assert _imports(path) <= {"_dgl", "batches", "compiled", "models", "pools"}, path.name


def test_the_figures_know_nothing_of_studies() -> None:
    """They take arrays and tables, so that they can be drawn of anybody's numbers."""
    for path in (ROOT / "zoo" / "figures").glob("*.py"):
        assert _imports(path) <= {
            "_readers",
            "comparisons",
            "crystals",
            "elements",
            "errors",
            "figures",
            "files",
            "periodic_table",
            "wording",
        }, path.name


def test_first_party_plugins_stand_on_the_ground_floor() -> None:
    """They come through the same door as everybody's; what they use of zoo is what a stranger can use."""
    for path in (ROOT / "plugins").glob("*.py"):
        assert _imports(path) <= {"contracts", "crystals", "graphs"}, path.name


def test_no_module_has_grown_past_four_hundred_lines() -> None:
    folders = ("zoo", "plugins", "tests", "benchmarks")
    paths = [*(path for folder in folders for path in (ROOT / folder).rglob("*.p[xy]*")), ROOT / "cli.py"]
    paths = [path for path in paths if path.suffix in (".py", ".pxd", ".pyx", ".h")]
    assert [path.name for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []
