"""Classical regressors stored as plain arrays; prediction needs only NumPy, and saving does not use pickle.

The models are fitted with scikit-learn (:mod:`zoo.models.regression.conversion`), and the classes in this module
reproduce its predictions: :class:`KernelMachine` (Smola & Schölkopf, Stat. Comput. 14, 199 (2004)),
:class:`TreeEnsemble` (Breiman, Mach. Learn. 45, 5 (2001); Geurts et al., Mach. Learn. 63, 3 (2006)), and
:class:`LinearModel`. Each class, like :class:`zoo.models.regression.readouts.Readout`, validates its arrays on
construction, because they may come from an untrusted file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from zoo._utils import compiled
from zoo.errors import CheckpointError, InputError
from zoo.models.regression.readouts import Readout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Single = NDArray[np.float32]

MAX_DEPTH, MAX_TREES = 1000, 10_000
"""Maximum depth of a tree, and number of trees in an ensemble: a malicious file cannot take hours to predict."""

_BLOCK = 2**22
"""Elements in a block of kernel values or tree positions (32 MB)."""

_TYPES: dict[str, type] = {
    **dict.fromkeys(("roots", "features", "left", "right", "width", "starts", "rows"), np.int32),
    **dict.fromkeys(("vectors", "thresholds", "values", "hidden"), np.float32),
}
"""Data types of a model's arrays; large arrays are in single precision, those not listed in double precision."""

_PREPARATION = ("fill", "mean", "scale", "clip", "target")
"""Arrays of a regressor besides those of its model."""

_MATRICES = ("vectors", "hidden")
"""Arrays of two dimensions; all others have one."""


def squared_distances(points: Array, others: Array, squares: Array | None = None) -> Array:
    """Return the squared distances of n points of shape (n, d) from m others of shape (m, d), shape (n, m).

    `squares` are the squared lengths of the others, if they are already known.
    """
    if squares is None:
        squares = np.einsum("ij,ij->i", others, others)
    result: Array = points @ others.T
    result *= -2
    result += np.einsum("ij,ij->i", points, points)[:, None]
    result += squares
    return np.maximum(result, 0, out=result)


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise CheckpointError(f"regressor: {what}")


@dataclass(frozen=True, eq=False)
class LinearModel:
    """y = X · coefficients + intercept.

    Parameters
    ----------
    coefficients : array of shape (d,)
    intercept : array of shape (1,)
    """

    kind: ClassVar[str] = "linear"

    coefficients: Array
    intercept: Array

    def __post_init__(self) -> None:
        _require(self.coefficients.ndim == 1 and self.intercept.shape == (1,), "arrays of a linear model do not fit")

    @property
    def columns(self) -> int:
        """Number of features."""
        return len(self.coefficients)

    def predict(self, features: Array) -> Array:
        """Return predictions, shape (n,), from features of shape (n, d)."""
        result: Array = features @ self.coefficients + self.intercept[0]
        return result


