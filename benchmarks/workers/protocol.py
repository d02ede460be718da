"""What every worker does: load crystals, set itself up, and work each time a line comes in."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, CONVOLUTIONS, HEAD, BATCH = 64, 4, 128, 256
"""Sizes of the networks compared, and crystals in a batch."""

Work = Callable[[], object]


def structures(data: Path) -> list[Any]:
    """Read the crystals as pymatgen structures."""
    from pymatgen.core import Structure

    return [Structure(np.array(row["lattice"]), row["numbers"], row["frac"]) for row in rows(data)]


def rows(data: Path) -> list[dict[str, Any]]:
    """Read the crystals as arrays."""
    with data.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def training(model: Any, loss: Callable[[], Any]) -> Work:
    """Return one training step of a network, on the loss that a call gives."""
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def work() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return work


def predicting(model: Any, call: Callable[[], Any]) -> Work:
    """Return one batch of predictions of a network, as a call makes them."""
    import torch

    model.eval()

    def work() -> None:
        with torch.no_grad():
            call()

    return work


def serve(tasks: dict[str, Callable[[Path], Work]], packages: tuple[str, ...]) -> None:
    """Answer on standard output, one JSON object a line."""
    task, data, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if "torch" in packages:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
    work = tasks[task](data)
    gc.collect()
    gc.freeze()  # or a search for garbage in all that was imported falls into one round or another
    print(json.dumps({"versions": {name: version(name) for name in packages}, "threads": threads}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        work()
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
