"""What networks learned, and of which crystals: their own, and those of the networks that they began from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from zoo.data.splits import make_split
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.hub import pull
from zoo.jobs import lineage, pretrained
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.registry import backbones, plugins
from zoo.registry.backbones import CRYSTALS_FILE

if TYPE_CHECKING:
    from zoo.data.tables.records import Record

EXAMPLE = Path(__file__).parents[2] / "examples" / "bulk_modulus.csv"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty bulk moduli, in a column of somebody's own name."""
    path = tmp_path_factory.mktemp("data") / "k.csv"
    table = pd.read_csv(EXAMPLE, comment="#").iloc[10:40]
    table.rename(columns={"K_VRH": "K_exp"}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine-tuned from dEf-10k."""
    out = tmp_path_factory.mktemp("run") / "mine"
    request = Options("bulk-modulus", data, target="K_exp", backbone="dEf-10k", mode="full", epochs=1, test=0.3)
    finetune(request, out, quiet=True)
    return out


def records(data: Path) -> list[Record]:
    return read_table(data, plugins.task("bulk-modulus"), target="K_exp").records


def change(run: Path, key: str, value: Any) -> None:
    config = json.loads((run / "config.json").read_text())
    config["provenance"][key] = value
    (run / "config.json").write_text(json.dumps(config))


def test_a_run_knows_what_its_backbone_knew(run: Path, data: Path) -> None:
    own = set(json.loads((run / "splits.json").read_text())["0"]["train"])
    before = backbones.training_ids(backbones.get("dEf-10k"))
    assert own - before
    assert lineage.training_ids(pull.pull(run)) == own | before


def test_what_was_learned_as_a_task_is_its_property_whatever_the_column(run: Path, data: Path) -> None:
    rows, task = records(data), plugins.task("bulk-modulus")
    splits = [make_split(rows, seed=seed, test=0.5) for seed in (1, 2)]
    own = set(json.loads((run / "splits.json").read_text())["0"]["train"])
    source = pretrained.load(run)
    expected = [len(own & {rows[row].id for row in split.test}) for split in splits]
    assert min(expected) > 0
    assert lineage.count_leaks([source], task, rows, splits) == {"mine": expected}
    assert lineage.count_leaks([pretrained.load("dEf-10k")], task, rows, splits) == {}
    # Its backbone learned formation energies, of other crystals of the table perhaps.
    known = backbones.training_ids(backbones.get("dEf-10k"))
    expected = [len(known & {rows[row].id for row in split.test}) for split in splits]
    found = lineage.count_leaks([source], plugins.task("formation-energy"), rows, splits)
    assert found == ({"mine": expected} if max(expected) else {})


def test_columns_are_compared_as_tables_are_read() -> None:
    task = plugins.task("bulk-modulus")
    assert lineage.TrainedOn((("k_vrh", None),), None).includes(task)
    assert not lineage.TrainedOn((("band_gap", "band-gap"),), None).includes(task)


def test_an_unknown_ancestor_is_silent_but_what_is_known_counts(run: Path, data: Path, tmp_path: Path) -> None:
    rows, task = records(data), plugins.task("bulk-modulus")
    splits = [make_split(rows, seed=1, test=0.5)]
    source = pretrained.load(run)
    before = lineage.count_leaks([source], task, rows, splits)
    copy = tmp_path / "mine"
    copy.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    for strange in ({"name": "x", "sha256": "0" * 64}, {"sha256": ["?"]}):
        change(copy, "backbone", strange)
        altered = replace(source, pulled=replace(source.pulled, directory=copy))
        assert lineage.training_ids(altered.pulled) is None
        assert lineage.without_list([altered]) == ["mine"]
        assert lineage.count_leaks([altered], task, rows, splits) == before
    change(copy, "backbone", "no mapping")
    change(copy, "experts", 7)
    assert lineage.training_ids(altered.pulled) == set(json.loads((copy / "splits.json").read_text())["0"]["train"])


@pytest.mark.parametrize("origin", ["directory", "hub"])
def test_a_copy_of_a_registered_backbone_is_known_by_its_weights_wherever_it_lies(origin: str, tmp_path: Path) -> None:
    copy = pull.pull(shutil.copytree(pull.pull("dEf-10k").directory, tmp_path / "net"))
    stranger = replace(copy, origin=origin, card=None)
    assert lineage.training_ids(stranger) == backbones.training_ids(backbones.get("dEf-10k"))


def test_crystals_with_other_identifiers_are_seen_and_named(run: Path, data: Path) -> None:
    """By structure: in the run's own list, and in that of the shelf, from which its backbone comes."""
    rows = records(data)
    renamed = [replace(record, id=f"mine-{place}", target=None) for place, record in enumerate(rows)]
    found = lineage.lineage(pull.pull(run))
    assert [(each.name, each.has_structures) for each in found] == [("mine", True), ("dEf-10k", True)]
    by_id = {place for place, record in enumerate(rows) if record.id in lineage.listed_ids(found)}
    assert 0 < len(by_id) < len(rows)
    assert lineage.seen(found, renamed) == {f"mine-{place}" for place in by_id}
    assert lineage.seen(found, rows) == {rows[place].id for place in by_id}
    unlisted = [replace(each, crystals=None) for each in found]
    assert lineage.seen(unlisted, renamed) is None
    (notes,) = lineage.Recognizer([run]).notes([record.crystal for record in renamed])
    own = set(json.loads((run / "splits.json").read_text())["0"]["train"])
    for place, (record, note) in enumerate(zip(rows, notes, strict=True)):
        assert bool(note) == (place in by_id), note
        if record.id in own:
            assert note.startswith(f"the same crystal as {record.id} in the training set of mine")


def test_nothing_is_recognised_without_a_list(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / CRYSTALS_FILE).unlink()
    change(copy, "backbone", None)
    with pytest.raises(InputError, match="copy: there is no list of training crystals"):
        lineage.Recognizer([copy])


def test_training_crystals_of_the_same_composition_are_found() -> None:
    """mp-22862 is rock salt, mp-22851 NaCl in the structure of cesium chloride."""
    from zoo.data.structures.conversion import as_crystal
    from zoo.testing import sample_crystals

    recognizer = lineage.Recognizer([pull.pull("dEf-113k").directory])
    found = recognizer.nearest(as_crystal(sample_crystals.crystals()["NaCl"]))
    assert found[0].id == "mp-22862"
    assert [each.distance for each in found] == sorted(each.distance for each in found)
    assert len({each.id for each in found}) == len(found) <= 5
