"""Figures: what they draw, what their files hold, and that they can be read without colour."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy import stats

from zoo.analysis import figures
from zoo.analysis.comparisons import power_law
from zoo.analysis.figures.__main__ import main
from zoo.analysis.figures.style import looks
from zoo.data.crystal import Crystal

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.analysis.figures import Picture

# Formation energies (eV/atom) and PBE gaps (eV) of MgO, NaCl, LiF, ZnO, GaAs, Si, CdTe, Al, Cu, TiC.
ENERGIES = np.array([-3.03, -2.12, -3.18, -1.81, -0.45, 0.0, -0.53, 0.0, 0.0, -0.79])
GAPS = np.array([4.45, 5.0, 8.7, 0.73, 0.19, 0.61, 0.58, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def errors() -> pd.DataFrame:
    """Errors that fall with size^-0.5 from scratch, and are a fifth lower with transfer."""
    rng = np.random.default_rng(0)
    rows = []
    for size in (50, 100, 200):
        for seed in range(5):
            scratch = size**-0.5 * np.exp(rng.normal(0, 0.03))
            rows += [("from scratch", size, seed, scratch), ("dEf-10k", size, seed, 0.8 * scratch)]
    return pd.DataFrame(rows, columns=["method", "size", "seed", "error"])


def check(picture: Picture, folder: Path) -> pd.DataFrame:
    """Save, look that each file is what it says, and return the numbers."""
    saved = picture.save(folder, "figure")
    assert {path.name for path in folder.iterdir()} == {"figure.png", "figure.svg", "figure.csv"}
    image = imread(saved.path("png"))
    assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 30
    assert tuple(image[0, 0, :3]) == (1, 1, 1)
    text = saved.path("svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert not re.search(r'(href|src)="https?:', text)
    assert saved.alt.endswith(".")
    assert saved.caption.endswith(".")
    return pd.read_csv(saved.path("csv"))


def test_source_against_target(tmp_path: Path) -> None:
    picture = figures.source_target(
        ENERGIES, GAPS, source_name="ΔEf", target_name="Eg", source_unit="eV/atom", target_unit="eV"
    )
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ΔEf (eV/atom)", "Eg (eV)")
    r = stats.pearsonr(ENERGIES, GAPS).statistic
    assert f"Pearson's r = {r:.2f}, 10 crystals" in axes.get_title(loc="left")
    assert f"r = {r:.2f}" in picture.caption
    table = check(picture, tmp_path)
    assert table["ΔEf"].tolist() == pytest.approx(ENERGIES.tolist())
    assert table["Eg"].tolist() == pytest.approx(GAPS.tolist())


def test_what_a_logarithm_cannot_show_is_counted() -> None:
    picture = figures.source_target(
        np.append(ENERGIES, np.nan), np.append(GAPS, 1.0), source_name="ΔEf", target_name="Eg", log_target=True
    )
    assert len(picture.data) == 7
    assert picture.caption.startswith("7 crystals; Pearson's r with log Eg = ")
    assert "4 without two values are not shown." in picture.caption
    with pytest.raises(ValueError, match="2 of 2 pairs can be shown; at least three are needed"):
        figures.source_target([1, 2], [1, 2], source_name="x", target_name="y")


def test_equal_predictions_have_a_density_too() -> None:
    """A baseline that predicts one number for all, but for rounding."""
    found = figures.point_density([1.0, 2.0, 3.0], [97.3, 97.3, 97.3 + 1e-13])
    assert found == pytest.approx([found[0], 1.0, found[0]], rel=0.05)


def test_the_density_is_that_of_gaussian_kernels() -> None:
    """SciPy's kernels have the covariance of the points; it is all but diagonal here, and ours is."""
    points = np.random.default_rng(1).normal(size=(2, 4000)) * [[1.0], [30.0]]
    found = figures.point_density(*points)
    exact = stats.gaussian_kde(points)(points)
    assert found == pytest.approx(exact / exact.max(), abs=0.02)
    assert found.max() == 1


def test_ninety_thousand_points_are_drawn_as_a_picture(tmp_path: Path) -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 90_000))
    saved = figures.source_target(x, y, source_name="x", target_name="y").save(tmp_path, "many")
    assert saved.path("svg").stat().st_size < 1_000_000
    assert len(pd.read_csv(saved.path("csv"))) == 90_000


