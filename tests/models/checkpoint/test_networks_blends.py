"""Blends on disk: what is saved is loaded, and what a stranger's file may not say is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.smallblend import blend
from support.smallcheckpoint import refused

from zoo.analysis.difficulty import Difficulty
from zoo.data.crystal import SYMBOLS
from zoo.models.checkpoint import networks, weights
from zoo.models.checkpoint.schema import FOLD_RESIDUALS, MAX_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


SCALED = Difficulty(0.5, 2.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    networks.save(blend(difficulty=SCALED), tmp_path)
    return tmp_path


def test_every_part_survives(folder: Path) -> None:
    before, after = blend(difficulty=SCALED), networks.load(folder)
    assert after.config == before.config
    features = np.random.default_rng(0).normal(size=(9, 200))
    for one, other in zip(before.members, after.members, strict=True):
        assert (one.weight, one.seed, one.calibration) == (other.weight, other.seed, other.calibration)
        assert other.difficulty == one.difficulty == SCALED
        for first, second in zip(one.regressors, other.regressors, strict=True):
            assert (first.name, first.weight, first.scaler) == (second.name, second.weight, second.scaler)
            assert (first.featurizers, first.experts) == (second.featurizers, second.experts)
            x = features[:, : first.regressor.columns]
            np.testing.assert_array_equal(first.predict(x), second.predict(x))


def test_machines_that_refer_to_rows_predict_the_same_from_a_smaller_file(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "by row"
    other.mkdir()
    networks.save(blend(difficulty=SCALED, by_row=True), other)
    tensors = load_file(other / "model.safetensors")
    assert "members.0.regressors.0.model.vectors" not in tensors
    assert {name for name in tensors if name.startswith("rows.")} == {"rows.experts.1", "rows.featurizers.0"}
    assert len(tensors["rows.experts.1"]) == json.loads((other / "config.json").read_text())["blend"]["rows"] <= 60
    features = np.random.default_rng(0).normal(size=(9, 200))
    again = tmp_path / "again"
    again.mkdir()
    networks.save(networks.load(other), again)  # what was loaded is saved in the same form
    assert {name: array.tolist() for name, array in load_file(again / "model.safetensors").items()} == {
        name: array.tolist() for name, array in tensors.items()
    }
    for one, two in zip(networks.load(folder).members, weights.read(again).members, strict=True):
        for first, second in zip(one.regressors, two.regressors, strict=True):
            x = features[:, : first.regressor.columns]
            assert first.predict(x).tolist() == second.predict(x).tolist()


def test_experts_are_stored_once_and_networks_without_weight_not_at_all(tmp_path: Path) -> None:
    networks.save(blend((0.0, 0.6, 0.4)), tmp_path)
    names = set(load_file(tmp_path / "model.safetensors"))
    assert "members.0.conv_to_fc.weight" in names  # its vectors tell how far a crystal is from the training set
    assert "members.1.conv_to_fc.weight" not in names
    assert "experts.0.embedding.weight" in names
    arrays = weights.read(tmp_path)
    assert [member.weight for member in arrays.members] == [0.0, 0.0]
    assert networks.build(arrays).members[1].network is not None


def test_a_checkpoint_without_a_blend_says_nothing_of_one(sound: Path) -> None:
    config = json.loads((sound / "config.json").read_text())
    assert "blend" not in config
    assert config["members"][0].keys() == {"seed", "scaling", "calibration", "other_scalings"}


def test_a_blend_without_a_difficulty_is_written_and_read_as_before_there_was_one(tmp_path: Path) -> None:
    networks.save(blend(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "difficulty" not in config["members"][0]
    assert [member.difficulty for member in weights.read(tmp_path).members] == [None, None]


def _difficulty(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["members"][0]["difficulty"].update(changes)


def _regressor(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["members"][0]["regressors"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("blend"), "in a blend only"),
        (lambda config: config["members"][1].pop("difficulty"), "either all members have a difficulty, or none has"),
        (_difficulty(base=0), "members.0.difficulty.base"),
        (_difficulty(base=1e9), "members.0.difficulty.base"),
        (_difficulty(slope=-1), "members.0.difficulty.slope"),
        (_difficulty(slope=float("inf")), "members.0.difficulty.slope"),
        (_difficulty(slope=float("nan")), "slope"),
        (_difficulty(model="x"), "members.0.difficulty.model"),
        (lambda config: config["members"][0].update(weight=0.9), "add up to 1.4, not to 1"),
        (_regressor(weight=-0.3), "weight"),
        (_regressor(kind="pickle"), "kind"),
        (_regressor(featurizers=["none-such"]), "does not describe the featurizer 'none-such'"),
        (_regressor(featurizers=[], experts=[]), "reads vectors"),
        (_regressor(experts=[2]), "reads an expert, and there are 2"),
        (_regressor(experts=[-1]), "reads an expert"),
        (_regressor(experts=[0, 1]), "columns, and its features have"),
        (_regressor(kind="trees"), "missing"),
        (_regressor(more=1), "more"),
        (lambda config: config["members"][0].update(regressors=[]), "add up to 0.5"),
        (lambda config: config["blend"]["featurizers"][0].update(columns=10**9), "columns"),
        (lambda config: config["blend"]["featurizers"][0].update(labels_sha256="x"), "labels_sha256"),
        (lambda config: config["blend"].update(low=float("nan")), "low"),
        (lambda config: config["blend"].update(low=500.0), "ends at 500, below its start at 500"),
        (lambda config: config["blend"].update(featurizers=config["blend"]["featurizers"] * 2), "described twice"),
        (_regressor(weight=float("nan")), "weight"),
        (_regressor(weight=1e300), "weight"),
        (_regressor(experts=[1] * 17), "experts"),
        (lambda config: config["members"][0]["regressors"][0]["scaling"].update(std=float("inf")), "std"),
        (lambda config: config["members"][1].update(regressors=config["members"][1]["regressors"] * 9), "regressors"),
    ],
)
def test_a_hostile_configuration_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, folder: Path
) -> None:
    _rewrite(folder / "config.json", change)
    assert message in refused(folder)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def _put(name: str, array: NDArray[Any]) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.update({f"members.0.regressors.{name}": array})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("members.1.regressors.0.model.vectors"), "is missing"),
        (_put("0.more", np.zeros(3)), "unexpected tensor"),
        (_put("7.fill", np.zeros(3)), "unexpected tensor"),
        (_put("0.model.gamma", np.array([-1.0])), "gamma must be positive"),
        (_put("0.model.gamma", np.array([np.nan])), "not finite"),
        (_put("0.fill", np.zeros(3)), "do not fit"),
        (_put("0.fill", np.zeros(3, dtype=np.float32)), "expected F64"),
        (_put("0.clip", np.array([np.nan])), "positive"),
        (_put("0.model.vectors", np.zeros(3, dtype=np.float32)), "expected F32 (0, 0)"),
        (_put("1.model.left", np.zeros(3, dtype=np.int64)), "expected I32"),
        (_put("1.model.roots", np.array([10**6], dtype=np.int32)), "root"),
        (_put("0.model.vectors", np.zeros((3, 10**6), dtype=np.float32)), "do not fit"),
        (_put("0.model.vectors", np.zeros((0, 0), dtype=np.float32)), "do not fit"),
        (_put("0.target", np.array([np.inf, 1.0])), "not finite"),
        (_put("1.model.width", np.array([10**9], dtype=np.int32)), "do not fit"),
        (_put("1.model.thresholds", np.zeros(3, dtype=np.float16)), "expected F32"),
    ],
)
def test_hostile_arrays_are_refused(change: Callable[[dict[str, Any]], Any], message: str, folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    assert message in refused(folder)


def _unbounded(tensors: dict[str, Any]) -> None:
    """No clip keeps the vectors from overflowing."""
    tensors["members.0.regressors.0.clip"][:] = np.inf
    tensors["members.0.regressors.0.mean"][:] = 1e300


@pytest.fixture
def by_row(tmp_path: Path) -> Path:
    networks.save(blend(by_row=True), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_put("0.model.rows", np.array([0, 60], dtype=np.int32)), "refers to a row"),
        (_put("0.model.rows", np.array([-1, 0], dtype=np.int32)), "refers to a row"),
        (_put("0.model.rows", np.array([0, 1], dtype=np.int32)), "do not fit"),
        (_put("0.model.rows", np.array([0.0, 1.0])), "expected I32"),
        (_put("0.model.vectors", np.zeros((1, 3), dtype=np.float32)), "unexpected tensor"),
        (_unbounded, "vectors of a kernel machine are not finite"),
        (lambda tensors: tensors.pop("rows.experts.1"), "rows.experts.1 is missing"),
        (lambda tensors: tensors.update({"rows.experts.1": tensors["rows.experts.1"][1:]}), "rows.experts.1 is F32"),
        (lambda tensors: tensors["rows.featurizers.0"].fill(np.inf), "not finite"),
        (lambda tensors: tensors.update({"rows.experts.0": tensors["rows.experts.1"]}), "unexpected tensor"),
    ],
)
def test_hostile_rows_are_refused(change: Callable[[dict[str, Any]], Any], message: str, by_row: Path) -> None:
    path = by_row / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    assert message in refused(by_row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["blend"].update(rows=0), "the blend has none"),
        (lambda config: config["blend"].update(rows=10**9), "rows"),
        (lambda config: config["blend"].update(rows=10**6), "expected F32 (1000000, 8)"),
        (lambda config: config["members"][0]["regressors"][1].update(by_row=True), "only kernel machines"),
    ],
)
def test_a_hostile_number_of_rows_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, by_row: Path
) -> None:
    _rewrite(by_row / "config.json", change)
    assert message in refused(by_row)


def test_a_row_that_is_named_often_counts_as_often(by_row: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes must not become gigabytes of vectors."""
    path = by_row / "model.safetensors"
    tensors = load_file(path)
    _put("0.model.rows", np.zeros(100_000, dtype=np.int32))(tensors)
    save_file(tensors, path)
    monkeypatch.setattr("zoo.models.checkpoint.tensors.MAX_REGRESSOR_BYTES", 50_000_000)
    assert "zoo loads 50,000,000 at most" in refused(by_row)


