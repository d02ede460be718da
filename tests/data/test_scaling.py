"""Target transforms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.data.scaling import DECADES, MIN_VALUES, TargetScaler, propose_transform
from zoo.errors import InputError

MODULI = [12.0, 35.0, 160.0, 443.0]  # K_VRH of NaCl-like to diamond-like crystals, GPa


def test_closed_form() -> None:
    scaler = TargetScaler.fit([1.0, 3.0], "identity", bound=3.0)
    assert (scaler.mean, scaler.std) == (2.0, 1.0)
    assert scaler.scale([2.0, 5.0]) == pytest.approx([0.0, 3.0 * np.tanh(1.0)])


def test_log10_statistics_are_those_of_the_logarithms() -> None:
    scaler = TargetScaler.fit(MODULI, "log10")
    assert scaler.mean == pytest.approx(np.log10(MODULI).mean())
    assert scaler.std == pytest.approx(np.log10(MODULI).std())


@pytest.mark.parametrize("bound", [3.0, None])
@given(value=st.floats(5.0, 900.0))
def test_round_trip(bound: float | None, value: float) -> None:
    scaler = TargetScaler.fit(MODULI, "log10", bound=bound)
    assert scaler.unscale(scaler.scale([value]))[0] == pytest.approx(value, rel=1e-6)


def test_predictions_stay_near_the_training_targets() -> None:
    scaler = TargetScaler.fit([-1.0, 0.0, 1.0])
    far = 1.0 + scaler.std  # one standard deviation beyond the most extreme target
    assert scaler.unscale([2.999999, -50.0]) == pytest.approx([far, -far])
    assert scaler.unscale(scaler.scale([1.2]))[0] == pytest.approx(1.2)


def test_bounded_whatever_comes_in_and_finite_whatever_comes_out() -> None:
    scaler = TargetScaler.fit([-1.0, 1.0])
    assert np.abs(scaler.scale([1e9, -1e9])).max() <= 3.0
    assert np.isfinite(scaler.unscale([50.0, -50.0, 3.0])).all()


def test_equal_targets_are_refused() -> None:
    with pytest.raises(InputError, match="all 3 training targets are equal"):
        TargetScaler.fit([4.0, 4.0, 4.0])


@pytest.mark.parametrize("unit", [1e-25, 1e-12, 1.0, 1e21])
def test_the_unit_does_not_matter(unit: float) -> None:
    """Piezoelectric coefficients in C/N, carriers per cm³: what is learned is the same in every unit."""
    scaled = TargetScaler.fit(np.array(MODULI) * unit).scale(np.array(MODULI) * unit)
    assert scaled == pytest.approx(TargetScaler.fit(MODULI).scale(MODULI))


def test_equal_but_for_rounding_is_equal() -> None:
    with pytest.raises(InputError, match="are equal"):
        TargetScaler.fit(np.array([0.1 + 0.2, 0.3, 0.3]) * 1e-20)


def test_a_property_that_spans_decades_is_learned_in_log10() -> None:
    rng = np.random.default_rng(0)
    conductivities = 10 ** rng.uniform(-6, 1, 200)  # S/cm, from glasses to sintered pellets
    assert propose_transform(conductivities)[0] == "log10"
    for values in (
        rng.normal(150, 60, 200).clip(1),  # moduli, GPa
        rng.lognormal(np.log(3), 0.8, 200),  # gaps, eV
        -conductivities,
        np.append(conductivities, 0.0),  # one value without a logarithm
        conductivities[: MIN_VALUES - 1],
        np.append(rng.uniform(1, 5, 199), 1e6),  # an outlier, not a span
    ):
        assert propose_transform(values)[0] == "identity", values[:5]


@given(st.floats(1e-9, 1e9))
def test_the_unit_does_not_change_the_proposal(factor: float) -> None:
    for low, expected in ((-6, "log10"), (-1, "identity")):
        values = np.logspace(low, 0.9, 60)
        assert (np.quantile(np.log10(values), 0.95) - np.quantile(np.log10(values), 0.05) >= DECADES) == (low == -6)
        assert propose_transform(factor * values)[0] == expected
