"""Checks of baselines for :mod:`zoo.testing`, for each kind of task that a baseline serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.registry.contracts import ZOO_API, Baseline
from zoo.testing.sample_crystals import crystals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.registry.contracts import TaskKind


def baseline_is_one(baseline: Any) -> None:
    """Check that the object is a baseline for this version of the contracts, with a non-empty grid."""
    assert isinstance(baseline, Baseline), f"{baseline!r} is not a zoo.contracts.Baseline"
    api = baseline.zoo_api
    assert api == ZOO_API, f"{baseline.name} was written for zoo_api {api!r}; this version of zoo uses {ZOO_API}"
    assert baseline.featurizer, f"baseline {baseline.name!r}: name the featurizer whose vectors it takes"
    for key, values in baseline.grid.items():
        assert len(values) > 0, f"baseline {baseline.name!r}: grid[{key!r}] is empty"


def baseline_can_be_cloned(baseline: Any) -> None:
    """Check that ``build(seed)`` returns a new estimator that scikit-learn can clone and search over."""
    from sklearn.base import clone

    for kind in baseline.kinds:
        estimator = baseline.make(kind, 0)
        clone(estimator)
        again = baseline.make(kind, 0)
        assert again is not estimator, f"baseline {baseline.name!r}: build must make a new one each time"
        unknown = sorted(set(baseline.grid) - set(estimator.get_params()))
        assert not unknown, (
            f"baseline {baseline.name!r}: the grid has parameters that the estimator lacks: {', '.join(unknown)}"
        )


def baseline_has_a_featurizer(baseline: Any) -> None:
    """Check that the baseline's featurizer exists, and that the baseline can be fitted to its vectors."""
    import numpy as np

    from zoo.errors import ZooError
    from zoo.registry import plugins

    try:
        features = plugins.featurizer(baseline.featurizer).featurize(list(crystals().values()))
    except ZooError as error:
        raise AssertionError(f"baseline {baseline.name!r}: its featurizer cannot be used: {error}") from error
    features = np.tile(np.asarray(features, dtype=np.float64), (2, 1))  # ten rows
    assert np.isfinite(features).any(), f"baseline {baseline.name!r}: {baseline.featurizer!r} gives only NaN"
    for kind in baseline.kinds:
        target = _target(kind, np.arange(len(features), dtype=np.float64))
        prediction = _predicted(kind, baseline.make(kind, 0).fit(features, target), features)
        assert np.isfinite(prediction).all(), f"baseline {baseline.name!r}: predictions that are not finite"


def baseline_fits_and_predicts(baseline: Any) -> None:
    """Check that ``fit`` returns the estimator, which predicts a number or probabilities per row, even for NaN."""
    import numpy as np

    for kind in baseline.kinds:
        features, target = _vectors(40, kind)
        features[3, 2] = np.nan
        estimator = baseline.make(kind, 0)
        try:
            fitted = estimator.fit(features, target)
        except ValueError as error:
            raise AssertionError(
                f"baseline {baseline.name!r} cannot be fitted where a feature is NaN ({error}); "
                "put an imputer into the pipeline"
            ) from error
        assert fitted is estimator, f"baseline {baseline.name!r}: fit must return the estimator itself"
        prediction, shape = _predicted(kind, estimator, features), (40,) if kind == "regression" else (40, 2)
        assert prediction.shape == shape, (
            f"baseline {baseline.name!r}: {_method(kind)} gives shape {prediction.shape}, not {shape}"
        )
        assert np.isfinite(prediction).all(), f"baseline {baseline.name!r}: predictions that are not finite"
        if kind == "classification":
            whole = (prediction >= 0).all() and np.allclose(prediction.sum(axis=1), 1)
            assert whole, f"baseline {baseline.name!r}: predict_proba gives numbers that are no probabilities"


def baseline_works_on_few_rows(baseline: Any) -> None:
    """Check that ten rows suffice, as in an inner fold of a small table."""
    for kind in baseline.kinds:
        features, target = _vectors(10, kind)
        try:
            _predicted(kind, baseline.make(kind, 0).fit(features, target), features)
        except ValueError as error:
            raise AssertionError(f"baseline {baseline.name!r} cannot be fitted to 10 rows: {error}") from error


def baseline_is_reproducible(baseline: Any) -> None:
    """Check that fits with the same seed agree, regardless of the global random state."""
    import numpy as np

    for kind in baseline.kinds:
        features, target = _vectors(40, kind)
        first = _predicted(kind, baseline.make(kind, 7).fit(features, target), features)
        state = np.random.get_state()  # noqa: NPY002
        try:
            np.random.random(13)  # noqa: NPY002
            second = _predicted(kind, baseline.make(kind, 7).fit(features, target), features)
        finally:
            np.random.set_state(state)  # noqa: NPY002
        assert np.array_equal(first, second), (
            f"baseline {baseline.name!r}: two fits with one seed differ; pass the seed on as random_state"
        )


def baseline_grid_can_be_searched(baseline: Any) -> None:
    """Check that every value of the grid can be fitted."""
    for kind in baseline.kinds:
        features, target = _vectors(40, kind)
        for key, values in baseline.grid.items():
            for value in values:
                estimator = baseline.make(kind, 0).set_params(**{key: value})
                try:
                    estimator.fit(features, target)
                except ValueError as error:
                    raise AssertionError(f"baseline {baseline.name!r}: {key}={value!r} fails: {error}") from error


def _vectors(rows: int, kind: TaskKind) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return features of shape (rows, 24), one of them constant, and a target that depends on three of them."""
    import numpy as np

    features = np.random.default_rng(11).normal(size=(rows, 24))
    features[:, 5] = 1.0
    return features, _target(kind, 3.0 + features[:, 0] - 0.5 * features[:, 1] * features[:, 2])


def _target(kind: TaskKind, numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return numbers, or of a classification the positions of two classes of equal size."""
    import numpy as np

    return numbers if kind == "regression" else (numbers > np.median(numbers)).astype(np.int64)


def _method(kind: TaskKind) -> str:
    return "predict" if kind == "regression" else "predict_proba"


def _predicted(kind: TaskKind, fitted: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(getattr(fitted, _method(kind))(features), dtype=np.float64)