@pytest.mark.parametrize(
    ("node", "child", "message"),
    [
        (0, 0, "out of order"),  # a node that is its own child
        (2, 1, "out of order"),  # a cycle
        (0, 10**6, "out of order"),
        (0, -1, "out of order"),
        (0, 4, "two parents"),
    ],
)
def test_trees_that_are_no_trees_are_refused(node: int, child: int, message: str, folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    left = tensors["members.0.regressors.1.model.left"]
    left[np.flatnonzero(tensors["members.0.regressors.1.model.features"] >= 0)[node]] = child
    save_file(tensors, path)
    assert message in refused(folder)


def test_a_configuration_of_as_many_members_as_allowed_can_be_read(tmp_path: Path) -> None:
    """Twenty seeds of five folds on a large table."""
    one = blend(difficulty=SCALED)
    member = replace(one.members[0], calibration=tuple(np.linspace(0.012345678, 0.234567891, FOLD_RESIDUALS)))
    member = replace(member, regressors=tuple(replace(each, weight=0.125) for each in (*member.regressors * 2,)))
    many = networks.describe(
        [member] * MAX_MEMBERS,
        name="many",
        targets=[one.config.target],
        graph=one.config.graph_settings,
        elements=SYMBOLS[1:],
        blend=one.config.blend,
    )
    assert len(many.config.model_dump_json(indent=1)) < 0.9 * weights.MAX_CONFIG_BYTES


def test_arrays_that_are_too_large_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.models.checkpoint.tensors.MAX_REGRESSOR_BYTES", 10_000)
    assert "zoo loads 10,000 at most" in refused(folder)