@dataclass(frozen=True, eq=False)
class KernelMachine:
    """y = Σ_i coefficient_i exp(-γ |x - v_i|²) + intercept.

    Parameters
    ----------
    vectors : array of shape (m, d), float32
        Support vectors.
    coefficients : array of shape (m,)
    intercept, gamma : arrays of shape (1,)
    rows : array of shape (m,), int32, or None
        Rows of a checkpoint's table of training rows from whose features the vectors are prepared, if there is one; see
        :mod:`zoo.models.regression.training_rows`.
    """

    kind: ClassVar[str] = "kernel"

    vectors: Single
    coefficients: Array
    intercept: Array
    gamma: Array
    rows: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        fits = self.vectors.ndim == 2 and self.coefficients.shape == self.vectors.shape[:1]
        _require(fits and self.intercept.shape == self.gamma.shape == (1,), "arrays of a kernel machine do not fit")
        _require(self.gamma[0] > 0, "gamma must be positive")

    @property
    def columns(self) -> int:
        """Number of features."""
        return int(self.vectors.shape[1])

    def predict(self, features: Array) -> Array:
        """Return predictions, shape (n,), from features of shape (n, d)."""
        vectors = self.vectors.astype(np.float64)
        squares = np.einsum("ij,ij->i", vectors, vectors)
        result = np.empty(len(features))
        step = max(1, _BLOCK // max(1, len(vectors)))
        for start in range(0, len(features), step):
            rows = features[start : start + step]
            kernel = squared_distances(rows, vectors, squares)
            kernel *= -self.gamma[0]
            np.exp(kernel, out=kernel)
            result[start : start + step] = kernel @ self.coefficients
        result += self.intercept[0]
        return result


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """y = base + rate · Σ_t tree_t(x).

    The nodes of all trees are stored consecutively. At an inner node, a row goes to the left child if its feature (in
    single precision, as in scikit-learn) is less than or equal to the threshold.

    Parameters
    ----------
    roots : array of shape (T,), int32
        Index of each tree's first node.
    features : array of shape (N,), int32
        Column tested at each node; -1 at a leaf.
    thresholds, values : arrays of shape (N,), float32
    left, right : arrays of shape (N,), int32
        Indices of the children, which follow their parent. A leaf refers to itself.
    base, rate : arrays of shape (1,)
    width : array of shape (1,), int32
        Number of features.
    """

    kind: ClassVar[str] = "trees"

    roots: NDArray[np.int32]
    features: NDArray[np.int32]
    thresholds: Single
    values: Single
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    base: Array
    rate: Array
    width: NDArray[np.int32]

    def __post_init__(self) -> None:
        nodes = np.arange(len(self.features))
        per_node = (self.features, self.thresholds, self.values, self.left, self.right)
        shapes = all(each.shape == nodes.shape for each in per_node) and self.roots.ndim == 1
        _require(shapes and all(each.shape == (1,) for each in (self.base, self.rate, self.width)), "trees do not fit")
        _require(bool(len(self.roots)) and bool(len(nodes)) and self.width[0] >= 1, "there is no tree")
        leaf = self.features < 0
        _require(bool(np.all((self.features >= -1) & (self.features < self.width[0]))), "a tree tests a missing column")
        for children in (self.left, self.right):
            # Children must follow their parent, so that every traversal terminates.
            after = np.where(leaf, children == nodes, (children > nodes) & (children < len(nodes)))
            _require(bool(after.all()), "a tree's nodes are out of order")
        _require(bool(np.all((self.roots >= 0) & (self.roots < len(nodes)))), "a tree's root is missing")
        _require(len(self.roots) <= MAX_TREES, f"there are {len(self.roots):,} trees; zoo loads {MAX_TREES:,} at most")
        reached = np.concatenate([self.roots, self.left[~leaf], self.right[~leaf]])
        once = len(reached) == len(nodes) and np.bincount(reached, minlength=len(nodes)).all()
        _require(bool(once), "a node of a tree has two parents, or none")
        depth, level = 0, self.roots
        while len(level := level[~leaf[level]]):
            depth, level = depth + 1, np.concatenate([self.left[level], self.right[level]])
            _require(depth < MAX_DEPTH, f"a tree is deeper than {MAX_DEPTH}")

    @property
    def columns(self) -> int:
        """Number of features."""
        return int(self.width[0])

    def predict(self, features: Array) -> Array:
        """Return predictions, shape (n,), from features of shape (n, d)."""
        single = np.ascontiguousarray(features, dtype=np.float32)
        result = np.zeros(len(features))
        if compiled.trees is not None:
            nodes = (self.features, self.thresholds, self.left, self.right, self.values)
            complete = compiled.trees.sums(single, self.roots, *nodes, MAX_DEPTH, result)
        else:
            complete = self._add_sums(single, result)
        if not complete:
            raise CheckpointError(f"regressor: a tree is deeper than {MAX_DEPTH}")
        result *= self.rate[0]
        result += self.base[0]
        return result

    def _add_sums(self, single: Single, result: Array) -> bool:
        """Do in NumPy what :func:`zoo.models.kernels.trees.sums` does."""
        column = np.maximum(self.features, 0)
        step = max(1, _BLOCK // (8 * len(self.roots)))
        for start in range(0, len(single), step):
            rows = single[start : start + step]
            nodes = np.repeat(self.roots[None, :], len(rows), axis=0)
            index = np.arange(len(rows))[:, None]
            for _ in range(MAX_DEPTH):
                goes_left = rows[index, column[nodes]] <= self.thresholds[nodes]
                following = np.where(goes_left, self.left[nodes], self.right[nodes])
                if np.array_equal(following, nodes):
                    break
                nodes = following
            else:
                return False
            result[start : start + step] += self.values[nodes].sum(axis=1, dtype=np.float64)
        return True


Model: TypeAlias = LinearModel | KernelMachine | TreeEnsemble | Readout
MODELS: dict[str, type[Model]] = {model.kind: model for model in (LinearModel, KernelMachine, TreeEnsemble, Readout)}


@dataclass(frozen=True, eq=False)
class Regressor:
    """A model with the preprocessing of its features and the scaling of its target.

    Parameters
    ----------
    model : LinearModel, KernelMachine, TreeEnsemble or Readout
    fill : array of shape (d,)
        Replacement values for undefined features.
    mean, scale : arrays of shape (d,)
        Mean and scale used to standardise the features.
    clip : array of shape (1,) or (d,)
        Largest magnitude of a standardised feature, of all or of each; may be infinite.
    target : array of shape (2,)
        Offset and factor of the target; y = offset + factor × model.
    """

    model: Model
    fill: Array
    mean: Array
    scale: Array
    clip: Array
    target: Array

    def __post_init__(self) -> None:
        shape = (self.model.columns,)
        _require(self.fill.shape == self.mean.shape == self.scale.shape == shape, "features do not fit the model")
        _require(self.clip.shape in {(1,), shape} and self.target.shape == (2,), "clip or target has a wrong shape")
        _require(bool(np.all(self.scale > 0) and np.all(self.clip > 0)), "scales must be positive")

    @property
    def columns(self) -> int:
        """Number of features."""
        return self.model.columns

    def predict(self, features: Array) -> Array:
        """Return predictions, shape (n,), from features of shape (n, d); NaN marks an undefined feature.

        Raises
        ------
        InputError
            If the number of columns differs from that in training.
        """
        if features.ndim != 2 or features.shape[1] != self.columns:
            raise InputError(f"features of shape {features.shape}: the regressor was fitted on {self.columns} columns")
        prepared = standardised(features, self.fill, self.mean, self.scale, self.clip)
        result: Array = self.target[0] + self.target[1] * self.model.predict(prepared)
        return result

    def described(self) -> dict[str, Any]:
        """Return what :meth:`from_tensors` needs besides the arrays."""
        return {"kind": self.model.kind}

    @property
    def parts(self) -> tuple[Regressor, ...]:
        """Itself; a classifier has several."""
        return (self,)

    def combined(self, numbers: Sequence[Array]) -> Array:
        """Return the predictions, given those of all parts."""
        return numbers[0]

    def tensors(self, *, by_row: bool = False) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, in the form expected by :meth:`from_tensors`.

        With `by_row`, a kernel machine has the positions of its vectors in the table of training rows in their place.
        """
        own = {name: getattr(self, name) for name in _PREPARATION}
        return own | {f"model.{name}": getattr(self.model, name) for name in _arrays(type(self.model), by_row=by_row)}

    @classmethod
    def from_tensors(cls, kind: str, tensors: Mapping[str, NDArray[Any]]) -> Regressor:
        """Build a regressor from its arrays.

        Raises
        ------
        CheckpointError
            If an array is missing, unexpected, not finite or of the wrong data type, or if the shapes are inconsistent.
        """
        _require(kind in MODELS, f"there is no kind {kind[:20]!r}; known kinds: {', '.join(MODELS)}")
        parts = _arrays(MODELS[kind])
        expected = {*_PREPARATION, *(f"model.{name}" for name in parts)}
        _require(set(tensors) == expected, f"arrays {sorted(set(tensors) ^ expected)[:3]} are missing or left over")
        for name, array in tensors.items():
            expects = _TYPES.get(name.removeprefix("model."), np.float64) if name.startswith("model.") else np.float64
            _require(array.dtype == expects, f"{name} has the data type {array.dtype}")
            _require(name == "clip" or bool(np.isfinite(array).all()), f"{name} holds values that are not finite")
        model = MODELS[kind](**{name: tensors[f"model.{name}"] for name in parts})
        return cls(model, **{name: tensors[name] for name in _PREPARATION})


def standardised(features: Array, fill: Array, mean: Array, scale: Array, clip: Array) -> Array:
    """Return features as a model reads them, shape (n, d): NaN replaced, standardised and clipped."""
    result: Array = features - mean
    missing = np.isnan(features)
    if missing.any():
        np.copyto(result, fill - mean, where=missing)
    result /= scale
    return np.clip(result, -clip, clip, out=result)


def _arrays(model: type[Model], *, by_row: bool = False) -> list[str]:
    """Return the names of a model's arrays."""
    names = [each.name for each in fields(model) if each.name != "rows"]
    return ["rows" if by_row and name == "vectors" else name for name in names]


def array_types(kind: str, *, by_row: bool = False) -> dict[str, tuple[str, int]]:
    """Return a mapping of array name to safetensors type and number of dimensions for a kind of regressor.

    `by_row` is that of :meth:`Regressor.tensors`.
    """
    parts = _arrays(MODELS[kind], by_row=by_row)
    codes: dict[type, str] = {np.int32: "I32", np.float32: "F32"}
    return {
        **dict.fromkeys(_PREPARATION, ("F64", 1)),
        **{
            f"model.{name}": (codes[_TYPES[name]] if name in _TYPES else "F64", 2 if name in _MATRICES else 1)
            for name in parts
        },
    }
