"""The Materials Project's materials as a table, through the real client and a local server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("mp_api", reason="the extra mp is not installed")

from click.testing import CliRunner
from mp_api.client.core.client import _Rester
from mpserver import KEY, VERSION, MPServer
from pymatgen.io.vasp import Poscar
from tinyrecipe import RECIPE, write
from zoo.cli import main

from zoo import _mpclient, checkpoints, materials_project
from zoo.card import Card
from zoo.errors import DependencyError, InputError, SourceError
from zoo.graphs import GraphSettings
from zoo.materials_project import fetch, provenance
from zoo.store import table_graphs

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[1] / "examples" / "bulk_modulus.csv"


def example() -> pd.DataFrame:
    return pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:25]


def documents() -> list[dict[str, Any]]:
    """Twenty-five real crystals: one of them without structure, one deprecated, one of GNoME's."""
    found = [
        {
            "material_id": row.material_id,
            "structure": Poscar.from_str(row.structure).structure.as_dict(),
            "deprecated": False,
            "band_gap": 0.5 * number,
            "bulk_modulus": {"vrh": row.K_VRH, "voigt": 0.0, "reuss": 0.0} if number % 2 else None,
            "formula_pretty": row.formula,
            "is_metal": number % 3 == 0,
            "builder_meta": {"batch_id": None},
        }
        for number, row in enumerate(example().itertuples())
    ]
    found[3]["structure"] = None
    found[7]["deprecated"] = True
    found[11]["builder_meta"] = {"batch_id": "gnome_r2scan_statics"}
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MPServer]:
    monkeypatch.setattr(_mpclient, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("MP_API_KEY", KEY)
    with MPServer(documents()) as api:
        monkeypatch.setenv("MP_API_ENDPOINT", api.url)
        _Rester._get_heartbeat_info.cache_clear()
        yield api


def get(out: Path, **options: Any) -> materials_project.Fetched:
    return fetch(out, **{"fields": ("band_gap", "k_vrh"), "page": 10, "quiet": True, **options})


def test_the_table_holds_what_the_database_has(server: MPServer, tmp_path: Path) -> None:
    fetched = get(tmp_path / "mp.parquet", fields=("band_gap", "k_vrh", "formula_pretty", "is_metal"))
    assert (fetched.rows, fetched.rejected, fetched.version) == (22, 1, VERSION)
    assert server.pages == ["1", "2", "3"]
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


def test_graphs_are_built_from_it(server: MPServer, tmp_path: Path) -> None:
    get(tmp_path / "mp.parquet")
    graphs = table_graphs(tmp_path / "mp.parquet", GraphSettings(), quiet=True)
    assert (len(graphs.ids), graphs.rejected) == (22, [])


def test_version_and_licence_stay_with_the_table(server: MPServer, tmp_path: Path) -> None:
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


def test_a_limit_takes_the_first_by_identifier(server: MPServer, tmp_path: Path) -> None:
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
    server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    (note,) = checkpoints.read_config(tmp_path / "runs/tiny").provenance["tables"]
    assert (note["version"], note["cite"]) == (VERSION, "doi:10.1063/1.4812323")
    # Neither key nor network is needed any more.
    monkeypatch.delenv("MP_API_KEY")
    server.requests = []
    again = CliRunner().invoke(main, ["pretrain", "tiny.toml", "-q", "--device", "cpu", "--out", "again"])
    assert again.exit_code == 0, again.output
    assert server.requests == []
    shown = json.loads(CliRunner().invoke(main, ["cache", "info", "--json"]).stdout)["tables"]
    (table,) = (tmp_path / "cache/tables").glob("*.parquet")
    assert shown == [{"file": str(table), "bytes": table.stat().st_size}]
    assert CliRunner().invoke(main, ["cache", "clear"]).stdout.startswith("1 stores removed")
    assert table.exists()
    assert CliRunner().invoke(main, ["cache", "clear", "--tables"]).stdout.startswith("1 stores and tables removed")
    assert not table.exists()


def test_processes_that_need_the_same_table_fetch_it_once(
    server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    code = "from zoo.materials_project import cached; print(cached(('k_vrh',), quiet=True))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(2)
    ]
    found = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (table,) = (tmp_path / "tables").glob("*.parquet")
    assert found == {str(table)}
    assert server.pages == ["1"]


def test_without_a_key_a_recipe_that_fetches_says_so(
    server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MP_API_KEY")
    done = CliRunner().invoke(main, ["pretrain", str(recipe(tmp_path)), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: MP_API_KEY is not set; get yours at ")
    assert not list(tmp_path.glob("out*"))


# --- faults ---


@pytest.mark.parametrize("fault", ["busy", "out of order", "html", "cut", "closed"])
def test_what_passes_is_tried_again(fault: Any, server: MPServer, tmp_path: Path) -> None:
    server.faults = [fault, None, fault, None, fault, fault]
    assert get(tmp_path / "mp.parquet").rows == 22


@pytest.mark.parametrize("fault", ["busy", "out of order", "html", "cut", "closed"])
def test_what_does_not_pass_is_said_and_costs_no_page(fault: Any, server: MPServer, tmp_path: Path) -> None:
    server.faults = [None, None, *[fault] * 50]
    with pytest.raises(SourceError, match=r"does not answer: .*; run the same command again to go on") as caught:
        get(tmp_path / "mp.parquet")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mp.parquet").exists()
    server.faults, server.requests = [], []
    assert get(tmp_path / "mp.parquet").rows == 22
    assert server.pages == ["2", "3"]
    assert not (tmp_path / "mp.parquet.partial").exists()


def test_a_server_that_is_not_there_is_said(server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_ENDPOINT", "http://127.0.0.1:9/")
    with pytest.raises(SourceError, match="does not answer"):
        get(tmp_path / "mp.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_client_is_named(tmp_path: Path, server: MPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(DependencyError, match=r"pip install 'crystal-zoo\[mp\]'"):
        get(tmp_path / "mp.parquet")


# --- the key ---


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "MP_API_KEY is not set; get yours at https://"),
        ("  ", "MP_API_KEY is not set; get yours at https://"),
        ("secret1234\nsecret5678", "MP_API_KEY is no key: it has spaces or other such characters in it"),
        ("secret1234secret", "the Materials Project refuses the key in MP_API_KEY (one has 32 characters); get yours"),
        ("secret12" * 4, "the Materials Project refuses the key in MP_API_KEY (status 401); get yours"),
    ],
    ids=["missing", "blank", "broken", "short", "refused"],
)
def test_a_key_that_is_no_good_is_one_line_and_never_shown(
    key: str | None, message: str, server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is None:
        monkeypatch.delenv("MP_API_KEY")
    else:
        monkeypatch.setenv("MP_API_KEY", key)
    out = tmp_path / "mp.parquet"
    done = CliRunner().invoke(main, ["-v", "fetch", "materials-project", "--out", str(out)])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert "secret" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_key_goes_into_the_header_and_nowhere_else(server: MPServer, tmp_path: Path) -> None:
    server.faults = [None, "out of order"]
    done = CliRunner().invoke(
        main, ["-v", "fetch", "materials-project", "--out", str(tmp_path / "mp.parquet"), "--fields", "band_gap"]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"22 materials of the Materials Project, version {VERSION} (CC-BY-4.0), in {tmp_path / 'mp.parquet'}",
        f"1 without a usable structure, listed in {tmp_path / 'mp.rejected.csv'}",
    ]
    assert {headers["x-api-key"] for headers in server.headers} == {KEY}
    assert KEY not in done.output + json.dumps(server.requests)
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes()


# --- interruptions ---

KILLED = """
import os, signal, sys
from pathlib import Path
from zoo import _mpclient, checkpoints, materials_project
from zoo.card import Card

write = materials_project._Parts.write

def and_die(self, number, *rest):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, number, *rest)

materials_project._Parts.write = and_die
materials_project.fetch(Path(sys.argv[1]), ("band_gap", "k_vrh"), page=10, quiet=True)
"""


def test_a_run_killed_between_pages_goes_on_there(server: MPServer, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    get(whole)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(cut)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not cut.exists()
    server.requests = []
    get(cut)
    assert server.pages == ["3"]
    assert cut.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def begun(server: MPServer, out: Path) -> None:
    server.faults = [None, None, *["out of order"] * 4]
    with pytest.raises(SourceError):
        get(out)
    server.faults = []


def test_unfinished_work_of_another_query_or_release_is_refused(server: MPServer, tmp_path: Path) -> None:
    out = tmp_path / "mp.parquet"
    begun(server, out)
    with pytest.raises(InputError, match=r"mp\.parquet\.partial was begun with another fields; give the same"):
        get(out, fields=("band_gap",))
    server.version = "2026.02.01"
    _Rester._get_heartbeat_info.cache_clear()
    with pytest.raises(InputError, match=rf"begun with version {VERSION} of the data, and there is 2026\.02\.01 now"):
        get(out)


def test_a_page_that_is_damaged_is_fetched_again(server: MPServer, tmp_path: Path) -> None:
    out = tmp_path / "mp.parquet"
    begun(server, out)
    page = tmp_path / "mp.parquet.partial" / "page-00001.parquet"
    page.write_bytes(page.read_bytes()[:-20])
    server.requests = []
    assert get(out).rows == 22
    assert server.pages == ["1", "2", "3"]


def test_a_material_that_comes_twice_is_no_silent_loss_of_another(server: MPServer, tmp_path: Path) -> None:
    """The data changed between two pages: what was at their border is on both."""
    begun(server, tmp_path / "mp.parquet")
    server.documents.insert(0, {**server.documents[0], "material_id": "mp-0"})
    with pytest.raises(SourceError, match=r"gave a material twice: .*; remove .*mp\.parquet\.partial to begin again"):
        get(tmp_path / "mp.parquet")
    assert not (tmp_path / "mp.parquet").exists()


def test_a_full_disk_leaves_the_pages_before_it(server: MPServer, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    begun(server, tmp_path / "mp.parquet")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"page-00002\.parquet cannot be written: File too large; free") as caught:
            get(tmp_path / "mp.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "mp.parquet.partial").iterdir()) == [
        "begun.json",
        "page-00001.parquet",
    ]
    server.requests = []
    assert get(tmp_path / "mp.parquet").rows == 22
    assert server.pages == ["2", "3"]


# --- what cannot be asked for ---


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("bandgap",), "the Materials Project has no field 'bandgap'"),
        (("bulk_modulus",), "the field bulk_modulus is no number or text but a dict; name a part"),
    ],
)
def test_fields_that_are_not_there_are_named(
    fields: tuple[str, ...], message: str, server: MPServer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        get(tmp_path / "mp.parquet", fields=fields)


def test_a_table_that_is_there_is_never_overwritten(server: MPServer, tmp_path: Path) -> None:
    (tmp_path / "mp.parquet").write_text("mine")
    with pytest.raises(InputError, match=r"mp\.parquet exists; give another --out"):
        get(tmp_path / "mp.parquet")
    assert (tmp_path / "mp.parquet").read_text() == "mine"
