"""How memory and cost grow with the number of crystals and of atoms, and how fast a blend predicts."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import numpy as np
from harness import peak, run

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.data.crystal import Crystal

Row = tuple[str, str, str, str, str, str, str]
PEER_BYTES = 4 * 92 + 12 * (4 * 41 + 8)
"""What cgcnn2 keeps of an atom: 92 features, and 12 neighbours of 41 Gaussians in float32 and an index in int64."""


def measure(labelled: list[tuple[Crystal, float]], work: Path, binaries: Path) -> list[Row]:
    """Return rows of the table: what, against, found, at least, goal, details, met."""
    cells = [cell for cell, _ in labelled]
    blended = _blended(labelled, work, binaries)
    return [_cached(cells), *_peaks(cells, work, binaries), _by_number(cells), _by_atoms(cells), blended]


def _cached(cells: list[Crystal]) -> Row:
    from zoo.data.graphs.neighbors import build_graphs
    from zoo.data.graphs.packing import PackedGraphs

    packed = PackedGraphs.pack(list(build_graphs(cells)))
    ours, theirs = packed.nbytes / len(cells), PEER_BYTES * sum(map(len, cells)) / len(cells)
    ratio = theirs / ours
    met = "goal" if ratio >= 20 else "yes" if ratio >= 15 else "no"
    return (
        "memory per cached crystal",
        "cgcnn2",
        f"{ratio:.3g}× less",
        "15× less",
        "20× less",
        f"{len(cells)} small cells: {ours:.0f} against {theirs:.0f} bytes",
        met,
    )


def _peaks(cells: list[Crystal], work: Path, binaries: Path) -> list[Row]:
    found = {}
    for count in (10_000, 100_000):
        table = _table([cells[i % len(cells)] for i in range(count)], work / f"many{count}.parquet")
        command = [str(binaries / "zoo"), "predict", "dEf-10k", str(table), "--out", str(work / "many.csv"), "-q"]
        found[count] = peak(command, work, 2)
    most = found[100_000]
    flat = most / found[10_000]
    return [
        (
            "peak memory, predicting 100,000 crystals",
            "–",
            f"{most:.0f} MB",
            "< 1500 MB",
            "flat",
            f"{found[10_000]:.0f} MB for 10,000",
            "goal" if flat < 1.1 else "yes" if most < 1500 else "no",
        )
    ]


def _blended(labelled: list[tuple[Crystal, float]], work: Path, binaries: Path) -> Row:
    """Time a default run's predictions by the difference of two commands, which both load the model."""
    zoo, run_folder = str(binaries / "zoo"), work / "blended"
    chosen, targets = zip(*labelled[:300], strict=True)
    rows = _table(list(chosen), work / "labelled.parquet", list(targets))
    shutil.rmtree(run_folder, ignore_errors=True)
    fit = ["finetune", str(rows), "--task", "formation-energy", "--out", str(run_folder), "-q"]
    run([zoo, *fit], work, 2)
    seeds = [cell for cell, _ in labelled if 8 <= len(cell) <= 12]
    rng, seconds, atoms = np.random.default_rng(0), {}, 0.0
    for count in (1_000, 6_000):
        cells = [_shaken(seeds[i % len(seeds)], rng) for i in range(count)]
        atoms = float(np.mean([len(cell) for cell in cells]))
        table = _table(cells, work / f"candidates{count}.parquet")
        command = [zoo, "predict", str(run_folder), str(table), "--out", str(work / "candidates.csv"), "-q"]
        seconds[count] = min(run(command, work, 1) for _ in range(2))
    rate = 5_000 / (seconds[6_000] - seconds[1_000])
    met = "yes" if rate >= 1_000 else "no"
    shown = f"{atoms:.1f} atoms in the mean; 1,000 in {seconds[1_000]:.3g} s, 6,000 in {seconds[6_000]:.3g} s"
    return ("predictions of a default run, one thread", "–", f"{rate:,.0f} crystals/s", "1,000/s", "–", shown, met)


