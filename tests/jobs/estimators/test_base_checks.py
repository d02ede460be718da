"""scikit-learn's own checks.

Most of them fit to arrays of random numbers, which are no crystals. They are listed with their reasons; those about
fitting and predicting run on crystals made of the numbers instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    check_classifiers_classes,
    check_classifiers_one_label,
    check_classifiers_regression_target,
    check_dict_unchanged,
    check_estimators_overwrite_params,
    check_estimators_pickle,
    check_fit_check_is_fitted,
    check_fit_idempotent,
    check_fit_score_takes_y,
    check_methods_sample_order_invariance,
    check_methods_subset_invariance,
    parametrize_with_checks,
)

import zoo
from zoo.data.crystal import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_CRYSTALS = "it fits to an array of numbers, which is refused: these are no crystals"
NO_MATRIX = "it wants a message on sparse matrices or on the number of columns, which crystals do not have"

FITTING = {
    "check_dict_unchanged",
    "check_estimators_dtypes",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
}
MATRICES = {
    "check_estimator_sparse_tag",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
}
TRANSFORMING = {
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
    "check_transformers_unfitted_stateless",
}
NOT_OF_FEATURIZERS = {  # nothing is fitted, so fitting to anything succeeds
    "check_dont_overwrite_parameters",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_check_is_fitted",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
}


NOT_OF_CLASSIFIERS = {"check_fit2d_1sample"}  # one sample has one class, which is refused as the check wants it


def expected_failures(estimator: Any) -> dict[str, str]:
    passed = NOT_OF_FEATURIZERS if isinstance(estimator, zoo.CrystalFeaturizer) else set()
    passed |= NOT_OF_CLASSIFIERS if isinstance(estimator, zoo.CrystalClassifier) else set()
    failures = dict.fromkeys(FITTING, NO_CRYSTALS) | dict.fromkeys(MATRICES, NO_MATRIX)
    failures |= dict.fromkeys(TRANSFORMING, NO_CRYSTALS)
    return {name: reason for name, reason in failures.items() if name not in passed}


class Regressor(zoo.CrystalRegressor):
    """Declares that it takes arrays; otherwise scikit-learn skips all checks."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class Classifier(zoo.CrystalClassifier):
    """The same."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class Featurizer(zoo.CrystalFeaturizer):
    """The same."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@parametrize_with_checks(
    [Regressor(), Classifier(), Featurizer()], expected_failed_checks=expected_failures, xfail_strict=True
)
def test_scikit_learn_is_content(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def rock_salts(numbers: Any) -> list[Crystal]:
    """One cell of NaCl for each row, whose sides depend on the numbers."""
    numbers = np.asarray(numbers, dtype=np.float64)
    mixed = numbers @ np.random.default_rng(0).normal(size=(numbers.shape[1], 3))
    sides = 5.6 + np.tanh(mixed)
    return [Crystal(np.array([11, 17]), np.diag(side), np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])) for side in sides]


class NumbersRegressor(zoo.CrystalRegressor):
    """Fits and predicts crystals made of the numbers that scikit-learn checks with."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> NumbersRegressor:  # noqa: N803
        super().fit(rock_salts(X), y, groups)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return super().predict(rock_salts(X))


class NumbersClassifier(zoo.CrystalClassifier):
    """The same."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> NumbersClassifier:  # noqa: N803
        super().fit(rock_salts(X), y, groups)
        return self

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        return super().predict_proba(rock_salts(X))


FITTED_CHECKS = [
    check_dict_unchanged,
    check_estimators_overwrite_params,
    check_estimators_pickle,
    check_fit_check_is_fitted,
    check_fit_idempotent,
    check_fit_score_takes_y,
    check_methods_sample_order_invariance,
    check_methods_subset_invariance,
]
CLASSIFIER_CHECKS = [check_classifiers_classes, check_classifiers_one_label, check_classifiers_regression_target]


@pytest.mark.parametrize("check", FITTED_CHECKS, ids=lambda check: check.__name__)
def test_fitting_and_predicting_crystals_is_as_scikit_learn_wants_it(
    check: Callable[[str, Any], None], backbone: Path
) -> None:
    check("CrystalRegressor", NumbersRegressor(mode="ridge", backbone=str(backbone)))


@pytest.mark.parametrize("check", [*FITTED_CHECKS, *CLASSIFIER_CHECKS], ids=lambda check: check.__name__)
def test_fitting_and_predicting_classes_is_as_scikit_learn_wants_it(
    check: Callable[[str, Any], None], backbone: Path
) -> None:
    check("CrystalClassifier", NumbersClassifier(mode="logistic", backbone=str(backbone)))