def test_parity(tmp_path: Path) -> None:
    target = np.array([442.0, 138.0, 98.0, 76.0, 24.0, 3.3])
    prediction = np.array([400.0, 150.0, 90.0, 80.0, 30.0, -2.0])
    picture = figures.parity(target, prediction, quantity="K_VRH", unit="GPa", log=True, method="rf")
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("reference K_VRH (GPa)", "predicted K_VRH (GPa)")
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()
    assert "1 predictions at or below zero are not shown." in picture.caption
    assert f"{np.abs(prediction - target).mean():.3g} GPa" in picture.caption
    assert check(picture, tmp_path)["predicted"].tolist() == prediction.tolist()


def test_the_learning_curve(errors: pd.DataFrame, tmp_path: Path) -> None:
    fits = {name: law for name, rows in errors.groupby("method") if (law := power_law(rows["size"], rows["error"]))}
    picture = figures.learning_curve(errors, error_label="MAE (eV)", fits=fits, reference="from scratch")
    axes = picture.figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("training rows", "MAE (eV)")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "100", "200"]
    legend = [text.get_text() for text in picture.figure.legends[0].get_texts()]
    assert legend[0].startswith(f"from scratch (∝ n$^{{{fits['from scratch'].exponent:.2f}}}")
    table = check(picture, tmp_path).set_index(["method", "size"])
    at_100 = errors[(errors["method"] == "dEf-10k") & (errors["size"] == 100)].error
    assert table.loc[("dEf-10k", 100), "mean"] == pytest.approx(at_100.mean())
    assert table.loc[("dEf-10k", 100), "std"] == pytest.approx(at_100.std())
    assert "At 200 rows dEf-10k has the smallest error" in picture.alt
    # The band reaches one deviation up and down.
    band = axes.collections[1].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((table["mean"] + table["std"])["dEf-10k"].max())


def test_of_many_curves_only_two_have_bands(errors: pd.DataFrame) -> None:
    copies = [errors.assign(method=errors["method"] + mark, error=errors["error"] * 1.1) for mark in ("'", "''")]
    many = pd.concat([errors, *copies])
    picture = figures.learning_curve(many, error_label="MAE", reference="from scratch")
    assert many["method"].nunique() > 4
    assert len(picture.figure.axes[0].collections) == 2
    assert "the band (of from scratch and dEf-10k alone) is ± one standard deviation" in picture.caption


def test_a_single_seed_has_no_band(errors: pd.DataFrame) -> None:
    picture = figures.learning_curve(errors[errors.seed == 0], error_label="MAE")
    assert "there is one seed, hence no band" in picture.caption


def gains(mean: float = -0.3) -> pd.DataFrame:
    rows = [("dEf-10k", 50, 0.2, 0.1, 0.3, True), ("dEf-10k", 100, 0.1, -0.05, 0.2, False)]
    rows += [("mean", 50, mean, mean - 0.1, mean + 0.1, True), ("mean", 100, mean, mean - 0.1, mean + 0.1, True)]
    return pd.DataFrame(rows, columns=["method", "size", "gain", "low", "high", "significant"])


def test_the_gain(tmp_path: Path) -> None:
    picture = figures.gain_curve(gains(), reference="training from scratch")
    axes = picture.figure.axes[0]
    assert "reduction of the error against\ntraining from scratch (%)" in axes.get_ylabel()
    # What is not significant is open.
    open_markers = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in open_markers] == [[10.0], []]
    assert check(picture, tmp_path).gain.tolist() == gains().gain.tolist()
    assert "Below the picture" not in picture.caption


def test_a_method_far_below_does_not_flatten_the_others() -> None:
    picture = figures.gain_curve(gains(-3.0), reference="training from scratch")
    low, high = picture.figure.axes[0].get_ylim()
    assert -50 < low < -5
    assert high > 30
    assert "Below the picture: mean, 300 % higher at 2 sizes." in picture.caption


def test_every_seed_is_in_its_box(errors: pd.DataFrame, tmp_path: Path) -> None:
    picture = figures.seed_boxes(errors, error_label="MAE (eV)", reference="from scratch")
    panels = picture.figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == [f"{n} training rows" for n in (50, 100, 200)]
    assert panels[-1].get_xlabel() == "MAE (eV)"
    dots = [line for line in panels[1].lines if line.get_linestyle() == "None"]
    drawn = np.sort(np.concatenate([line.get_xdata() for line in dots]))
    assert drawn == pytest.approx(np.sort(errors[errors["size"] == 100].error))
    assert len(check(picture, tmp_path)) == len(errors)


