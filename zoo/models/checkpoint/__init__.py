"""Checkpoints: all reading and writing of networks on disk.

`schema` defines the contents of ``config.json``, and `tensors` those of ``model.safetensors``. `weights` reads a folder
as NumPy arrays, without torch. `networks` builds, describes and saves torch networks.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.models.checkpoint.networks import Checkpoint as Checkpoint
    from zoo.models.checkpoint.networks import Member as Member
    from zoo.models.checkpoint.networks import build as build
    from zoo.models.checkpoint.networks import describe as describe
    from zoo.models.checkpoint.networks import load as load
    from zoo.models.checkpoint.networks import load_network as load_network
    from zoo.models.checkpoint.networks import save as save
    from zoo.models.checkpoint.networks import target as target
    from zoo.models.checkpoint.networks import write_network as write_network
    from zoo.models.checkpoint.schema import Config as Config
    from zoo.models.checkpoint.schema import TargetConfig as TargetConfig
    from zoo.models.checkpoint.weights import CheckpointArrays as CheckpointArrays
    from zoo.models.checkpoint.weights import MemberArrays as MemberArrays
    from zoo.models.checkpoint.weights import read as read
    from zoo.models.checkpoint.weights import read_config as read_config
    from zoo.models.checkpoint.weights import select_target as select_target
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
