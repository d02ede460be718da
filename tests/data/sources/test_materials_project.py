"""The Materials Project's materials as a table, through the real client and a local server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("mp_api", reason="the extra mp is not installed")

from click.testing import CliRunner
from pymatgen.io.vasp import Poscar
from support.mpserver import VERSION, MPServer, documents, get
from support.tinyrecipe import EXAMPLE, RECIPE, example, write
from zoo.cli import main

from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.graphs.store import table_graphs
from zoo.data.sources.materials_project import provenance
from zoo.errors import InputError
from zoo.models.checkpoint import weights
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from pathlib import Path


def test_the_table_holds_what_the_database_has(mp_server: MPServer, tmp_path: Path) -> None:
    fetched = get(tmp_path / "mp.parquet", fields=("band_gap", "k_vrh", "formula_pretty", "is_metal"))
    assert (fetched.rows, fetched.rejected, fetched.version) == (22, 1, VERSION)
    assert mp_server.pages == ["1", "2", "3"]
    table = pd.read_parquet(tmp_path / "mp.parquet")
    wanted = {each["material_id"]: each for n, each in enumerate(documents()) if n not in (3, 7, 11)}
    assert table.material_id.tolist() == sorted(wanted)
    for row in table.itertuples():
        document = wanted[row.material_id]
        assert row.band_gap == document["band_gap"]
        assert row.formula_pretty == document["formula_pretty"]
        assert row.is_metal == float(document["is_metal"])
        modulus = (document["bulk_modulus"] or {}).get("vrh", np.nan)
        np.testing.assert_equal(row.k_vrh, modulus)
        structure = Poscar.from_str(example().set_index("material_id").structure[row.material_id]).structure
        assert row.atomic_numbers.tolist() == [site.specie.Z for site in structure]
        np.testing.assert_allclose(row.lattice, structure.lattice.matrix.ravel())
        np.testing.assert_allclose(row.frac_coords, structure.frac_coords.ravel())
    rejected = pd.read_csv(tmp_path / "mp.rejected.csv")
    assert rejected[["id", "reason"]].to_numpy().tolist() == [[documents()[3]["material_id"], "no structure is given"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mp.parquet", "mp.rejected.csv"]


def test_graphs_are_built_from_it(mp_server: MPServer, tmp_path: Path) -> None:
    get(tmp_path / "mp.parquet")
    graphs = table_graphs(tmp_path / "mp.parquet", GraphSettings(), quiet=True)
    assert (len(graphs.ids), graphs.rejected) == (22, [])


def test_version_and_licence_stay_with_the_table(mp_server: MPServer, tmp_path: Path) -> None:
    get(tmp_path / "mp.parquet")
    assert provenance(tmp_path / "mp.parquet") == {
        "source": "Materials Project",
        "version": VERSION,
        "license": "CC-BY-4.0",
        "cite": "doi:10.1063/1.4812323",
        "client": provenance(tmp_path / "mp.parquet")["client"],  # type: ignore[index]
        "query": {
            "deprecated": False,
            "include_gnome": False,
            "fields": ["band_gap", "k_vrh"],
            "limit": None,
            "page": 10,
        },
        "rows": 22,
        "rejected": 1,
    }
    example().to_parquet(tmp_path / "other.parquet")
    assert provenance(tmp_path / "other.parquet") is None
    assert provenance(EXAMPLE) is None


def test_a_limit_takes_the_first_by_identifier(mp_server: MPServer, tmp_path: Path) -> None:
    get(tmp_path / "all.parquet")
    get(tmp_path / "few.parquet", limit=13)
    few, every = (pd.read_parquet(tmp_path / f"{name}.parquet").material_id.tolist() for name in ("few", "all"))
    assert few == every[: len(few)]
    assert len(few) in (12, 13)  # one of them may be the one without structure


# --- a recipe that names the database ---

FETCH = """
[data.fetch]
database = "materials-project"
fields = ["k_vrh"]

[data.split]
test = 0.2
validation = 0.2
"""


def recipe(folder: Path) -> Path:
    text = RECIPE.replace('[data]\nids = "ids.json"\n', f"[data]\n{FETCH}").replace("batch_size = 8", "batch_size = 2")
    return write(folder, text)


def test_a_recipe_fetches_its_table_once_and_the_card_says_from_where(
    mp_server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    recipe(tmp_path)
    first = CliRunner().invoke(main, ["pretrain", "tiny.toml", "-q", "--device", "cpu"])
    assert first.exit_code == 0, first.output
    card = Card.read(tmp_path / "runs/tiny/README.md")
    assert (card.training.source, card.training.license) == (f"Materials Project, version {VERSION}", "CC-BY-4.0")
    assert card.command == "zoo pretrain tiny.toml"
    assert card.training.rows is not None
    labelled = [n for n in range(1, 25, 2) if n not in (3, 7, 11)]
    assert card.training.rows.train + card.training.rows.val + card.training.rows.test == len(labelled)
    (note,) = weights.read_config(tmp_path / "runs/tiny").provenance["tables"]
    assert (note["version"], note["cite"]) == (VERSION, "doi:10.1063/1.4812323")
    # Neither key nor network is needed any more.
    monkeypatch.delenv("MP_API_KEY")
    mp_server.requests = []
    again = CliRunner().invoke(main, ["pretrain", "tiny.toml", "-q", "--device", "cpu", "--out", "again"])
    assert again.exit_code == 0, again.output
    assert mp_server.requests == []
    shown = json.loads(CliRunner().invoke(main, ["cache", "info", "--json"]).stdout)["tables"]
    (table,) = (tmp_path / "cache/tables").glob("*.parquet")
    assert shown == [{"file": str(table), "bytes": table.stat().st_size}]
    assert CliRunner().invoke(main, ["cache", "clear"]).stdout.startswith("1 store removed")
    assert table.exists()
    assert CliRunner().invoke(main, ["cache", "clear", "--tables"]).stdout.startswith("1 item removed")
    assert not table.exists()


def test_processes_that_need_the_same_table_fetch_it_once(
    mp_server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    code = "from zoo.data.sources.materials_project import cached; print(cached(('k_vrh',), quiet=True))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(2)
    ]
    found = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (table,) = (tmp_path / "tables").glob("*.parquet")
    assert found == {str(table)}
    assert mp_server.pages == ["1"]


def test_without_a_key_a_recipe_that_fetches_says_so(
    mp_server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MP_API_KEY")
    done = CliRunner().invoke(main, ["pretrain", str(recipe(tmp_path)), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: MP_API_KEY is not set; get yours at ")
    assert not list(tmp_path.glob("out*"))


# --- what cannot be asked for ---


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("bandgap",), "the Materials Project has no field 'bandgap'"),
        (("bulk_modulus",), "the field bulk_modulus is a dict, not a number or text; name a part"),
    ],
)
def test_fields_that_are_not_there_are_named(
    fields: tuple[str, ...], message: str, mp_server: MPServer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        get(tmp_path / "mp.parquet", fields=fields)


def test_a_table_that_is_there_is_never_overwritten(mp_server: MPServer, tmp_path: Path) -> None:
    (tmp_path / "mp.parquet").write_text("mine")
    with pytest.raises(InputError, match=r"mp\.parquet exists; give another --out"):
        get(tmp_path / "mp.parquet")
    assert (tmp_path / "mp.parquet").read_text() == "mine"
