"""Partial least squares for any number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cross_decomposition import PLSRegression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BoundedPLS(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's PLSRegression with the number of components limited by the size of the data.

    A grid search over the number of components therefore also works on small inner folds.

    Parameters
    ----------
    n_components : int
        Number of components; reduced if there are too few rows or columns.
    """

    def __init__(self, n_components: int = 2) -> None:
        self.n_components = n_components

    def fit(self, X: NDArray[np.float64], y: Any) -> BoundedPLS:  # noqa: N803
        """Fit to features of shape (n, d) and n targets."""
        bound = max(1, min(X.shape[0] - 1, X.shape[1]))
        self.model_ = PLSRegression(min(self.n_components, bound)).fit(X, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Return n predictions."""
        predicted: NDArray[np.float64] = self.model_.predict(X).reshape(len(X))
        return predicted
