"""The classical baselines of a run: named, fitted on each of its splits, and kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zoo._utils.progress import progress
from zoo.errors import PluginError
from zoo.jobs import methods
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.crystal import Crystal
    from zoo.data.splits import Split
    from zoo.jobs.fit_store import CellStore


def named(baselines: Sequence[str]) -> dict[str, str]:
    """Return what is shown of each baseline → what was asked for, each once; checks that it and its featurizer exist.

    Two plugins' baselines of one name keep the names of their packages.
    """
    asked = {methods.baseline_digest(name): name for name in baselines}
    own = {name: plugins.baseline(name).name for name in asked.values()}
    times = Counter(own.values())
    return {short if times[short] == 1 else name: name for name, short in own.items()}


def fit(
    names: dict[str, str],
    crystals: Sequence[Crystal],
    problem: methods.Problem,
    splits: Sequence[Split],
    cells: CellStore,
    *,
    quiet: bool,
) -> dict[str, list[methods.Outcome]]:
    """Fit baselines on every split, or read what was fitted before.

    Parameters
    ----------
    names : dict of str to str
        Of :func:`named`.
    crystals : sequence of Crystal
        Of all rows of the problem.
    problem : Problem
    splits : sequence of Split
    cells : CellStore
    quiet : bool
        Show no progress.

    Raises
    ------
    PluginError
        If one fails; what was fitted is kept.
    """
    if not names:
        return {}
    baselines = {shown: plugins.baseline(name) for shown, name in names.items()}
    digests = {shown: methods.baseline_digest(name)[:12] for shown, name in names.items()}
    features_of = {baseline.featurizer for baseline in baselines.values()}
    with progress("featurizing", len(features_of) * len(crystals), "crystals", quiet=quiet) as bar:
        features = methods.featurize(list(baselines.values()), crystals, bar)
    outcomes: dict[str, list[methods.Outcome]] = {shown: [] for shown in baselines}
    with progress("baselines", len(baselines) * len(splits), "fits", quiet=quiet) as bar:
        for split in splits:
            for shown, baseline in baselines.items():
                cell = f"baseline-{baseline.name}-{digests[shown]}-{split.seed}"
                outcome = cells.get(cell)
                if outcome is None:
                    try:
                        outcome = methods.fit_baseline(problem, split, baseline, features[baseline.featurizer])
                    except PluginError as error:
                        raise PluginError(f"{error}; what is done is kept: --resume, without it if need be") from error
                    cells.put(cell, outcome)
                outcomes[shown].append(outcome)
                bar.advance(1, f"seed {split.seed}, {shown}")
    return outcomes
