"""A small checkpoint: its sizes, and what comes of loading an altered one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.errors import CheckpointError, ZooError
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint import networks

if TYPE_CHECKING:
    from pathlib import Path

SMALL = default_architecture(width=4, convolutions=1, head=4, gaussians=5)


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        networks.load(folder)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1000
    return message


def attempt(folder: Path) -> networks.Checkpoint | str:
    try:
        return networks.load(folder)
    except ZooError as error:
        message = str(error)
    assert message.isprintable()
    return message
