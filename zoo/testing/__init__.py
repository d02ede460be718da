"""Conformance checks of plugins, for use in the test suites of plugin packages.

::

    from zoo.testing import parametrize_with_checks
    from my_package import hardness, Fingerprint

    @parametrize_with_checks([hardness, Fingerprint()])
    def test_conforms(plugin, check):
        check(plugin)

or, without pytest, ``check_task(hardness)``. A failed check raises AssertionError with a message that says what to
correct. Only :func:`parametrize_with_checks` imports pytest.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.registry.contracts import Baseline, Task
from zoo.registry.networks import Network
from zoo.testing.conformance import (
    BASELINE_CHECKS,
    FEATURIZER_CHECKS,
    NETWORK_CHECKS,
    NETWORK_CHECKS_AT_SIZES,
    TASK_CHECKS,
    label,
)
from zoo.testing.hub_server import HubServer
from zoo.testing.network_extras import at_sizes
from zoo.testing.sample_crystals import crystals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pydantic import BaseModel
    from pymatgen.core import Structure

__all__ = [
    "HubServer",
    "check_baseline",
    "check_featurizer",
    "check_network",
    "check_task",
    "checks_for",
    "crystals",
    "hub_server",
    "parametrize_with_checks",
]


def check_task(task: Task) -> None:
    """Check that an object conforms to the task contract.

    Raises
    ------
    AssertionError
        Says what to correct.
    """
    for check in TASK_CHECKS:
        check(task)


def check_featurizer(featurizer: Any, structures: object = None) -> None:
    """Check that an object conforms to the featurizer contract.

    Parameters
    ----------
    featurizer : Featurizer
        Or a class or function that returns one when called without arguments.
    structures : object, optional
        Crystals to test it on, in any form that :meth:`zoo.Model.predict` takes; by default those of :func:`crystals`.

    Raises
    ------
    AssertionError
        Says what to correct.
    """
    given = _structures(structures)  # before the loop: a generator can be read only once
    for check in FEATURIZER_CHECKS:
        check(featurizer, given)


def check_baseline(baseline: Baseline) -> None:
    """Check that an object conforms to the baseline contract, on synthetic vectors.

    Raises
    ------
    AssertionError
        Says what to correct.
    """
    for check in BASELINE_CHECKS:
        check(baseline)


def check_network(network: Network, structures: object = None, settings: BaseModel | None = None) -> None:
    """Check that an object conforms to the network contract.

    Parameters
    ----------
    network : Network
    structures : object, optional
        Crystals to test it on, in any form that :meth:`zoo.Model.predict` takes; by default those of :func:`crystals`.
    settings : BaseModel, optional
        Sizes at which to check what it computes, and nothing else; by default, everything is checked, at the default
        sizes of its settings. ``zoo pretrain`` checks networks of other packages at the sizes of the recipe.

    Raises
    ------
    AssertionError
        Names the rule that is broken.
    """
    given = _structures(structures)  # before the loop: a generator can be read only once
    if settings is not None:
        network = at_sizes(network, settings)
    for check in NETWORK_CHECKS if settings is None else NETWORK_CHECKS_AT_SIZES:
        check(network, given)


def _structures(given: object) -> list[Structure] | None:
    if given is None:
        return None
    from zoo.data.structures.conversion import as_crystals

    return [crystal.to_structure() for crystal in as_crystals(given)]


def checks_for(plugin: object) -> Sequence[Callable[..., None]]:
    """Return the checks that apply to a plugin; each is a function of the plugin."""
    if isinstance(plugin, Task):
        return TASK_CHECKS
    if isinstance(plugin, Network):
        return NETWORK_CHECKS
    return BASELINE_CHECKS if isinstance(plugin, Baseline) else FEATURIZER_CHECKS


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """Start a Hugging Face Hub on the loopback interface, for tests of packages that pull, push or publish.

    Use it as a fixture::

        @pytest.fixture
        def hub(monkeypatch, tmp_path):
            with zoo.testing.hub_server() as server:
                yield server

    and start subprocesses with ``HF_ENDPOINT=server.url`` and their own ``HF_HOME``. Both are read once, when
    ``huggingface_hub`` is imported; within the test process, set ``huggingface_hub.constants`` instead.

    Yields
    ------
    HubServer
        ``put(repo, files)`` commits files; ``fault`` enables a fault; ``requests`` lists the requests received.

    Examples
    --------
    >>> with hub_server() as server:
    ...     commit = server.put("me/net", {"config.json": b"{}"})
    ...     len(commit), server.url.startswith("http://127.0.0.1:")
    (40, True)
    """
    with HubServer() as server:
        yield server


def parametrize_with_checks(plugins: Iterable[object]) -> Any:
    """Return a pytest decorator that runs a test for every pair ``(plugin, check)``.

    Parameters
    ----------
    plugins : iterable of Task, Baseline, Network or Featurizer
    """
    import pytest

    return pytest.mark.parametrize(
        ("plugin", "check"),
        [
            pytest.param(plugin, check, id=f"{label(plugin)}-{check.__name__}")
            for plugin in plugins
            for check in checks_for(plugin)
        ],
    )
