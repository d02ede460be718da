"""The checks of :mod:`zoo.testing`: functions that raise AssertionError with a message that says what to correct."""

from __future__ import annotations

import functools
import json
import random
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.registry.contracts import ZOO_API, Task
from zoo.registry.plugin_files import one_line_with_place
from zoo.testing import network_checks
from zoo.testing.baseline_checks import (
    baseline_can_be_cloned,
    baseline_fits_and_predicts,
    baseline_grid_can_be_searched,
    baseline_has_a_featurizer,
    baseline_is_one,
    baseline_is_reproducible,
    baseline_works_on_few_rows,
)
from zoo.testing.sample_crystals import crystals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from pymatgen.core import Structure

_TOLERANCE = 1e-5


def task_is_one(task: Any) -> None:
    """Check that the object is a task for this version of the contracts."""
    assert isinstance(task, Task), f"{task!r} is not a zoo.contracts.Task"
    _check_api(task)


def task_is_hashable(task: Any) -> None:
    """Check that a task is an immutable value: frozen and hashable."""
    try:
        hash(task)
    except TypeError as error:
        raise AssertionError(f"task {task.name!r} cannot be hashed ({error}); give tuples, not lists") from error


def task_survives_json(task: Any) -> None:
    """Check that the task survives a JSON round trip, as in a checkpoint."""
    fields = asdict(task)
    try:
        text = json.dumps(fields)
    except TypeError as error:
        raise AssertionError(
            f"task {task.name!r} cannot be written as JSON ({error}); give plain strings, floats and tuples"
        ) from error
    for name, value in json.loads(text).items():
        plain = list(fields[name]) if isinstance(fields[name], tuple) else fields[name]
        assert value == plain, f"task {task.name!r}: {name}={fields[name]!r} comes back from JSON as {value!r}"


def task_columns_are_distinct(task: Any) -> None:
    """Check that the target and its aliases are distinct, non-empty column names."""
    for column in task.columns:
        assert column.strip() == column != "", f"task {task.name!r}: {column!r} is not a usable column name"
    twice = sorted({column for column in task.columns if task.columns.count(column) > 1})
    assert not twice, f"task {task.name!r}: named twice among target and aliases: {', '.join(twice)}"


def task_unit_and_range_make_sense(task: Any) -> None:
    """Check that the unit has no surrounding blanks, and that the range accepts exactly the values inside it."""
    assert task.unit == task.unit.strip(), f"task {task.name!r}: blanks around the unit {task.unit!r}"
    assert task.description, f"task {task.name!r} needs a description: one sentence that says what the number is"
    if task.classes:
        return
    low, high = (float(end) for end in task.valid)
    inner = _inside(low, high)
    assert task.problem(inner) is None, f"task {task.name!r} rejects {inner:g}, inside its own range"
    for outside in (low - 1 - abs(low), high + 1 + abs(high), float("nan")):
        assert task.problem(outside), f"task {task.name!r} accepts {outside:g}, outside its range"


def task_reads_its_classes(task: Any) -> None:
    """Check that each label of a classification is read as its class, and that nothing between two classes is."""
    for position, label in enumerate(task.classes):
        for written in (label, f" {label.upper()} "):
            found = task.index(written)
            assert found == position, f"task {task.name!r}: {written!r} is read as class {found}, not {position}"
        assert task.problem(position) is None, f"task {task.name!r} rejects {position}, the position of {label!r}"
        assert task.problem(position + 0.5), f"task {task.name!r} accepts {position + 0.5}, which is not a class"


def _inside(low: float, high: float) -> float:
    low, high = max(low, -1e300), min(high, 1e300)
    return low / 2 + high / 2


