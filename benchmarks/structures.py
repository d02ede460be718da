"""zoo's reading of structure files against independent readers: gemmi's small-molecule reader and ASE.

    python benchmarks/structures.py FOLDER [--out table.csv]

FOLDER holds one folder per origin, with CIF and POSCAR files in it. Each file is read by zoo and by the judges. A
crystal agrees with a judge's if both have the same number of atoms of each element, the same volume to 0.1 %, and the
same distances between nearest atoms, element by element, to 0.02 Å. A refused file was *right* if a judge reads it as
fully occupied sites with sensible distances that make the formula, Z and volume that the file states.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import re
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from zoo.data.crystal import SYMBOLS, Crystal
from zoo.data.structures.parse import read_file
from zoo.errors import InputError

_SENSIBLE = 0.6  # Å
_MAX_FOR_ASE = 60_000  # characters: ASE compares each atom with all others in Python
_MAX_COMPARED = 300  # atoms; of larger cells only the content and the volume are compared


@dataclass
class Reading:
    """A judge's crystal: None where it refuses or sees none."""

    numbers: np.ndarray
    lattice: np.ndarray
    frac: np.ndarray


def main() -> None:
    """Judge all files of a folder and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="a table of all files")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    rows, origins = [], defaultdict(Counter)
    for path in files:
        origin = path.relative_to(options.folder).parts[0]
        outcome, words = judge(path)
        rows.append((origin, path.name, outcome, words))
        origins[origin][outcome] += 1
    total = sum(origins.values(), Counter())
    print(f"{len(files)} files of {len(origins)} origins")
    for outcome, count in total.most_common():
        print(f"{count:6}  {outcome}")
    print("\nrefused, by reason")
    reasons = Counter(_kind(words) for _, _, outcome, words in rows if outcome.startswith("refused"))
    for reason, count in reasons.most_common(40):
        print(f"{count:6}  {reason}")
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("origin", "file", "outcome", "words"), *rows])


def judge(path: Path) -> tuple[str, str]:
    """Return the outcome for one file, and the reason or difference."""
    try:
        crystal: Crystal | str = read_file(path)
    except InputError as error:
        crystal = str(error)
    except Exception as error:
        return "crashed", repr(error)
    text = _text(path)
    if re.search(r"\.m?m?cif(\.|$)", path.name.lower()):
        judges = {"gemmi": by_gemmi, "ASE": lambda text: by_ase(text, "cif")}
    else:
        judges = {"ASE": lambda text: by_ase(text, "xdatcar" if "xdatcar" in path.name.lower() else "vasp")}
    differences = {}
    for name, read in judges.items():
        if name == "ASE" and len(text) > _MAX_FOR_ASE:
            continue
        reading = read(text)
        if reading is None or len(reading.numbers) == 0:
            continue
        if isinstance(crystal, str):
            if _stated(text, reading):
                return "refused, and right by a judge", f"{crystal} ({name})"
            continue
        differences[name] = _difference(crystal, reading)
        if not differences[name]:
            return "read, and agrees", ""
    if isinstance(crystal, str):
        return "refused", crystal
    if not differences:
        return "read, by no judge", f"{crystal.formula}, {len(crystal)} atoms"
    return "read, and differs", "; ".join(f"{name}: {words}" for name, words in differences.items())


def by_gemmi(text: str) -> Reading | None:
    """Return the crystal as gemmi reads it."""
    try:
        document = gemmi.cif.read_string(text, check_level=0)
        blocks = [b for b in document if b.find_values("_atom_site_fract_x") or b.find_pair("_atom_site_fract_x")]
        if len(blocks) != 1:
            return None
        small = gemmi.make_small_structure_from_block(blocks[0])
        if not small.sites or any(abs(site.occ - 1) > 0.005 or site.element.atomic_number < 1 for site in small.sites):
            return None
        atoms = small.get_all_unit_cell_sites()
        frac = np.array([[a.fract.x, a.fract.y, a.fract.z] for a in atoms])
        lattice = np.array(small.cell.orth.mat.tolist()).T
        return Reading(np.array([a.element.atomic_number for a in atoms]), lattice, frac)
    except Exception:
        return None


def by_ase(text: str, kind: str) -> Reading | None:
    """Return the crystal as ASE reads it."""
    import io

    import ase.io

    try:
        if kind == "xdatcar":
            frames = ase.io.read(io.StringIO(text), format="vasp-xdatcar", index=":")
            if len(frames) != 1:
                return None
            atoms = frames[0]
        elif kind == "cif":
            atoms = ase.io.read(io.StringIO(text), format="cif", fractional_occupancies=True)
            occupancies = atoms.info.get("occupancy") or {}
            if any(abs(share - 1) > 0.005 for site in occupancies.values() for share in site.values()):
                return None
        else:
            atoms = ase.io.read(io.StringIO(text), format=kind)
        return Reading(atoms.numbers, atoms.cell.array, atoms.get_scaled_positions())
    except Exception:
        return None


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        data = gzip.decompress(data)
    elif path.name.lower().endswith(".bz2"):
        data = bz2.decompress(data)
    return data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def _distances(numbers: np.ndarray, lattice: np.ndarray, frac: np.ndarray) -> np.ndarray:
    """Return each atom's element and distance to the nearest atom, sorted."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3) @ lattice
    found = []
    for row in range(len(frac)):
        apart = frac - frac[row]
        apart -= np.round(apart)
        vectors = (apart @ lattice)[:, None] + shifts
        distances = np.linalg.norm(vectors, axis=2)
        distances[row, 13] = np.inf
        found.append((numbers[row], distances.min()))
    return np.array(sorted(found))