def _table(cells: list[Crystal], path: Path, targets: list[float] | None = None) -> Path:
    """Write crystals to a Parquet table."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "id": [str(i) for i in range(len(cells))],
            "atomic_numbers": [c.numbers.tolist() for c in cells],
            "lattice": [c.lattice.ravel().tolist() for c in cells],
            "frac_coords": [c.frac.ravel().tolist() for c in cells],
        }
    )
    if targets:
        frame["formation_energy_per_atom"] = targets
    frame.to_parquet(path, row_group_size=2_000)
    return path


def _shaken(cell: Crystal, rng: np.random.Generator) -> Crystal:
    """Move all atoms by about 0.02 Å, so that no two crystals are equal and no symmetry saves work."""
    from zoo.data.crystal import Crystal

    moved = cell.frac + rng.normal(0, 0.02, cell.frac.shape) @ np.linalg.inv(cell.lattice)
    return Crystal(cell.numbers, cell.lattice, moved)


def _seconds(cells: list[Crystal]) -> float:
    import torch

    from zoo.data.elements import atom_table
    from zoo.data.graphs.neighbors import build_graphs
    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import default_architecture
    from zoo.models.checkpoint.networks import stored_state
    from zoo.models.network import CrystalNetwork
    from zoo.models.torch_free import Predictor

    network = CrystalNetwork(default_architecture(), torch.from_numpy(atom_table().copy()))
    model = Predictor(network.architecture, atom_table(), {n: t.numpy() for n, t in stored_state(network).items()})
    began = time.perf_counter()
    packed = PackedGraphs.pack(list(build_graphs(cells)))
    model.predict_scaled(packed)
    return time.perf_counter() - began


def _medians(batches: list[list[Crystal]], rounds: int) -> list[float]:
    """Measure all in turn, several times, so that an hour in which the machine is slow is no single one's."""
    measured = [[_seconds(batch) for batch in batches] for _ in range(rounds)]
    return [float(value) for value in np.median(measured, axis=0)]


def _growth(what: str, sizes: list[int], seconds: list[float], shown: str) -> Row:
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    met = "goal" if exponent <= 1.005 else "yes" if exponent <= 1.05 else "no"
    return (what, "–", f"exponent {exponent:.3f}", "≤ 1.05", "1.0", shown, met)


def _by_number(cells: list[Crystal]) -> Row:
    _seconds(cells[:500])
    counts = [1_000, 3_000, 10_000, 30_000, 100_000]
    seconds = _medians([[cells[i % len(cells)] for i in range(count)] for count in counts], rounds=3)
    shown = ", ".join(f"{count:,}: {value:.3g} s" for count, value in zip(counts, seconds, strict=True))
    return _growth("graphs and predictions against the number of crystals", counts, seconds, shown)


def _by_atoms(cells: list[Crystal]) -> Row:
    """Cells of 2 to 200 atoms: supercells of real crystals, shaken by 0.02 Å so that no symmetry saves work."""
    from zoo.data.crystal import Crystal

    rng = np.random.default_rng(0)
    seeds = [cell for cell in cells if len(cell) == 2][:64]
    sizes: list[int] = []
    batches: list[list[Crystal]] = []
    for shape in ((1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (4, 2, 2), (4, 4, 2), (5, 5, 4)):
        atoms = 2 * int(np.prod(shape))
        made = []
        for cell in seeds:
            structure = cell.to_structure() * shape
            numbers = np.array([site.specie.Z for site in structure])
            made.append(_shaken(Crystal(numbers, structure.lattice.matrix, structure.frac_coords), rng))
        # Equal numbers of atoms in all, so that what a call costs is shared by as many.
        batches.append(made * (12_800 // (64 * atoms) + 1))
        sizes.append(atoms)
    totals = _medians(batches, rounds=5)
    seconds = [total / len(batch) for total, batch in zip(totals, batches, strict=True)]
    shown = ", ".join(f"{size}: {value * 1e3:.3g} ms" for size, value in zip(sizes, seconds, strict=True))
    return _growth("the same against the atoms in a cell", sizes, seconds, shown)
