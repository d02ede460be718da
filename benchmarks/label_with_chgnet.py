"""Label crystals with formation energies of the potential CHGNet, as the recipe of dEf-113k asks for.

    python -m venv chgnet && chgnet/bin/pip install torch==2.13.0 chgnet==0.4.2 pyarrow
    chgnet/bin/python benchmarks/label_with_chgnet.py mp.parquet mp-unlabelled.parquet 21853 labels.parquet

Takes the crystals of the second table whose identifiers' hashes are the smallest among training rows, so that none
of them is a test or validation row of any backbone. CHGNet (Deng et al., Nat. Mach. Intell. 5, 1031 (2023)) gives
energies per atom; a formation energy is that minus the composition's mean of one reference energy per element, and
the references are fitted by least squares on training rows of the first table. Its error against DFT is measured on
test rows of the first table, which neither the references nor any backbone saw, and printed. Energies are kept beside
the output as they come (``labels.energies.jsonl``), so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Lattice, Structure

HELD_BACK = 0.08  # test and validation rows of every recipe: zoo.data.splits.hash_split
TEST = 0.04
REFERENCE_ROWS, TEST_ROWS, MAX_ATOMS, BATCH = 3000, 800, 40, 32


def fraction(name: str) -> float:
    """Return the hash of an identifier as a fraction of 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def composition(numbers: np.ndarray) -> np.ndarray:
    """Return the fraction of atoms of each element, shape (119,)."""
    return np.bincount(numbers, minlength=119) / len(numbers)


class Energies:
    """Energies per atom in eV, computed once and kept in a file."""

    def __init__(self, path: Path) -> None:
        from chgnet.model import CHGNet

        self.path, self.known, self.model = path, {}, CHGNet.load(use_device="cpu", verbose=False)
        for line in path.read_text().splitlines() if path.exists() else []:
            self.known.update(json.loads(line))

    def of(self, table: pd.DataFrame) -> pd.Series:
        """Return the energies of all rows; NaN where the potential cannot say."""
        # By size, so that a batch's crystals are alike.
        missing = table[~table.material_id.isin(self.known)].sort_values(
            "atomic_numbers", key=lambda each: each.str.len()
        )
        began = time.monotonic()
        for start in range(0, len(missing), BATCH):
            chunk = missing.iloc[start : start + BATCH]
            found = dict(
                zip(chunk.material_id, self._predict([structure(row) for row in chunk.itertuples()]), strict=True)
            )
            self.known.update(found)
            with self.path.open("a") as file:
                file.write(json.dumps(found) + "\n")
            if start // BATCH % 20 == 0:
                done = start + len(chunk)
                left = (time.monotonic() - began) / done * (len(missing) - done)
                print(f"{done} of {len(missing)} crystals, {left:.0f} s left", flush=True)
        return table.material_id.map(self.known).astype(float)

    def _predict(self, structures: list[Structure]) -> list[float | None]:
        try:
            found = self.model.predict_structure(structures, task="e", batch_size=BATCH)
        except Exception:  # an isolated atom; whatever it is, the others of the batch are kept
            if len(structures) == 1:
                return [None]
            return [energy for each in structures for energy in self._predict([each])]
        found = found if isinstance(found, list) else [found]
        return [float(each["e"]) for each in found]


def structure(row: tuple) -> Structure:
    """Return the crystal of a row."""
    lattice = Lattice(np.reshape(row.lattice, (3, 3)))
    return Structure(lattice, row.atomic_numbers, np.reshape(row.frac_coords, (-1, 3)))


def main(labelled: Path, unlabelled: Path, count: int, out: Path) -> None:
    """Label `count` crystals and write the table."""
    warnings.filterwarnings("ignore")
    energies = Energies(out.with_suffix(".energies.jsonl"))
    known = pd.read_parquet(labelled)
    known = known[known.formation_energy_per_atom.notna()]
    known["u"] = known.material_id.map(fraction)
    small = known[known.atomic_numbers.str.len() <= MAX_ATOMS].sort_values("u")
    # Enough crystals of each element: five of each, then those with the smallest hash.
    training = small[small.u >= HELD_BACK]
    per_element = [
        training[training.atomic_numbers.map(lambda numbers, z=z: z in numbers)].head(5) for z in range(1, 100)
    ]
    references = pd.concat([*per_element, training.head(REFERENCE_ROWS)]).drop_duplicates("material_id")
    test = small[small.u < TEST].head(TEST_ROWS)

    def arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([composition(numbers) for numbers in table.atomic_numbers]), energies.of(table).to_numpy()

    x, energy = arrays(references)
    usable = np.isfinite(energy)
    # Robustly: hypothetical cells with errors of several eV/atom must not shift an element's reference.
    target, weights = energy - references.formation_energy_per_atom.to_numpy(), usable.astype(float)
    for _ in range(20):
        solution = np.linalg.lstsq(x[usable] * weights[usable, None], (target * weights)[usable], rcond=1e-8)[0]
        weights = 1 / np.sqrt(np.maximum(np.abs(target - x @ solution), 0.01))
    seen = x[usable].sum(axis=0) > 0

    def formation(table: pd.DataFrame) -> np.ndarray:
        x, energy = arrays(table)
        return np.where(x[:, ~seen].sum(axis=1) > 0, np.nan, energy - x @ solution)

    for name, part in (("test rows", test), ("test rows, pbe", test[test.structure_source == "pbe"])):
        error = np.abs(formation(part) - part.formation_energy_per_atom)
        print(
            f"{name}: MAE {np.nanmean(error):.4f}, median {np.nanmedian(error):.4f} eV/atom, "
            f"{np.isfinite(error).sum()} crystals"
        )
    rest = pd.read_parquet(unlabelled)
    rest = rest[~rest.material_id.isin(known.material_id)]
    rest = rest[rest.material_id.map(fraction) >= HELD_BACK].sort_values(
        "material_id", key=lambda ids: ids.map(fraction)
    )
    chosen = rest.head(count + count // 100)
    chosen = chosen.assign(
        formation_energy_per_atom=formation(chosen), formation_energy_source="chgnet-0.3.0", structure_source="mp2025"
    )
    chosen = chosen[chosen.formation_energy_per_atom.between(-6, 7)].head(count)
    chosen.to_parquet(out)
    print(f"{len(chosen)} crystals labelled: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
