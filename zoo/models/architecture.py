"""The sizes of a network, for whoever reads, trains or runs one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

Pooling = Literal["last", "all"]

EPSILON = 1e-5
"""What batch normalisation adds to a variance."""


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
        Number of them.
    gaussians : int
        Number of Gaussians that a distance is expanded in, 0 to `gaussian_end` inclusive.
    gaussian_end : float
        Centre of the last Gaussian in Å; the width of each equals the spacing.
    targets : int
        Number of properties that are predicted at once, each by fully connected layers of its own.
    pooling : {"last", "all"}
        What the fully connected layers read: the mean over the cell of the last convolution's output, as in the
        original; or the means of the embedding's and of every convolution's output side by side, each brought to mean 0
        and variance 1 over the crystals. The last layer of a pretrained network knows its own property, the earlier
        ones the crystal (docs/tuning.md).
    experts : int
        Number of further bodies, which are not trained: a second set of fully connected layers reads all layers of all
        of them, and the prediction is the mean of both. Only for a single target.
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

    @property
    def spacing(self) -> float:
        """Distance from one Gaussian to the next, in Å, which is the width of each as well."""
        return self.gaussian_end / (self.gaussians - 1)

    @property
    def pooled(self) -> int:
        """Length of a crystal's vector after pooling."""
        return self.pooled_by(self.pooling)

    def pooled_by(self, pooling: Pooling) -> int:
        """Length of a crystal's vector after a pooling."""
        return self.width * (self.convolutions + 1 if pooling == "all" else 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes as JSON-able values."""
        return asdict(self)


def of_target(tensors: Mapping[str, T], target: int) -> dict[str, T]:
    """Return the tensors of a network that predicts one of several targets alone.

    The network is its own first head; those of the further targets stand under ``others.``.
    """
    alone = {name: tensor for name, tensor in tensors.items() if not name.startswith("others.")}
    if not target:
        return alone
    prefix = f"others.{target - 1}."
    return alone | {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