def featurizer_returns_one_row_per_structure(featurizer: Any, structures: Any = None) -> None:
    """Check that ``featurize`` gives float64 of shape (structures, labels), finite or NaN."""
    import numpy as np

    made, given = _made(featurizer), _crystals(structures)
    labels = list(made.labels)
    assert labels, f"{label(made)}: labels is empty; name every column"
    assert all(isinstance(label, str) for label in labels), f"{label(made)}: labels must be strings"
    twice = sorted({label for label in labels if labels.count(label) > 1})
    assert not twice, f"{label(made)}: labels used twice: {', '.join(twice)}"
    assert all(isinstance(text, str) for text in made.citations), f"{label(made)}: citations must be strings"
    result = made.featurize(given)
    assert isinstance(result, np.ndarray), f"{label(made)}: featurize returns a {type(result).__name__}, not an array"
    assert result.shape == (len(given), len(labels)), (
        f"{label(made)}: featurize returns {result.shape} for {len(given)} structures, {len(labels)} labels"
    )
    assert result.dtype == np.float64, f"{label(made)}: featurize returns {result.dtype}, not float64"
    infinite = [label for label, column in zip(labels, result.T, strict=True) if np.isinf(column).any()]
    assert not infinite, f"{label(made)}: infinite values in {', '.join(infinite)}; give NaN where undefined"
    assert np.isfinite(result).any(), f"{label(made)}: all values are NaN, so nothing can be fitted"
    _check_api(made)


def featurizer_is_pure(featurizer: Any, structures: Any = None) -> None:
    """Check that calls are reproducible, structures unmodified, and global random generators unused."""
    import numpy as np

    made, given = _made(featurizer), _crystals(structures)
    copies = [structure.copy() for structure in given]
    state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        # Advance the generators first, to detect a featurizer that seeds them on each call.
        random.random()  # noqa: S311
        np.random.random()  # noqa: NPY002
        before = _random_states()
        first, second = made.featurize(given), made.featurize(given)
        moved = [name for name, after in _random_states().items() if after != before[name]]
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
    changed = [s.formula for s, copy in zip(given, copies, strict=True) if s != copy]
    assert not changed, f"{label(made)}: featurize changes its input ({', '.join(changed)}); work on a copy"
    assert not moved, f"{label(made)}: moves the global generator of {', '.join(moved)}; create a generator of its own"
    _compare(made, first, second, "a second call gives other values", exactly=True)


def featurizer_treats_structures_alone(featurizer: Any, structures: Any = None) -> None:
    """Check that the vector of a structure does not depend on the other structures of the call."""
    import numpy as np

    made, given = _made(featurizer), _crystals(structures)
    alone = np.concatenate([made.featurize([structure]) for structure in given])
    _compare(made, made.featurize(given), alone, "a structure's vector depends on the others in the list")


def featurizer_ignores_order_of_atoms(featurizer: Any, structures: Any = None) -> None:
    """Check invariance to the order of atoms."""
    import numpy as np
    from pymatgen.core import Structure

    made, given = _made(featurizer), _crystals(structures)
    rng = np.random.default_rng(0)
    shuffled = [Structure.from_sites([s[int(i)] for i in rng.permutation(len(s))]) for s in given]
    _compare(made, made.featurize(given), made.featurize(shuffled), "the order of the atoms changes the vector")


def featurizer_ignores_choice_of_origin(featurizer: Any, structures: Any = None) -> None:
    """Check invariance to a common translation of all atoms."""
    made, given = _made(featurizer), _crystals(structures)
    moved = [structure.copy() for structure in given]
    for structure in moved:
        structure.translate_sites(range(len(structure)), [0.137, 0.291, 0.413])
    _compare(made, made.featurize(given), made.featurize(moved), "a shift of all atoms changes the vector")


def featurizer_gives_the_same_for_arrays(featurizer: Any, structures: Any = None) -> None:
    """Check that ``featurize_crystals``, if defined, agrees with ``featurize`` and modifies no array."""
    import numpy as np

    from zoo.data.crystal import Crystal

    made, given = _made(featurizer), _crystals(structures)
    if not hasattr(made, "featurize_crystals"):
        return
    arrays = [Crystal.from_structure(structure) for structure in given]
    digests = [(crystal.numbers.tobytes(), crystal.lattice.tobytes(), crystal.frac.tobytes()) for crystal in arrays]
    result = made.featurize_crystals(arrays)
    after = [(crystal.numbers.tobytes(), crystal.lattice.tobytes(), crystal.frac.tobytes()) for crystal in arrays]
    assert after == digests, f"{label(made)}: featurize_crystals changes its input; work on a copy"
    assert isinstance(result, np.ndarray), f"{label(made)}: featurize_crystals returns a {type(result).__name__}"
    expected = (len(given), len(made.labels))
    assert result.shape == expected, f"{label(made)}: featurize_crystals returns {result.shape}, not {expected}"
    _compare(made, made.featurize(given), result, "featurize_crystals gives other values than featurize")


