"""A recipe that trains in a second: forty real bulk moduli of the examples."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "bulk_modulus.csv"
FILES = ["README.md", "config.json", "crystals.safetensors.gz", "model.safetensors", "splits.json"]
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


# The command line in sys.argv[2:], which comes to the end that stands for HERE after step sys.argv[1]; it writes a
# snapshot after each step.
KILLED = """
import functools, os, signal, sys
from zoo.cli import main
from zoo.jobs.pretrain import run
from zoo.models.network import CrystalNetwork

run.pretrain = functools.partial(run.pretrain, save_minutes=0)
opinions, steps = CrystalNetwork.opinions, 0

def watched(network, batch):
    global steps
    if network.training:
        if steps == int(sys.argv[1]):
            HERE
        steps += 1
    return opinions(network, batch)

CrystalNetwork.opinions = watched
main(sys.argv[2:])
"""
