"""Train cgcnn2's network as its command ``cgcnn-tr`` does by default, and say the validation MAE after each epoch."""

from __future__ import annotations

import json
import sys
import time

import torch
from cgcnn2.data import CIFData, collate_pool
from cgcnn2.model import CrystalGraphConvNet
from protocol import CONVOLUTIONS, HEAD, WIDTH
from torch.utils.data import DataLoader

BATCH, RATE = 256, 1e-2
"""Defaults of ``cgcnn-tr``; its loss is the mean squared error."""


def main() -> None:
    """Print one JSON object an epoch until the time is over."""
    train, validation, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
    torch.manual_seed(0)
    began = time.perf_counter()
    loaders = [
        DataLoader(CIFData(folder), batch_size=BATCH, shuffle=shuffle, collate_fn=collate_pool)
        for folder, shuffle in ((train, True), (validation, False))
    ]
    model = CrystalGraphConvNet(92, 41, atom_fea_len=WIDTH, n_conv=CONVOLUTIONS, h_fea_len=HEAD, n_h=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    while time.perf_counter() - began < limit:
        model.train()
        for inputs, target, _ in loaders[0]:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(*inputs)[0], target).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            errors = [(model(*inputs)[0] - target).abs() for inputs, target, _ in loaders[1]]
        row = {"seconds": time.perf_counter() - began, "mae": float(torch.cat(errors).mean())}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
