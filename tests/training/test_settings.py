"""Names of choices: each is one that training knows, and none of them costs an import."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
import torch
from support.smallfit import blank

from zoo.training.settings import Mode
from zoo.training.transfer import transfer


@pytest.mark.parametrize("mode", get_args(Mode))
def test_every_mode_starts_from_the_pretrained_body(mode: Mode) -> None:
    source = blank()
    network, rates = transfer(source, mode, 1)
    assert torch.equal(network.body.embedding.weight, source.body.embedding.weight)
    assert bool(rates) == (mode == "layerwise")
    learns = any(each.requires_grad for each in network.body.convs.parameters())
    assert learns == (mode != "head")


def test_the_names_need_no_torch() -> None:
    code = "import sys, zoo.training.settings; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
