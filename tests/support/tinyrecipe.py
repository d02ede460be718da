"""A recipe that trains in a second: forty real bulk moduli of the examples."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "bulk_modulus.csv"
FILES = ["README.md", "config.json", "model.safetensors", "splits.json"]
"""What a run leaves."""
RECIPE = """
name = "tiny"
task = "bulk-modulus"
seed = 3

[data]
ids = "ids.json"

[network]
atom_features = 111
width = 8
convolutions = 2
head = 8
head_layers = 1
gaussians = 41
gaussian_end = 8.0

[graph]
cutoff = 8.0
neighbors = 12
ties = "environment"

[fit]
epochs = 2
batch_size = 8
learning_rate = 1e-2
"""


def example() -> pd.DataFrame:
    return pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str})


def ids() -> dict[str, list[str]]:
    names = example().material_id[:40].tolist()
    return {"train": names[:28], "validation": names[28:34], "test": names[34:]}


def write(folder: Path, text: str = RECIPE, parts: object = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.json").write_text(json.dumps(ids() if parts is None else parts))
    (folder / "tiny.toml").write_text(text)
    return folder / "tiny.toml"


# A command that comes to the end that stands for HERE at step sys.argv[1]; it writes a checkpoint after each step.
KILLED = """
import os, signal, sys
from zoo.training import interruptions
from zoo.cli import main

save = interruptions.SaveOften.on_train_batch_end

def on_train_batch_end(self, trainer, *rest):
    self.seconds = 0  # after each step
    save(self, trainer, *rest)
    if trainer.global_step == int(sys.argv[1]):
        HERE

interruptions.SaveOften.on_train_batch_end = on_train_batch_end
main(sys.argv[2:])
"""
