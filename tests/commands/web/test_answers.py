"""The table of predictions."""

from __future__ import annotations

from zoo.commands.web.answers import PredictedCrystal, Prediction, ServedModel, Structure, table


def model(name: str, *, classes: tuple[str, ...] = (), level: float | None = None) -> ServedModel:
    return ServedModel(
        name=name,
        target="y",
        label="y",
        unit="" if classes else "eV",
        classes=list(classes),
        level=level,
        measures_distance=False,
        reads_crystal=False,
    )


def crystal(*predictions: Prediction) -> PredictedCrystal:
    structure = Structure(lattice=[[3, 0, 0], [0, 3, 0], [0, 0, 3]], symbols=["Si"], positions=[[0, 0, 0]])
    return PredictedCrystal(
        id='a,"b"',
        file="x.cif",
        formula="Si",
        atoms=1,
        structure=structure,
        predictions=list(predictions),
        known=[],
    )


def test_of_one_model_it_has_the_columns_of_predict() -> None:
    found = Prediction(model="m", prediction=1.23456789, unit="eV", spread=None, lower=1.0, upper=1.5, note="far")
    assert table([crystal(found)], [model("m", level=0.9)]) == (
        'id,prediction,unit,spread,lower,upper,note,formula,atoms,file\n"a,""b""",1.23457,eV,,1,1.5,far,Si,1,x.cif\n'
    )


def test_of_several_the_names_are_added_and_a_failure_is_a_note() -> None:
    first = Prediction(model="m", prediction=None, unit="eV", spread=None, error="no features for Og")
    second = Prediction(
        model="c", prediction="metal", unit="", spread=0.1, probabilities={"metal": 0.75, "non-metal": 0.25}
    )
    models = [model("m"), model("c", classes=("metal", "non-metal"))]
    header, row = table([crystal(first, second)], models).splitlines()
    assert header == (
        "id,prediction_m,unit_m,spread_m,note_m,prediction_c,unit_c,probability_metal_c,probability_non-metal_c,"
        "spread_c,note_c,formula,atoms,file"
    )
    assert row == '"a,""b""",,eV,,not predicted: no features for Og,metal,,0.75,0.25,0.1,,Si,1,x.cif'
