"""A small checkpoint of a blend: two members, each a network, a kernel machine and trees on made-up vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingRegressor

from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint import networks
from zoo.models.checkpoint.schema import BlendConfig, FeaturizerConfig, TargetConfig
from zoo.models.outline import outline
from zoo.models.regression.blends import Inputs, WeightedRegressor, labels_digest
from zoo.models.regression.conversion import from_sklearn
from zoo.registry import plugins
from zoo.training.kernel_regression import fit_kernel_machine
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from zoo.analysis.difficulty import Difficulty

MIXED = default_architecture(width=4, convolutions=1, head=4, gaussians=5, pooling="all", experts=2)
SCALER = TargetScaler("log10", 1.9, 0.3, bound=None, limit=4.0)
UNSCALED = TargetScaler("identity", 90.0, 0.3, bound=None, limit=4.0)


def blend(
    weights: tuple[float, float, float] = (0.5, 0.3, 0.2),
    featurizer: str = "magpie",
    difficulty: Difficulty | None = None,
    *,
    by_row: bool = False,
) -> networks.Checkpoint:
    """Return a checkpoint whose network, kernel machine and trees have these weights; a weight of 0 leaves one out.

    With `by_row`, the kernel machines refer to a table of training rows.
    """
    table = torch.from_numpy(atom_table().copy())
    labels = plugins.featurizer(featurizer).labels
    experts = outline(MIXED.transferred).vector_size
    random = np.random.default_rng(3)
    first = scratch(MIXED, table, 1)
    members, read = [], []
    for seed in (1, 2):
        network = scratch(MIXED, table, seed)
        network.experts.load_state_dict(first.experts.state_dict())  # frozen, so the same in all members
        x, y = random.normal(size=(30, len(labels) + experts)), random.normal(size=30)
        x = x.astype(np.float32).astype(np.float64)  # as the vectors of experts are
        machine = fit_kernel_machine(x, y, seed)[0]
        width = len(labels)
        read.append(x)
        trees = from_sklearn(GradientBoostingRegressor(n_estimators=5, random_state=0).fit(x[:, :width], y), width)
        parts = (
            WeightedRegressor("svr on both", machine, SCALER, weights[1], (featurizer,), (1,)),
            WeightedRegressor("trees", trees, UNSCALED, weights[2], (featurizer,)),
        )
        kept = tuple(each for each in parts if each.weight)
        scaler = TargetScaler("log10", 1.9, 0.3)
        calibration = tuple(np.linspace(0.01, 0.2, 20))
        members.append(networks.Member(network, scaler, seed, (), calibration, weights[0], kept, difficulty))
    described = BlendConfig(
        featurizers=[FeaturizerConfig(name=featurizer, columns=len(labels), labels_sha256=labels_digest(labels))],
        low=1.0,
        high=500.0,
    )
    all_rows = np.concatenate(read)
    vectors = np.concatenate([np.zeros((len(all_rows), experts)), all_rows[:, len(labels) :]], axis=1)
    inputs = Inputs({featurizer: all_rows[:, : len(labels)]}, vectors.astype(np.float32), (experts, experts))
    return networks.describe(
        members,
        name="blend",
        targets=[TargetConfig(name="K_VRH", unit="GPa", task="bulk-modulus")],
        graph=GraphSettings(),
        elements=["O", "Mg"],
        blend=described,
        features=inputs if by_row else None,
    )
