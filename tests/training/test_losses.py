"""Losses worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from zoo.training.losses import cross_entropy, masked_l1


def test_missing_labels_are_no_part_of_the_loss() -> None:
    output = torch.tensor([[1.0, 5.0], [2.0, 7.0], [4.0, 9.0]], requires_grad=True)
    target = torch.tensor([[1.5, math.nan], [math.nan, 6.0], [1.0, math.nan]])
    loss = masked_l1(output, target)
    assert loss.item() == pytest.approx(((0.5 + 3.0) / 2 + 1.0) / 2)
    loss.backward()
    assert output.grad is not None
    assert output.grad.tolist() == [[-0.25, 0.0], [0.0, 0.5], [0.25, 0.0]]
    assert masked_l1(output[:1], target[:1]).item() == pytest.approx(0.25)  # a column without any label


def test_a_relative_balance_is_the_mean_of_logarithms() -> None:
    """Errors of 0.5 and 4: their logarithms add to log 2, and the small error pulls as much as the large one."""
    output = torch.tensor([[1.0, 5.0], [2.0, 13.0]], requires_grad=True)
    target = torch.tensor([[1.5, 1.0], [2.5, 9.0]])
    loss = masked_l1(output, target, "relative")
    assert loss.item() == pytest.approx(math.log(0.5 * 4.0) / 2)
    loss.backward()
    assert output.grad is not None
    assert output.grad[:, 0].tolist() == pytest.approx([-0.5, -0.5])  # d log(0.5) / 2, shared by two rows
    assert output.grad[:, 1].tolist() == pytest.approx([0.0625, 0.0625])
    target[:, 1] = math.nan  # a batch without a label of the second
    assert masked_l1(output, target, "relative").item() == pytest.approx(math.log(0.5))


def test_cross_entropy_is_the_mean_log_loss_of_all_opinions() -> None:
    logits = torch.tensor([[[0.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0]]])
    target = torch.tensor([[1.0], [0.0]])
    p = torch.softmax(logits.double(), dim=-1)
    expected = -torch.log(torch.stack([p[0, 0, 1], p[0, 1, 0], p[1, 0, 1], p[1, 1, 0]])).mean()
    assert cross_entropy(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)
