"""Sizes of a network, which determine the shapes of all its tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

Pooling = Literal["last", "all"]

EPSILON = 1e-5
"""Added to the variance in batch normalisation."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Parameters
    ----------
    atom_features : int
        Columns of the atom table.
    width : int
        Hidden features per atom.
    convolutions : int
        Number of graph convolutions.
    head : int
        Width of the fully connected layers after pooling.
    head_layers : int
        Number of fully connected layers before the last one.
    gaussians : int
        Number of Gaussians in the expansion of distances, centred from 0 to `gaussian_end` inclusive.
    gaussian_end : float
        Centre of the last Gaussian in Å; the width of each equals the spacing.
    targets : int
        Number of properties predicted at once, each with a separate head.
    pooling : {"last", "all"}
        Input of the heads: the mean over the cell of the last convolution's output, as in the original; or the
        concatenated means of the outputs of the embedding and all convolutions, each component normalised to mean 0
        and variance 1 over the crystals. The last layer of a pretrained network is specific to its property, whereas
        the earlier ones describe the crystal (docs/benchmarks/defaults.md).
    experts : int
        Number of frozen bodies in addition to the trained one. A second head, the reader, reads all layers of all
        experts, and the prediction is the mean of both heads. A checkpoint has experts with a single target only.
    outputs : int
        Numbers that a head returns: one for a number, or a logit for each of several classes. Classes are a single
        target.
    """

    atom_features: int = 111
    width: int = 64
    convolutions: int = 4
    head: int = 128
    head_layers: int = 1
    gaussians: int = 41
    gaussian_end: float = 8.0
    targets: int = 1
    pooling: Pooling = "last"
    experts: int = 0
    outputs: int = 1

    @property
    def spacing(self) -> float:
        """Distance from one Gaussian to the next, and the width of each, in Å."""
        return self.gaussian_end / (self.gaussians - 1)

    @property
    def pooled(self) -> int:
        """Length of a crystal's vector after pooling."""
        return self.pooled_by(self.pooling)

    def pooled_by(self, pooling: Pooling) -> int:
        """Length of a crystal's vector after the given pooling."""
        return self.width * (self.convolutions + 1 if pooling == "all" else 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes as JSON-serialisable values."""
        return asdict(self)


def of_target(tensors: Mapping[str, T], target: int) -> dict[str, T]:
    """Return the tensors of a network reduced to one of its targets, by their names in a checkpoint.

    In a checkpoint, the first head has no prefix; the heads of other targets have ``others.0.``, ``others.1.``, …
    """
    alone = {name: tensor for name, tensor in tensors.items() if not name.startswith("others.")}
    if not target:
        return alone
    prefix = f"others.{target - 1}."
    return alone | {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