def test_of_many_boxes_the_ends_are_drawn_and_all_are_saved(errors: pd.DataFrame) -> None:
    many = pd.concat([errors.assign(method=f"method {i}", error=errors.error * (1 + i)) for i in range(11)])
    picture = figures.seed_boxes(many, error_label="MAE (eV)")
    assert [axes.get_title(loc="left") for axes in picture.figure.axes] == ["50 training rows", "200 training rows"]
    assert picture.caption.endswith("Shown: the smallest and the largest of 3 sizes.")
    assert set(picture.data["size"]) == {50, 100, 200}
    assert picture.figure.axes[-1].get_xscale() == "log"


def test_an_element_has_the_mean_error_of_its_crystals(tmp_path: Path) -> None:
    crystals = [("Mg", "O"), ("Zn", "O"), ("Si",), *([("Al",)] * 6)]
    picture = figures.element_errors(crystals, [0.1, 0.3, 0.5, *([0.2] * 6)], error_label="error (eV)")
    table = check(picture, tmp_path).set_index("element")
    assert table.loc["O", "mean error"] == pytest.approx(0.2)
    assert table.loc["O", "errors"] == 2
    assert table.index[0] == "Si"
    assert "5 elements" in picture.alt


def test_distance_is_in_units_of_the_usual_one() -> None:
    """Four training points a unit apart on a line: the next neighbour of each is at 1."""
    train = np.array([[0.0], [1.0], [2.0], [3.0]]) * 7
    assert figures.nearest(np.array([[0.0], [3.5], [42.0]]), train) == pytest.approx([0, 0.5, 3])


def test_composition_distance() -> None:
    def crystal(*numbers: int) -> Crystal:
        return Crystal(np.array(numbers), np.eye(3) * 5, np.random.default_rng(0).random((len(numbers), 3)))

    salt, doubled, rutile, metal = crystal(11, 17), crystal(11, 11, 17, 17), crystal(22, 8, 8), crystal(29)
    # NaCl to TiO2 shares nothing; Na2Cl2 is NaCl; TiO2 to Ti3O: |1/3 - 3/4| + |2/3 - 1/4| = 5/6, half of it.
    found = figures.composition_distances([doubled, rutile, crystal(22, 22, 22, 8)], [salt, metal])
    assert found == pytest.approx([0, 1, 1])
    assert figures.composition_distances([crystal(22, 22, 22, 8)], [rutile, metal]) == pytest.approx([5 / 12])


def test_errors_against_distance(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    distance = rng.gamma(2, 1, 400)
    error = np.abs(rng.normal(0, 0.1 + 0.1 * distance))
    picture = figures.distance_errors(distance, error, distance_label="distance", error_label="error (eV)")
    rho = stats.spearmanr(distance, error).statistic
    assert f"ρ = {rho:.2f}" in picture.figure.axes[0].get_title(loc="left")
    line = picture.figure.axes[0].lines[0]
    assert len(line.get_xdata()) == 8
    nearest = np.argsort(distance)[:50]
    assert line.get_ydata()[0] == pytest.approx(error[nearest].mean())
    assert len(check(picture, tmp_path)) == 400


def test_methods_are_told_apart_without_colour() -> None:
    names = ["from scratch", *(f"backbone {i}" for i in range(7))]
    drawn = looks(names, "from scratch")
    assert list(drawn) == names
    assert len({look.marker for name, look in drawn.items() if name != "from scratch"}) == 7
    assert drawn["from scratch"].face == "white"
    assert len({look.color for look in drawn.values()}) == 8


def test_the_same_numbers_give_the_same_file(errors: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("a", "b"):
        figures.learning_curve(errors, error_label="MAE (eV)").save(tmp_path, name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_two_columns_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"ef": ENERGIES, "gap": GAPS, "structure": "not read"})
    table.loc[0, "gap"] = np.nan
    table.to_parquet(tmp_path / "mp.parquet")
    words = [str(tmp_path / "mp.parquet"), "ef", "gap", "--out", str(tmp_path), "--target-unit", "eV", "--name", "fig1"]
    assert main(words) == 0
    r = stats.pearsonr(ENERGIES[1:], GAPS[1:]).statistic
    assert f"9 crystals; Pearson's r = {r:.2f}" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "fig1.csv")) == 9


def test_a_column_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ef,gap\n-1,0\n-2,wide\n")
    for words, message in (
        (["ef", "gap"], f"Error: {tmp_path}/t.csv row 2, gap: 'wide' is no number\n"),
        (["ef", "egap"], f"Error: {tmp_path}/t.csv has no column 'egap'; it has ef, gap\n"),
        (["ef", "ef"], f"Error: {tmp_path}/t.csv: 2 of 2 pairs can be shown; at least three are needed\n"),
    ):
        command = [sys.executable, "-m", "zoo.figures", str(tmp_path / "t.csv"), *words]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stderr) == (2, message)
