"""Sizes of a GatedGCN, bounded so that a malicious file cannot exhaust the memory."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Pooling: TypeAlias = Literal["atoms", "both"]


class Settings(BaseModel):
    """Sizes of a GatedGCN.

    Parameters
    ----------
    width : int
        Features per atom; a multiple of `edge_width`.
    edge_width : int
        Features per edge. Most of the time goes into edges, of which there are about ten times as many as atoms.
    layers : int
        Number of graph convolutions.
    gaussians : int
        Number of Gaussians in the expansion of distances, centred from 0 to `gaussian_end` inclusive.
    gaussian_end : float
        Centre of the last Gaussian in Å; the width of each equals the spacing.
    pooling : {"atoms", "both"}
        A crystal's vector: the means over its atoms of the features before the first layer and after each; or these and
        the means over its edges of theirs. What a network knows of geometry is in its edges, and helps for properties
        that it was not trained on (docs/how-to/pretrain.md).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=128, ge=1, le=1024)
    edge_width: int = Field(default=64, ge=1, le=1024)
    layers: int = Field(default=4, ge=1, le=16)
    gaussians: int = Field(default=32, ge=2, le=1024)
    gaussian_end: float = Field(default=8.0, ge=0.1, le=100)
    pooling: Pooling = "atoms"

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.width % self.edge_width:
            raise ValueError(f"width is {self.width}; it must be a multiple of edge_width, {self.edge_width}")
        return self

    @property
    def spacing(self) -> float:
        """Distance from one Gaussian to the next, and the width of each, in Å."""
        return self.gaussian_end / (self.gaussians - 1)

    @property
    def vector_size(self) -> int:
        """Length of a crystal's vector."""
        pooled = self.width + self.edge_width if self.pooling == "both" else self.width
        return pooled * (self.layers + 1)
