"""Make dielectric.csv and bulk_modulus.csv from the source distribution of matminer 0.3.2.

Run it with the archive's path::

    pip download --no-deps --no-binary :all: matminer==0.3.2
    python examples/make_examples.py matminer-0.3.2.tar.gz

Values are copied as the text that stands in the source, so that no digit is lost. Of the two forms that the
source has for each crystal, the POSCAR is taken: it is the shorter, and it has the coordinates as published,
while reading the CIF with pymatgen moves those within 1e-4 of a simple fraction onto it. Both forms describe
the same cell (volumes agree within 5e-7).
"""

from __future__ import annotations

import csv
import io
import sys
import tarfile
from pathlib import Path

FOLDER = "matminer-0.3.2/matminer/datasets"
EXAMPLES = {
    "dielectric.csv": ("dielectric_constant.csv", ("poly_total", "poly_electronic", "n", "band_gap")),
    "bulk_modulus.csv": ("elastic_tensor.csv", ("K_VRH", "G_VRH")),
}


def tidy(poscar: str) -> str:
    """Return the POSCAR without the symbols that repeat behind every coordinate line."""
    lines = poscar.strip().split("\n")
    return "\n".join([*lines[:8], *(" ".join(line.split()[:3]) for line in lines[8:])])


def main(archive: Path) -> None:
    """Write the examples beside this script."""
    csv.field_size_limit(1 << 27)
    with tarfile.open(archive) as tar:
        for name, (source, values) in EXAMPLES.items():
            member = tar.extractfile(f"{FOLDER}/{source}")
            if member is None:
                raise SystemExit(f"{archive} holds no file {FOLDER}/{source}")
            lines = io.TextIOWrapper(member, encoding="utf-8", newline="")
            lines.readline()  # a comment with the reference
            with (Path(__file__).parent / name).open("w", encoding="utf-8", newline="") as out:
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow(["material_id", "formula", "structure", *values])
                reader = csv.reader(lines)
                header = next(reader)
                for cells in reader:  # some of the sources have an unnamed index before the named columns
                    row = dict(zip(header, cells[len(cells) - len(header) :], strict=True))
                    record = [row["material_id"], row["formula"], tidy(row["poscar"])]
                    writer.writerow([*record, *(row[value] for value in values)])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python make_examples.py matminer-0.3.2.tar.gz")
    main(Path(sys.argv[1]))
