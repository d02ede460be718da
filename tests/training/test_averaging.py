"""The moving average, in closed form."""

from __future__ import annotations

import pytest
import torch

from zoo.data.elements import atom_table
from zoo.models.architecture import default_architecture
from zoo.training.averaging import MovingAverage, weights
from zoo.training.transfer import scratch, transfer

SMALL = default_architecture(width=8, convolutions=2, head=8)
TABLE = torch.from_numpy(atom_table().copy())


def test_weights_and_statistics_are_averaged_and_counts_are_copied() -> None:
    network = scratch(SMALL, TABLE, 0)
    average = MovingAverage(network, 0.3)
    weight, mean = network.body.convs[0].fc_full.weight.data, network.body.convs[0].bn1.running_mean
    values = [5.0, 1.0, -2.0, 4.0]
    expected = 0.0
    for step, value in enumerate(values, start=1):
        weight.fill_(value)
        mean.fill_(value)
        network.body.convs[0].bn1.num_batches_tracked.fill_(step)
        average.update(step)
        decay = [0.0, 2 / 11, 0.25, 0.3][step - 1]  # t / (9 + t), but no more than 0.3: 4/13 would be
        expected = decay * expected + (1 - decay) * value
        averaged = average.network.body.convs[0]
        assert averaged.fc_full.weight.mean().item() == pytest.approx(expected, rel=1e-6)
        assert averaged.bn1.running_mean.mean().item() == pytest.approx(expected, rel=1e-6)
        assert averaged.bn1.num_batches_tracked == step
    assert weight.unique().tolist() == [values[-1]]


def test_experts_are_no_part_of_it() -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 0), "mixture", 1, experts=[scratch(SMALL, TABLE, 2)])
    names = weights(network).keys()
    assert {name for name in network.state_dict() if not name.startswith("experts.")} == names
    assert len(names) < len(network.state_dict())
