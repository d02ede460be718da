"""Change one thing of the recipe of ``dEf-10k`` and see what it does: other rows, other sizes of the network.

    python benchmarks/variants.py [--epochs 20] mp.parquet [VARIANT ...]

Errors are those on validation rows, which no variant is trained on and no card reports as its result; test rows are not
touched. Variants of the rows have the same number of steps, whatever the number of rows. The time is that of training
in this run, with one thread; it can be compared only if nothing else begins or ends meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo.data.elements import atom_table
from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import select
from zoo.models.architecture import default_architecture
from zoo.models.inference import predict_scaled
from zoo.training import transfer
from zoo.training.batches import LabelledGraphs
from zoo.training.fit import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs

RECIPE = Path(__file__).parents[1] / "cards" / "recipes" / "dEf-10k.toml"
BASE = default_architecture()

ARCHITECTURES = {
    "as it is": BASE,
    "all layers pooled": BASE.changed(pooling="all"),
    "3 convolutions": BASE.changed(convolutions=3),
    "5 convolutions": BASE.changed(convolutions=5),
    "48 wide": BASE.changed(width=48),
    "96 wide": BASE.changed(width=96),
    "head of 2 layers": BASE.changed(head_layers=2),
    "64 Gaussians": BASE.changed(gaussians=64),
    "Gaussians to 6 Å": BASE.changed(gaussian_end=6.0, gaussians=31),
}
ROWS = ("pbe rows alone", "pbe rows twice", "10,000 pbe rows", "10,000 other rows")
"""Of the structures' two eras: `pbe` cells are those that the labels were computed for."""


@dataclass(frozen=True, eq=False)
class Data:
    """The graphs of the table, formation energies, and positions: of the parts, and which rows are `pbe`."""

    graphs: PackedGraphs
    targets: NDArray[np.float64]
    every: NDArray[np.int64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    pbe: NDArray[np.bool_]

    def rows(self, variant: str) -> NDArray[np.int64]:
        """Return the training rows of a variant; a row that is there twice counts twice."""
        few = self.pbe[self.train]
        mine, others = (self.every[kind][: len(self.train)] for kind in (self.pbe[self.every], ~self.pbe[self.every]))
        chosen = {
            "pbe rows alone": self.train[few],
            "pbe rows twice": np.concatenate([self.train, self.train[few]]),
            "10,000 pbe rows": mine,
            "10,000 other rows": others,
        }
        return chosen.get(variant, self.train)


def read(table: Path) -> Data:
    """Read the rows that the recipe chooses, and all others that it may train on, by the same hash."""
    recipe = read_recipe(RECIPE)
    assert recipe.data.split is not None
    unbounded = recipe.data.model_copy(update={"split": recipe.data.split.model_copy(update={"train": None})})
    few, every = (select(each, [table]) for each in (recipe, recipe.model_copy(update={"data": unbounded})))
    found = store.table_graphs(table, GraphSettings(**recipe.graph.model_dump()))
    positions = {name: position for position, name in enumerate(found.ids)}
    targets = np.full(len(found.ids), np.nan)
    for name in every.ids:
        if name in positions:
            targets[positions[name]] = every.targets[name][0]

    def where(names: list[str]) -> NDArray[np.int64]:
        return np.array([positions[name] for name in names if name in positions])

    pbe = np.array([name in every.subsets["pbe"] for name in found.ids])
    train, validation = where(few.parts["train"]), where(few.parts["validation"])
    return Data(found.graphs, targets, where(every.parts["train"]), train, validation, pbe)


def run(data: Data, variant: str, epochs: int) -> tuple[float, float, int, float]:
    """Train a variant; returns its errors on `pbe` and on all validation rows, its rows, and seconds."""
    recipe, rows = read_recipe(RECIPE), data.rows(variant)
    network = transfer.scratch(ARCHITECTURES.get(variant, BASE), torch.from_numpy(atom_table().copy()), recipe.seed)
    scaler = TargetScaler.fit(data.targets[rows], "identity")
    settings = replace(recipe.fit.settings("cpu"), epochs=round(epochs * len(data.train) / len(rows)))
    samples = [LabelledGraphs(data.graphs, data.targets, part) for part in (rows, data.validation)]
    with tempfile.TemporaryDirectory() as folder:
        done = fit(network, *samples, [scaler], settings, seed=recipe.seed, workdir=Path(folder), device="cpu")
    errors = np.abs(
        scaler.unscale(predict_scaled(network, data.graphs, data.validation)) - data.targets[data.validation]
    )
    return float(errors[data.pbe[data.validation]].mean()), float(errors.mean()), len(rows), done.seconds


def main() -> None:
    """Train the variants, and print a Markdown table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("variants", nargs="*", default=[*ARCHITECTURES, *ROWS])
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read(arguments.table)
    print("| variant | rows | MAE, pbe rows (eV/atom) | MAE, all rows | seconds |\n|---|---|---|---|---|")
    for variant in arguments.variants:
        if variant not in (*ARCHITECTURES, *ROWS):
            raise SystemExit(f"{variant!r}: there is {', '.join([*ARCHITECTURES, *ROWS])}")
        pbe, every, rows, seconds = run(data, variant, arguments.epochs)
        print(f"| {variant} | {rows:,} | {pbe:.4f} | {every:.4f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
