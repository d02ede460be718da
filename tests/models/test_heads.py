"""What a head leaves out at random, and what it makes of a vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.models.architecture import default_architecture
from zoo.models.heads import Head, leave_out

SIZE = default_architecture(head=6, head_layers=2)


def test_the_authors_layers_by_hand() -> None:
    head = Head(SIZE, 3, normalize=False)
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    numbers = vectors.double().numpy()
    for layer in (head.conv_to_fc, *head.fcs, head.fc_out):
        weight, bias = (each.detach().double().numpy() for each in (layer.weight, layer.bias))
        numbers = np.log1p(np.exp(numbers)) @ weight.T + bias
    assert head(vectors).detach().numpy() == pytest.approx(numbers[:, 0], abs=1e-6)


def test_vectors_of_all_layers_are_normalised_first() -> None:
    head = Head(SIZE, 3, normalize=True).train()
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert head(vectors).tolist() == pytest.approx(head(vectors * 7 + 3).tolist(), abs=1e-4)


def test_components_are_left_out_in_training_alone() -> None:
    head = Head(SIZE, 3, normalize=False, dropout=0.5)
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(head.train()(vectors), head(vectors))
        assert torch.equal(head.eval()(vectors), head(vectors))


def test_what_is_left_out_at_random_depends_on_the_seed_alone() -> None:
    """Not on the processor: NumPy's Mersenne Twister gives the same bits, 16 for each value, the lowest first."""
    high, low = np.random.RandomState(0).randint(0, 2**32, (5, 2), dtype=np.uint32).astype(np.uint64).T
    bits = ((high << np.uint64(32)) | low).view(np.int16)[:18].reshape(3, 6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left = leave_out(torch.ones(3, 6), 0.3).numpy()
        assert left == pytest.approx(np.where(bits < round(0.3 * 2**16) - 2**15, 0, 1 / 0.7), rel=1e-4)
        found = leave_out(torch.full((1000, 100), 2.0), 0.3)
    assert float((found == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(found.mean()) == pytest.approx(2.0, abs=0.02)
