"""The network of examples/zoo-plugin-schnet, as a plugin of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.models.architecture import Architecture
from zoo.registry import plugins

if TYPE_CHECKING:
    from zoo.registry.networks import Network

FOLDER = Path(__file__).parents[2] / "examples" / "zoo-plugin-schnet"
sys.path.append(str(FOLDER))
SIZES = {"network": "schnet", "features": 8, "interactions": 2, "gaussians": 9, "head": 8, "head_layers": 1}


def schnet() -> Network:
    from zoo_plugin_schnet import schnet as network

    return network


def register(folder: Path) -> Path:
    """Make the network known by a file, and return it."""
    file = folder / "schnet.py"
    file.write_text("from zoo_plugin_schnet import schnet as imported\n\nschnet = imported\n")
    plugins.add_file(file)
    return file


def architecture(**sizes: Any) -> Architecture:
    return Architecture.model_validate(SIZES | sizes)
