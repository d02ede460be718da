"""Predictions from structures, from files, and what happens to crystals that cannot be predicted."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.data.graphs.memory import CrystalMemory
from zoo.errors import InputError, UnknownNameError
from zoo.jobs.predict import columns
from zoo.jobs.predict.columns import COLUMNS, WITH_INTERVAL
from zoo.jobs.predict.files import predict_files
from zoo.models.architecture import default_architecture
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymatgen.core import Structure

    from zoo.jobs.predict.model import Model
    from zoo.models.checkpoint import weights

SMALL = default_architecture(width=8, convolutions=2, head=8)
ROOT = Path(__file__).parents[3]


def with_members(model: Model, members: list[weights.MemberArrays]) -> Model:
    return replace(model, checkpoint=replace(model.checkpoint, members=members))


def test_mean_spread_and_note(model: Model) -> None:
    crystals = samples.crystals()
    table = model.predict([crystals["NaCl"], crystals["SrTiO3"]], ids=["salt", "sto"])
    single = with_members(model, model.checkpoint.members[:1])
    tens = single.predict([crystals["NaCl"], crystals["SrTiO3"]])
    assert list(table.columns) == list(COLUMNS)
    assert table.id.tolist() == ["salt", "sto"]
    assert table.prediction.to_numpy() == pytest.approx(1.1 * tens.prediction.to_numpy())
    assert table.spread.to_numpy() == pytest.approx(np.abs(tens.prediction.to_numpy()) / 10 * np.sqrt(2))
    assert tens.spread.isna().all()
    assert table.note.tolist() == ["", "O, Sr, Ti never occurred in the training set"]


def test_intervals_by_hand(model: Model) -> None:
    """Nine residuals each of 1 … 9 and 2 … 18: of eighteen, ⌈19 × 0.9⌉ is the eighteenth, the outermost."""
    silicon = samples.crystals()["Si"]
    members = [
        replace(member, calibration=tuple(float(scale * n) for n in range(1, 10)))
        for scale, member in zip((1, 2), model.checkpoint.members, strict=True)
    ]
    calibrated = with_members(model, members)
    table = calibrated.predict(silicon, interval=0.9)
    assert list(table.columns) == list(WITH_INTERVAL)
    ten = model.predict(silicon).prediction[0] / 1.1
    ends = [(center - half, center + half) for center, half in ((ten, 9), (1.2 * ten, 18))]
    assert table.lower[0] == pytest.approx(min(low for low, _ in ends))
    assert table.upper[0] == pytest.approx(max(high for _, high in ends))
    assert "lower" not in calibrated.predict(silicon).columns


def test_a_model_without_calibration_says_what_to_do(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two has no calibration rows, so it gives no intervals; fine-tune it"):
        model.predict(samples.crystals()["Si"], interval=0.9)
    with pytest.raises(InputError, match="no calibration"):
        predict_files(model, [tmp_path], tmp_path / "p.csv", interval=0.9)
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_that_has_predicted_can_be_copied_and_pickled(model: Model, copied: Callable[[Model], Model]) -> None:
    crystals = list(samples.crystals().values())
    before = model.predict(crystals)
    other = copied(model)
    assert other.predict(crystals).equals(before)
    assert other.embed(crystals).tolist() == model.embed(crystals).tolist()
    assert (other.name, other.unit, other.target) == (model.name, model.unit, model.target)


def test_a_single_structure_works_where_a_list_does(model: Model) -> None:
    silicon = samples.crystals()["Si"]
    assert model.predict(silicon).prediction[0] == model.predict([silicon]).prediction[0]
    assert model.embed(silicon).shape == (1, 24)
    assert model.embed(silicon, "last").tolist() == model.embed(silicon)[:, 16:].tolist()
    assert model.embed([]).shape == (0, 24)
    assert len(model.predict([])) == 0


def test_predictions_can_be_assigned_to_the_rows_of_a_frame(model: Model, real_structures: list[Structure]) -> None:
    frame = pd.DataFrame({"structure": pd.Series(real_structures[:4], dtype=object)}).iloc[[2, 0, 3]]
    frame["prediction"] = model.predict(frame.structure).prediction
    assert frame.prediction.tolist() == model.predict(frame.structure.tolist()).prediction.tolist()
    frame.loc[0, "structure"] = "no crystal"
    with pytest.warns(UserWarning, match="1 of 3"):
        assert model.predict(frame[["structure"]], on_error="skip").index.tolist() == [2, 3]


def test_batches_do_not_mix(model: Model, real_structures: list[Structure]) -> None:
    many = real_structures * 8  # more than one batch
    together = model.predict(many).prediction.to_numpy()
    alone = model.predict(real_structures[-1]).prediction[0]
    assert together[len(real_structures) - 1 :: len(real_structures)] == pytest.approx(np.full(8, alone), rel=1e-4)


def test_chunks_are_put_together(
    model: Model, real_structures: list[Structure], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.predict(real_structures)
    monkeypatch.setattr(columns, "CHUNK", 3)
    pd.testing.assert_frame_equal(model.predict(real_structures), whole, rtol=1e-5)


def test_what_is_no_structure_is_named(model: Model) -> None:
    with pytest.raises(InputError, match=r"structure 1: 'Si\.cif' is neither an existing file"):
        model.predict([samples.crystals()["Si"], "Si.cif"])
    disordered = samples.crystals()["Si"].copy()
    disordered[0] = {"Si": 0.5, "Ge": 0.5}
    with pytest.raises(InputError, match=r"^partial occupancy"):
        model.predict(disordered)
    with pytest.raises(InputError, match="2 ids were given for 1 structure"):
        model.predict(samples.crystals()["Si"], ids=["a", "b"])


def test_structures_that_cannot_be_used_are_skipped_if_asked_for(model: Model) -> None:
    crystals = samples.crystals()
    disordered = crystals["Si"].copy()
    disordered[0] = {"Si": 0.5, "Ge": 0.5}
    table = model.checkpoint.atom_table.copy()
    table[30] = 0  # zinc
    blind = replace(model, checkpoint=replace(model.checkpoint, atom_table=table))
    given = {"a": crystals["NaCl"], "b": disordered, "c": crystals["ZnO"], "d": crystals["Si"]}
    with pytest.raises(InputError, match=r"^structure 1 \(b\): partial occupancy"):
        blind.predict(given)
    with pytest.warns(UserWarning, match="skipped") as warned:
        found = blind.predict(given, on_error="skip")
    first, second = (str(each.message) for each in warned)
    assert first.startswith("1 of 4 structures skipped: structure 1 (b): partial occupancy")
    assert second == f"1 of 3 structures skipped: structure 2 (c): {model.name} has no features for the element Zn"
    assert found.id.tolist() == ["a", "d"]
    assert found.prediction.tolist() == model.predict([crystals["NaCl"], crystals["Si"]]).prediction.tolist()
    with pytest.warns(UserWarning, match="skipped"):
        assert blind.predict(given, ids=range(4), on_error="skip").id.tolist() == ["0", "3"]


def test_an_element_without_features_is_refused(model: Model) -> None:
    table = model.checkpoint.atom_table.copy()
    table[14] = 0
    blind = replace(model, name="blind", checkpoint=replace(model.checkpoint, atom_table=table))
    with pytest.raises(InputError, match="blind has no features for the element Si"):
        blind.predict(samples.crystals()["Si"])


def test_each_crystal_has_its_prediction_or_its_error(model: Model) -> None:
    """Also with graphs and vectors that another model has left in a memory."""
    table = model.checkpoint.atom_table.copy()
    table[14] = 0
    blind = replace(model, name="blind", checkpoint=replace(model.checkpoint, atom_table=table))
    crystals = [zoo.Crystal.from_structure(samples.crystals()[name]) for name in ("NaCl", "Si")]
    memory = CrystalMemory()
    expected = model.predict(crystals)
    both = model.predict_each(crystals, memory=memory)
    assert [each["prediction"] for each in both] == expected.prediction.tolist()
    assert list(both[0]) == list(expected.columns[1:])
    assert len(memory) == 2
    salt, silicon = blind.predict_each(crystals, memory=memory)
    assert salt["prediction"] == expected.prediction[0]
    assert isinstance(silicon, InputError)
    assert "blind has no features for the element Si" in str(silicon)


def test_load_refuses_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean dEf-10k"):
        zoo.load("dEf-10")
