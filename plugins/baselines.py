"""Classical regressors and classifiers on crystal vectors, as scikit-learn pipelines.

All fitted quantities are part of the pipeline: the medians that replace undefined features, the scaling of features,
the model, and the scaling of the target if the model's parameters depend on it, so that a grid has the same meaning in
any unit. Scaled features are clipped at ten standard deviations. Some features are nearly constant in a small training
set, and a linear model would otherwise extrapolate without limit for test rows in which they differ.

The grids cover the values selected by five-fold cross-validation on 100 and 500 bulk moduli and dielectric constants,
and one step beyond. The forest has no grid, because its error varied by only 5 % between a fifth and all of
the features per split.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.registry.contracts import Baseline

_SKLEARN = "F. Pedregosa et al., Journal of Machine Learning Research 12, 2825 (2011)"
_CLIP = 10.0


def _mean(seed: int) -> Any:  # noqa: ARG001
    from sklearn.dummy import DummyRegressor

    return DummyRegressor(strategy="mean")


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import Pipeline

    forest = RandomForestRegressor(n_estimators=300, max_features=1 / 3, random_state=seed)
    return Pipeline([("impute", _imputer()), ("model", forest)])


def _majority(seed: int) -> Any:  # noqa: ARG001
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _forest_classifier(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    forest = RandomForestClassifier(n_estimators=300, random_state=seed)
    return Pipeline([("impute", _imputer()), ("model", forest)])


def _svc(seed: int) -> Any:  # noqa: ARG001
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    machines = OneVsRestClassifier(SVC(C=10.0, gamma=0.001))
    return _scaled_features(CalibratedClassifierCV(machines, ensemble=False, cv=3))


def _logistic(seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import LogisticRegression

    return _scaled_features(LogisticRegression(C=0.01, max_iter=2000))


def _svr(seed: int) -> Any:  # noqa: ARG001
    from sklearn.svm import SVR

    return _scaled(SVR(C=10.0, gamma=0.001, epsilon=0.03))


def _lasso(seed: int) -> Any:
    from sklearn.linear_model import Lasso

    return _scaled(Lasso(alpha=0.01, max_iter=20_000, random_state=seed))


def _ridge(seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import Ridge

    return _scaled(Ridge(alpha=10.0))


def _pls(seed: int) -> Any:  # noqa: ARG001
    from .pls import BoundedPLS

    return _scaled(BoundedPLS(n_components=8))


def _imputer() -> Any:
    from sklearn.impute import SimpleImputer

    # A feature that is undefined in all training rows is set to zero, so that the columns keep their positions.
    return SimpleImputer(strategy="median", keep_empty_features=True)


def _scaled(model: Any) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(_scaled_features(model), transformer=StandardScaler())


def _scaled_features(model: Any) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    clip = FunctionTransformer(np.clip, kw_args={"a_min": -_CLIP, "a_max": _CLIP})
    return Pipeline([("impute", _imputer()), ("scale", StandardScaler()), ("clip", clip), ("model", model)])


mean = Baseline(
    name="mean",
    build=_mean,
    featurizer="magpie",
    description="The mean of the training targets, for every crystal.",
    citation=_SKLEARN,
)

majority = Baseline(
    name="majority",
    classifier=_majority,
    featurizer="magpie",
    description="The shares of the classes among the training rows, for every crystal.",
    citation=_SKLEARN,
)

rf = Baseline(
    name="rf",
    build=_forest,
    classifier=_forest_classifier,
    description="Random forest of 300 trees; a third of the features tried at each split, of classes their root.",
    citation="L. Breiman, Machine Learning 45, 5 (2001), doi:10.1023/A:1010933404324",
)

svr = Baseline(
    name="svr",
    build=_svr,
    grid={
        "regressor__model__C": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        "regressor__model__gamma": (0.0001, 0.0003, 0.001, 0.003, 0.01),
    },
    description="Support vector regression with a Gaussian kernel.",
    citation="A. J. Smola, B. Schölkopf, Statistics and Computing 14, 199 (2004)",
)

svc = Baseline(
    name="svc",
    classifier=_svc,
    grid={
        "model__estimator__estimator__C": (1.0, 10.0, 100.0),
        "model__estimator__estimator__gamma": (0.0001, 0.0003, 0.001, 0.003),
    },
    description="Support vector machines with a Gaussian kernel, of more than two classes one for each against all "
    "others; probabilities by Platt's method.",
    citation="C. Cortes, V. Vapnik, Machine Learning 20, 273 (1995), doi:10.1007/BF00994018",
)

logistic = Baseline(
    name="logistic",
    classifier=_logistic,
    grid={"model__C": (0.0001, 0.001, 0.01, 0.1, 1.0)},
    description="Logistic regression with an L2 penalty.",
    citation="D. R. Cox, Journal of the Royal Statistical Society B 20, 215 (1958)",
)

lasso = Baseline(
    name="lasso",
    build=_lasso,
    grid={"regressor__model__alpha": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)},
    description="Linear regression that selects features by an L1 penalty.",
    citation="R. Tibshirani, Journal of the Royal Statistical Society B 58, 267 (1996)",
)

ridge = Baseline(
    name="ridge",
    build=_ridge,
    grid={"regressor__model__alpha": (0.1, 1.0, 10.0, 100.0, 1000.0)},
    description="Linear regression with an L2 penalty.",
    citation="A. E. Hoerl, R. W. Kennard, Technometrics 12, 55 (1970)",
)

pls = Baseline(
    name="pls",
    build=_pls,
    grid={"regressor__model__n_components": (1, 2, 4, 8, 12, 16, 24, 32, 48)},
    description="Partial least squares regression.",
    citation="S. Wold et al., Chemometrics and Intelligent Laboratory Systems 58, 109 (2001)",
)