def featurizer_gives_the_same_for_compositions(featurizer: Any, structures: Any = None) -> None:
    """Check that ``featurize_compositions``, if defined, agrees with ``featurize``."""
    import numpy as np

    made, given = _made(featurizer), _crystals(structures)
    if not hasattr(made, "featurize_compositions"):
        return
    result = made.featurize_compositions([structure.composition for structure in given])
    assert isinstance(result, np.ndarray), f"{label(made)}: featurize_compositions returns a {type(result).__name__}"
    _compare(made, made.featurize(given), result, "featurize_compositions gives other values than featurize")


def _made(featurizer: Any) -> Any:
    is_factory = isinstance(featurizer, type) or not hasattr(featurizer, "featurize")
    made = featurizer() if is_factory and callable(featurizer) else featurizer
    for name in ("featurize", "labels", "citations"):
        assert hasattr(made, name), f"{label(made)} is not a featurizer: it has no {name}"
    return made


def _crystals(structures: Sequence[Structure] | None) -> list[Structure]:
    return list(crystals().values() if structures is None else structures)


def _random_states() -> dict[str, str]:
    import numpy as np

    kind, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    states = {"random": repr(random.getstate()), "numpy.random": repr((kind, list(key), rest))}
    if (torch := sys.modules.get("torch")) is not None:
        states["torch"] = repr(torch.get_rng_state().tolist())
    return states


def _compare(
    made: Any, first: NDArray[np.float64], second: NDArray[np.float64], what: str, *, exactly: bool = False
) -> None:
    import numpy as np

    tolerance = 0.0 if exactly else _TOLERANCE
    same = np.isclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True)
    wrong = [label for label, column in zip(made.labels, same.T, strict=True) if not column.all()]
    assert not wrong, f"{label(made)}: {what}, in {', '.join(wrong[:5])}{' and others' if wrong[5:] else ''}"


def label(plugin: object) -> str:
    """Return a plugin's name for messages and test ids."""
    name = getattr(plugin, "name", None) or getattr(plugin, "__name__", None)
    return name if isinstance(name, str) else type(plugin).__name__


def _check_api(plugin: Any) -> None:
    api = getattr(plugin, "zoo_api", ZOO_API)
    assert api == ZOO_API, f"{label(plugin)} was written for zoo_api {api!r}; this version of zoo uses {ZOO_API}"


def _told(check: Callable[..., None]) -> Callable[..., None]:
    """Convert any exception of a plugin into an AssertionError."""

    @functools.wraps(check)
    def checked(plugin: Any, *more: Any) -> None:
        try:
            check(plugin, *more)
        except AssertionError:
            raise
        except BaseException as error:
            if type(error) is KeyboardInterrupt:  # only Ctrl-C itself, not a plugin's subclass
                raise
            raise AssertionError(f"{label(plugin)} raises {one_line_with_place(error)}") from error

    return checked


_Checks = tuple["Callable[..., None]", ...]

TASK_CHECKS: _Checks = tuple(
    map(
        _told,
        (
            task_is_one,
            task_is_hashable,
            task_survives_json,
            task_columns_are_distinct,
            task_unit_and_range_make_sense,
            task_reads_its_classes,
        ),
    )
)
FEATURIZER_CHECKS: _Checks = tuple(
    map(
        _told,
        (
            featurizer_returns_one_row_per_structure,
            featurizer_is_pure,
            featurizer_treats_structures_alone,
            featurizer_ignores_order_of_atoms,
            featurizer_ignores_choice_of_origin,
            featurizer_gives_the_same_for_arrays,
            featurizer_gives_the_same_for_compositions,
        ),
    )
)
NETWORK_CHECKS: _Checks = tuple(map(_told, network_checks.NETWORK_CHECKS))
NETWORK_CHECKS_AT_SIZES: _Checks = tuple(map(_told, network_checks.NETWORK_CHECKS_AT_SIZES))
BASELINE_CHECKS: _Checks = tuple(
    map(
        _told,
        (
            baseline_is_one,
            baseline_can_be_cloned,
            baseline_fits_and_predicts,
            baseline_works_on_few_rows,
            baseline_is_reproducible,
            baseline_grid_can_be_searched,
            baseline_has_a_featurizer,
        ),
    )
)
