"""The cross-fits of a run: feature vectors, the members fitted for every seed, and their checkpoint configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo._utils.devices import choose_device
from zoo._utils.progress import progress
from zoo.data.graphs.memory import memory
from zoo.data.scaling import UNSCALED, TargetScaler
from zoo.errors import DOCUMENTATION, InputError, PluginError
from zoo.jobs import baselines, pretrained
from zoo.jobs.baselines import COMPOSITION
from zoo.jobs.crossfit.fit import CrossFit, cross_fit, folds_of
from zoo.jobs.crossfit.members import (
    STRUCTURE,
    NetworkMember,
    RegressorMember,
    baseline_member,
    default_members,
    network_member,
    rows_of_fit,
)
from zoo.jobs.crossfit.readout import readout_fit
from zoo.jobs.finetune import splitting
from zoo.jobs.methods import valid_range
from zoo.models.checkpoint.networks import Member
from zoo.models.checkpoint.schema import MAX_MEMBERS, BlendConfig, FeaturizerConfig
from zoo.models.inference import expert_vectors
from zoo.models.outline import expert_sizes
from zoo.models.regression.blends import Inputs, labels_digest
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo._utils.devices import Device
    from zoo.data.crystal import Crystal
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.baselines import Features
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.splitting import Rows
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.models.network import CrystalNetwork
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class CrossFits:
    """The cross-fits of a run.

    Parameters
    ----------
    fits : list of CrossFit
        One per seed.
    features : dict of featurizer to array or PluginError
        Feature vectors of all rows.
    inputs : Inputs
        What the regressors read of all rows.
    compositions : bool
        Whether the rows have formulas and no structures.
    """

    fits: list[CrossFit]
    features: dict[str, Features]
    inputs: Inputs
    compositions: bool

    def config(self, task: Task) -> BlendConfig:
        """Return the checkpoint's blend configuration: the featurizers of the regressors and the clipping range."""
        used = {
            name
            for fit in self.fits
            for member in fit.members
            for regressor in member.regressors
            for name in regressor.featurizers
        }
        described = []
        for name in sorted(used):
            labels = plugins.featurizer(name).labels
            described.append(FeaturizerConfig(name=name, columns=len(labels), labels_sha256=labels_digest(labels)))
        low, high = valid_range(task)
        return BlendConfig(featurizers=described, low=low, high=high, compositions=self.compositions)


@dataclass(frozen=True, eq=False)
class SharedFits:
    """The folds of a split, and what is already fitted to them.

    Parameters
    ----------
    folds : list of array
        Empty if nothing is cross-fitted.
    fits : list of Outcome
        Fits of a network shared with other targets, one for each fold, or one to the training rows; empty if there is
        no such network.
    """

    folds: list[NDArray[np.int64]]
    fits: list[Outcome]


def cut(options: Options, records: Sequence[Record], split: Split, *, stratify: bool) -> list[NDArray[np.int64]]:
    """Cut the rows of a split that are not test rows into folds; see :func:`zoo.jobs.crossfit.fit.folds_of`."""
    rows = splitting.pool(options, split)
    return folds_of(records, rows, seed=split.seed, how=options.split, stratify=stratify)


