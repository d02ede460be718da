"""The starting point of a fine-tuning: the backbone, how it is chosen, its frozen experts, and messages about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.progress import progress
from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.analysis.metrics import row_errors
from zoo.data.elements import atom_table, known_elements
from zoo.data.graphs.neighbors import GraphSettings
from zoo.errors import InputError
from zoo.jobs import lineage, pretrained
from zoo.jobs.baselines import composition_featurizer
from zoo.models.architecture import default_architecture
from zoo.registry import plugins, task_choice
from zoo.training import transfer
from zoo.training.settings import BLEND, FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.data.splits import Split
    from zoo.data.tables.table import Table
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.jobs.pretrained import Pretrained
    from zoo.models.network import CrystalNetwork
    from zoo.registry.contracts import Task
    from zoo.training.settings import Mode

ALL = "all"
"""Value of ``--backbone`` that compares all backbones on validation rows and keeps the best."""

MIN_CHOICE_ROWS = 10
"""Minimum number of training rows, and of validation rows, for choosing a backbone."""


@dataclass(frozen=True, eq=False)
class Start:
    """The starting point of a run's networks.

    Parameters
    ----------
    backbone : Pretrained or None
        None for zoo's default network with random weights.
    mode : {"mixture", "full", "head", "layerwise"}
        Fine-tuning mode of the backbone; see :mod:`zoo.training.transfer`.
    experts : tuple of Pretrained
        Frozen backbones that a mixture reads in addition to the trained one.
    from_scratch : bool
        Use random weights; only the layer sizes, graph settings and element table are taken from a backbone.
    outputs : int
        Number of classes, or 1 for a number.
    targets : int
        Number of properties that the networks learn at once.
    formulas : bool
        Whether the table has formulas and no structures: no network is fitted.
    unread : bool
        Whether the model does not read the backbone, as of a baseline: it only tells how far a crystal is from the
        training set.
    """

    backbone: Pretrained | None
    mode: Mode = "full"
    experts: tuple[Pretrained, ...] = ()
    from_scratch: bool = False
    outputs: int = 1
    targets: int = 1
    formulas: bool = False
    unread: bool = False

    @property
    def name(self) -> str:
        """Name of the backbone, "from scratch", or "formulas"."""
        if self.formulas:
            return "formulas"
        return self.backbone.name if self.backbone and not self.from_scratch else FROM_SCRATCH

    @property
    def method(self) -> str:
        """Name of the method in tables and files."""
        return FROM_SCRATCH if self.from_scratch else f"{self.name} ({self.mode})"

    @property
    def key(self) -> str:
        """Key of its fits in the store of a run."""
        return f"transfer-{self.backbone.digest[:12]}" if self.backbone and not self.from_scratch else "scratch"

    @property
    def graph(self) -> GraphSettings:
        """Graph settings of the networks."""
        return self.backbone.graph if self.backbone else GraphSettings()

    @property
    def known(self) -> frozenset[int]:
        """Atomic numbers for which the networks have features."""
        return self.backbone.known if self.backbone else known_elements(atom_table())

    @property
    def pretrained(self) -> list[Pretrained]:
        """The experts and the backbone, without duplicates, as far as the model reads them."""
        backbone = [self.backbone] if self.backbone and not self.unread else []
        return list({each.name: each for each in (*self.experts, *backbone)}.values())

    def scratch(self) -> Start:
        """Return the same start with random weights, for comparison."""
        return Start(self.backbone, from_scratch=True, outputs=self.outputs)

    def initial(self, seed: int) -> tuple[CrystalNetwork, dict[str, float]]:
        """Return the initial network of a fit and its learning rates by depth."""
        if self.formulas:  # a checkpoint has one; this one is never asked
            size = default_architecture(width=1, convolutions=1, head=1, gaussians=2, outputs=self.outputs)
            return transfer.scratch(size, None, seed), {}
        if self.backbone is None:
            return pretrained.new_network(seed, self.outputs, self.targets), {}
        network = self.backbone.network
        if self.from_scratch:
            size = network.architecture
            own = {
                "settings": size.transferred.settings,
                "targets": self.targets,
                "experts": 0,
                "outputs": self.outputs,
            }
            return transfer.scratch(size.model_copy(update=own), network.atom_table, seed), {}
        experts = [each.network for each in self.experts]
        return transfer.transfer(network, self.mode, seed, experts=experts, outputs=self.outputs, targets=self.targets)


def of_formulas(options: Options, outputs: int = 1) -> Start:
    """Return the starting point for a table with formulas and no structures.

    Raises
    ------
    InputError
        If the options ask for a network, a backbone, or a featurizer of structures.
    """
    asked = {
        f"--mode {options.mode}": options.network_mode is not None and options.mode != BLEND,
        f"--backbone {options.backbone}": options.backbone != "auto",
        "--fast": options.fast,
        "--compare scratch": options.compare_scratch,
    }
    if network := next((option for option, given in asked.items() if given), None):
        raise InputError(f"{network}: the table has formulas and no structures, which networks need; leave it out")
    own = [options.mode] if options.network_mode is None else []
    read = [*options.beside, *(plugins.baseline(name).featurizer for name in (*own, *options.baselines))]
    for name in read:
        composition_featurizer(name)
    return Start(None, outputs=outputs, formulas=True)


def prepare(options: Options) -> list[Start]:
    """Load the starting point of a fine-tuning; with ``--backbone all``, one for each available backbone.

    Raises
    ------
    ZooError
        If a backbone cannot be loaded; see :func:`zoo.jobs.pretrained.load`.
    """
    if options.backbone != ALL:
        name = options.chosen_backbone()
        return [
            Start(None, from_scratch=True)
            if name is None
            else _with_experts(pretrained.load(name), options.network_mode)
        ]
    found = [_with_experts(each, options.network_mode) for each in pretrained.available(GraphSettings())]
    if not found:
        raise InputError(f"--backbone {ALL}: no backbone is at hand")
    return found


def _with_experts(backbone: Pretrained, mode: Mode | None) -> Start:
    experts = tuple(pretrained.experts(backbone)) if mode == "mixture" else ()
    used = "full" if mode is None or (mode == "mixture" and not experts) else mode
    return Start(backbone, used, experts, unread=mode is None)


def choice_split(splits: Sequence[Split]) -> Split:
    """Return the first split without the test rows of any split, so that no test label influences the choice.

    The test rows are those of the first split. With a single seed, this is the first split unchanged.

    Raises
    ------
    InputError
        If fewer than `MIN_CHOICE_ROWS` training or validation rows are left.
    """
    tested = np.concatenate([split.test for split in splits])
    train, val = (rows[~np.isin(rows, tested)] for rows in (splits[0].train, splits[0].val))
    found = replace(splits[0], train=train, val=val)
    if splits[0].fold and not len(found.train):
        raise InputError("--backbone all: every row is a test row of a fold, and none is left to choose by; name one")
    for what, left in (("validation", found.val), ("training", found.train)):
        if len(left) < MIN_CHOICE_ROWS:
            raise InputError(
                f"--backbone all: only {len(left)} {what} rows are test rows of no seed, and a choice needs "
                f"{MIN_CHOICE_ROWS}; give more data, fewer --seeds, or name a backbone"
            )
    return found


def compare_backbones(
    starts: Sequence[Start],
    fit: Callable[[Start], Outcome],
    dataset: Dataset,
    split: Split,
    *,
    quiet: bool = False,
) -> dict[str, float]:
    """Fine-tune each backbone and return its validation error.

    Parameters
    ----------
    starts : sequence of Start
        One per backbone.
    fit : callable
        Fine-tunes from a given start on `split`.
    dataset : Dataset
    split : Split
        From :func:`choice_split`.

    Returns
    -------
    dict of str to float
        Mean absolute error by backbone, lowest first: of log10 for tasks trained in log10, otherwise in the task's
        unit.
    """
    found = {}
    with progress("choosing a backbone", len(starts), "backbones", quiet=quiet) as bar:
        for start in starts:
            predicted = fit(start).predictions[split.val]
            errors = row_errors(dataset.targets[split.val], predicted, log10=dataset.transform == "log10")
            found[start.name] = float(errors.mean())
            bar.advance(1, f"{start.name}: {found[start.name]:.4g} on {len(split.val)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))


def describe(start: Start, options: Options, task: Task, tried: dict[str, float]) -> list[str]:
    """Return messages on the backbone: its location, the reason for its choice, and its frozen experts.

    Parameters
    ----------
    start : Start
    options : Options
    task : Task
    tried : dict of str to float
        Validation errors of all backbones, if they were compared.
    """
    if start.formulas:
        return [
            "formulas and no structures: no backbone is used, as backbones read structures; the members of the model "
            "read compositions, so polymorphs get the same prediction"
        ]
    if start.backbone is None:
        return []
    pulled = start.backbone.pulled
    line = f"backbone {pulled.name} from {pulled.directory}" + (f" ({pulled.note})" if pulled.note else "")
    if tried:
        shown = ", ".join(f"{name} {error:.4g}" for name, error in tried.items())
        what = (
            "log-loss"
            if task.classes
            else "MAE of log10"
            if task.transform == "log10"
            else f"MAE in {task.unit}"
            if task.unit
            else "MAE"
        )
        line += f": the best on validation rows ({what}: {shown})"
    elif options.backbone == "auto":
        recommended = bool(task.recommended_backbone)
        why = "recommended by the task" if recommended else "the default, as the task recommends none"
        line += f": {why}; --backbone {ALL} compares all of them on validation rows"
    if options.network_mode is None:
        return [f"mode {options.mode}: a baseline; {pulled.name} only tells how far a crystal is from the training set"]
    if start.experts:
        return [
            line,
            f"mode {options.mode}: {', '.join(each.name for each in start.experts)} are read beside it, unchanged",
        ]
    if options.network_mode == "mixture":
        none = f"no registered backbone has the graphs and sizes of {start.name}"
        what = "blend: {}, so none is read beside it" if options.mode == BLEND else "full: {}, so nothing to mix"
        return [line, f"mode {what.format(none)}"]
    return [line]


def row_warnings(
    start: Start, leaks: dict[str, list[int]], seen: Sequence[int] | None, judged: Sequence[str]
) -> list[str]:
    """Return warnings about rows seen in pretraining that the errors are measured on; see also :func:`row_notes`.

    Parameters
    ----------
    start : Start
    leaks, seen
        Results of :func:`zoo.jobs.lineage.count_leaks` and :func:`zoo.jobs.lineage.count_seen`; the messages give the
        largest number of a seed.
    judged : sequence of str
        Number and kind of these rows for each seed, for example "50 test rows".
    """
    lines = []
    unlisted = lineage.without_list(start.pretrained)
    if unlisted:
        lines.append(
            f"{', '.join(unlisted)}: no complete list of its training crystals exists; "
            "those that are not listed are not compared with test rows"
        )
    if leaks:
        lines += [
            f"{_most(counts, judged)} are crystals that {name} was trained on, on this very property: "
            "their error says nothing about new crystals"
            for name, counts in leaks.items()
        ]
    elif seen is None and len(unlisted) < len(start.pretrained):
        lines.append(UNKNOWN_IDS)
    return lines


def row_notes(
    start: Start, task: Task, leaks: dict[str, list[int]], seen: Sequence[int] | None, judged: Sequence[str]
) -> list[str]:
    """Return notes on rows seen in pretraining that do not limit the errors; see :func:`row_warnings`."""
    if leaks or not seen or not max(seen):
        return []
    unlisted = lineage.without_list(start.pretrained)
    names = [each.name for each in start.pretrained if each.name not in unlisted]
    learned = dict.fromkeys(target for each in start.pretrained for target in each.targets)
    others = ", ".join(target for target in learned if target not in task.columns)
    who = names[0] if len(names) == 1 else f"at least one of {', '.join(names)}"
    return [
        f"{_most(seen, judged)} are crystals that {who} saw in training, with another property ({others}): "
        "no leak of the target"
    ]


def _most(counts: Sequence[int], judged: Sequence[str]) -> str:
    worst = int(np.argmax(counts))
    return f"{counts[worst]} of {judged[worst]}"


def provenance(start: Start, options: Options, task: Task, table: Table) -> dict[str, Any]:
    """Return a JSON-serialisable record of the origin of a run's weights, and of a task that no plugin defines."""
    backbone = start.backbone
    # The checkpoint holds the network of a backbone that is not read, and another run may start from it.
    unread = [backbone] if backbone and start.unread else []
    return {
        "backbone": None
        if backbone is None or unread
        else {
            "name": backbone.name,
            "origin": backbone.pulled.origin,
            "revision": backbone.pulled.revision,
            "sha256": backbone.digest,
        },
        "mode": options.shown_mode if options.cross_fitted else start.mode if backbone else None,
        "experts": {each.name: each.digest for each in start.experts},
        "ancestors": sorted({*lineage.ancestors([*start.pretrained, *unread]), *(each.digest for each in unread)}),
        "data": {"file": table.source.name, "sha256": table.sha256, "rows": len(table.records)},
        **({} if task_choice.plugin_of(options.choice) else {"task": task_choice.definition(task)}),
    }
