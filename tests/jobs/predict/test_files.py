"""Predictions of files, folders and tables, written to a CSV file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from zoo.errors import InputError
from zoo.jobs.predict.files import predict_files
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from zoo.jobs.predict.model import Model


def test_files_folders_and_tables(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, structure in samples.crystals().items():
        structure.to(filename=str(folder / f"{name}.cif"))
    (folder / "broken.cif").write_text("data_\nnothing here")
    table = tmp_path / "table.json"
    table.write_text(json.dumps([{"id": "t1", "structure": samples.crystals()["Si"].as_dict()}]))
    out = tmp_path / "predictions.csv"
    done = predict_files(model, [folder, table, folder / "Si.cif"], out)
    written = pd.read_csv(out)
    assert done.count == len(written) == len(samples.crystals()) + 2
    assert {"NaCl", "t1", "Si"} <= set(written.id)
    silicon = written[written.id.isin(["Si", "t1"])].prediction
    assert silicon.to_numpy() == pytest.approx(np.full(3, silicon.iloc[0]), rel=1e-4)
    assert [rejection.id for rejection in done.rejected] == ["broken"]
    assert pd.read_csv(tmp_path / "predictions.rejected.csv").id.tolist() == ["broken"]


def test_nothing_usable_leaves_nothing_half_written(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("no crystal")
    with pytest.raises(InputError, match=r"none of the 1 crystals given can be used; the first reason: .*a\.cif"):
        predict_files(model, [tmp_path / "a.cif"], tmp_path / "p.csv")
    with pytest.raises(InputError, match="there is no such file"):
        predict_files(model, [tmp_path / "b.cif"], tmp_path / "p.csv")
    assert not list(tmp_path.glob("p.csv*"))


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no device files here")
def test_only_regular_files_and_earlier_predictions_are_overwritten(model: Model, tmp_path: Path) -> None:
    silicon = tmp_path / "Si.cif"
    samples.crystals()["Si"].to(filename=str(silicon))
    for out in (Path("/dev/null"), Path("/dev/full")):
        with pytest.raises(InputError, match=f"{out} is not a regular file; give another --out"):
            predict_files(model, [silicon], out)
    with pytest.raises(InputError, match="exists and holds no predictions"):
        predict_files(model, [silicon], silicon)
    for _ in range(2):
        assert predict_files(model, [silicon], tmp_path / "p.csv").count == 1


def test_ids_that_are_no_text_in_utf_8(model: Model, tmp_path: Path) -> None:
    """Half a surrogate pair in JSON, and a file's name of any bytes."""
    silicon = samples.crystals()["Si"]
    table = tmp_path / "table.jsonl"
    rows = [{"id": "\ud800", "structure": silicon.as_dict()}, {"id": "\udfff", "structure": "none"}]
    table.write_text("\n".join(json.dumps(row) for row in rows))
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.cif"))
    try:
        named.write_text(silicon.to(fmt="cif"))
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    done = predict_files(model, [table, named], tmp_path / "predictions.csv")
    assert pd.read_csv(done.out).id.tolist() == ["\\ud800", "\\udcff"]
    assert done.rejected_out is not None
    assert pd.read_csv(done.rejected_out).id.tolist() == ["\\udfff"]