def cross_fit_all(
    options: Options,
    start: Start,
    rows: Rows,
    store: FitStore,
    *,
    device: Device,
    quiet: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> CrossFits:
    """Cross-fit the members selected by the options on every split.

    Parameters
    ----------
    options : Options
    start : Start
    rows : Rows
        With several targets, they have the folds of each split, and the fits of the shared network.
    store : FitStore
        Holds the finished fits.
    device : {"auto", "cpu", "cuda"}
    quiet : bool
        Show no progress.
    say, warn : callable
        Called with progress messages and with warnings, one line each.

    Raises
    ------
    InputError
        If there are too few rows, or too many seeds for one checkpoint.
    TrainingError
        If all members failed.
    """
    dataset, splits, records = rows.dataset, rows.splits, rows.table.records
    folds = [each.folds for each in rows.shared] or [
        cut(options, records, split, stratify=bool(rows.task.classes)) for split in splits
    ]
    if (total := sum(map(len, folds))) > MAX_MEMBERS:
        raise InputError(
            f"{len(splits)} {'folds' if splits[0].fold else 'seeds'}: cross-fitted in {len(folds[0])} folds each, a "
            f"model would have {total} members, and a checkpoint holds {MAX_MEMBERS}; give at most "
            f"{MAX_MEMBERS // len(folds[0])}"
        )
    initial = start.initial(splits[0].seed)[0]
    crystals = [record.crystal for record in records]
    vectors = frozen_vectors(start, initial, dataset, crystals, choose_device(device))
    initial.cpu()
    fits = [each.fits for each in rows.shared] or [[] for _ in folds]
    plans = [_members(options, start, dataset, *each, vectors, device) for each in zip(folds, fits, strict=True)]
    names = {name for each in plans[0] for name in _featurizers(each)}
    with progress("featurizing", len(names) * len(crystals), "crystals", quiet=quiet) as bar:
        features = baselines.featurize(names, crystals, bar)
    broken = {name: error for name, error in features.items() if isinstance(error, PluginError)}
    if broken and options.network_mode is None:
        raise next(iter(broken.values()))
    usable = {name: each for name, each in features.items() if not isinstance(each, PluginError)}
    inputs = Inputs(usable, None if vectors is None else vectors.numpy(), expert_sizes(initial.architecture))

    say(f"{sum(map(len, folds[0]))} rows in {len(folds[0])} folds: each row is predicted by fits that have not seen it")
    if options.fast and not start.formulas:
        say(
            "fast: no network is fine-tuned, which makes errors about 2 % larger "
            f"({DOCUMENTATION}/benchmarks/defaults.html)"
        )
    crossfits = []
    count = sum(len(plan) * len(each) for plan, each in zip(plans, folds, strict=True))
    with progress("cross-fitting", count, "fits", quiet=quiet) as bar:
        for split, parts, plan in zip(splits, folds, plans, strict=True):
            idle = partial(_idle, initial, dataset, np.concatenate(parts))
            crossfits.append(
                cross_fit(
                    plan,
                    dataset,
                    split,
                    parts,
                    inputs,
                    idle,
                    store=store,
                    device=device,
                    broken={name: str(error) for name, error in broken.items()},
                    bar=bar,
                    say=warn,
                )
            )
    return CrossFits(crossfits, features, inputs, start.formulas)


def frozen_vectors(
    start: Start, network: CrystalNetwork, dataset: Dataset, crystals: Sequence[Crystal], device: str
) -> Tensor | None:
    """Return the vectors of all rows from the frozen experts; on a CPU, those computed before are taken from memory."""
    if device != "cpu" or not start.experts:
        return expert_vectors(network, dataset.graphs, np.arange(len(crystals)), device=device)

    def compute(missing: list[int]) -> list[NDArray[np.float32]]:
        found = expert_vectors(network, dataset.graphs, np.array(missing))
        assert found is not None
        return [row.copy() for row in found.numpy()]

    kind = ("experts", *(each.digest for each in start.experts))
    return torch.from_numpy(np.stack(memory.recall(kind, crystals, compute)))


def _featurizers(member: NetworkMember | RegressorMember) -> tuple[str, ...]:
    return member.featurizers if isinstance(member, RegressorMember) else ()


def _idle(network: CrystalNetwork, dataset: Dataset, rows: NDArray[np.int64]) -> Member:
    """Return a member whose network provides only feature vectors, not predictions."""
    scaler = UNSCALED if dataset.classes else TargetScaler.fit(dataset.targets[rows], dataset.transform)
    return Member(network, scaler)


def _members(
    options: Options,
    start: Start,
    dataset: Dataset,
    folds: Sequence[NDArray[np.int64]],
    fits: Sequence[Outcome],
    vectors: Tensor | None,
    device: Device,
) -> list[NetworkMember | RegressorMember]:
    """Return the members selected by the options; `fits` are those of the network, if they are done."""
    if options.network_mode is None:
        replaced = COMPOSITION if start.formulas else {}
        return [baseline_member(options.mode, dataset.transform, dataset.classes, replaced)]
    regressors = default_members(
        dataset,
        np.concatenate(folds),
        [each.name for each in start.experts],
        options.beside,
        backbone=start.name,
        readout=readout_fit([pretrained.load_heads(each.pulled.directory) for each in start.experts]),
        featurizer=COMPOSITION[STRUCTURE] if start.formulas else STRUCTURE,
    )
    if options.fast or start.formulas:
        return [*regressors]
    settings = options.fit_settings(rows_of_fit(folds), from_scratch=False)
    network = network_member(start.name, start.key, start.initial, settings, vectors, device)
    return [replace(network, fits=fits), *regressors]