def _difference(crystal: Crystal, reading: Reading) -> str:
    ours, theirs = Counter(crystal.numbers.tolist()), Counter(reading.numbers.tolist())
    if ours != theirs:
        return f"{_formula(theirs)} for {_formula(ours)}"
    volume = abs(np.linalg.det(reading.lattice))
    if abs(volume / crystal.volume - 1) > 1e-3:
        return f"{volume:.5g} Å³ for {crystal.volume:.5g}"
    if len(crystal) > _MAX_COMPARED:
        return ""
    one = _distances(crystal.numbers, crystal.lattice, crystal.frac)
    other = _distances(reading.numbers, reading.lattice, reading.frac)
    worst = np.abs(one - other).max()
    return f"distances, by {worst:.3f} Å" if worst > 0.02 else ""


def _formula(counts: Counter[int]) -> str:
    return "".join(f"{SYMBOLS[z]}{counts[z]}" for z in sorted(counts))


def _stated(text: str, reading: Reading) -> bool:
    """Say whether a judge's crystal is what the file states; a POSCAR states no more than it lists."""
    if (reading.numbers < 1).any():
        return False
    if (
        len(reading.numbers) <= _MAX_COMPARED
        and _distances(reading.numbers, reading.lattice, reading.frac)[:, 1].min() < _SENSIBLE
    ):
        return False
    if "_cell_length_a" not in text.lower():
        symbols = text.split("\n")[5].split()  # without symbols, ASE takes the words of the comment for them
        return bool(symbols) and all(word in SYMBOLS[1:] for word in symbols)
    formula = re.search(r"_chemical_formula_sum\s+(?:'([^'\n]*)'|\"([^\"\n]*)\"|(\S+))", text)
    z = re.search(r"_cell_formula_units_Z\s+([\d.]+)", text)
    volume = re.search(r"_cell_volume\s+([\d.]+)", text)
    if volume and abs(float(volume[1].rstrip(".")) / abs(np.linalg.det(reading.lattice)) - 1) > 0.02:
        return False
    if formula is None:
        return False
    words = re.findall(r"([A-Z][a-z]?)\s*([\d.]*)", formula[1] or formula[2] or formula[3])
    amounts: Counter[str] = Counter()
    for symbol, amount in words:
        amounts["H" if symbol in ("D", "T") else symbol] += float(amount or 1)
    counts = Counter(SYMBOLS[z] for z in reading.numbers.tolist())
    if set(counts) != set(amounts):
        return False
    units = [counts[symbol] / amounts[symbol] for symbol in counts]
    return max(units) - min(units) < 1e-6 and (z is None or float(z[1]) in (units[0], counts.total() / units[0]))


def _kind(words: str) -> str:
    return re.sub(r"'[^']*'", "…", re.split(r"[,:;(]", words.removeprefix("broken CIF: "), maxsplit=1)[0]).strip()


if __name__ == "__main__":
    main()
