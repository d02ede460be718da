"""Sizes of a CGCNN, bounded so that a malicious file cannot exhaust the memory."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Pooling: TypeAlias = Literal["last", "all", "mean-max-min"]


class Settings(BaseModel):
    """Sizes of a CGCNN.

    Parameters
    ----------
    atom_features : int
        Columns of the atom table.
    width : int
        Hidden features per atom.
    convolutions : int
        Number of graph convolutions.
    gaussians : int
        Number of Gaussians in the expansion of distances, centred from 0 to `gaussian_end` inclusive.
    gaussian_end : float
        Centre of the last Gaussian in Å; the width of each equals the spacing.
    pooling : {"last", "all", "mean-max-min"}
        A crystal's vector: the mean over the cell of the last convolution's output, as in the original; the
        concatenated means of the outputs of the embedding and all convolutions; or these means, then the largest and
        then the smallest value over the atoms of each component. The last layer of a pretrained network is specific to
        its property, whereas the earlier ones describe the crystal (docs/benchmarks/defaults.md). Largest and smallest
        values are for properties that a few atoms of the cell decide. The tensors of the body are the same for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    atom_features: int = Field(default=111, ge=1, le=1024)
    width: int = Field(default=64, ge=1, le=1024)
    convolutions: int = Field(default=4, ge=1, le=32)
    gaussians: int = Field(default=41, ge=2, le=1024)
    gaussian_end: float = Field(default=8.0, ge=0.1, le=100)
    pooling: Pooling = Field(default="last", json_schema_extra={"sparse": True})

    @property
    def spacing(self) -> float:
        """Distance from one Gaussian to the next, and the width of each, in Å."""
        return self.gaussian_end / (self.gaussians - 1)

    @property
    def vector_size(self) -> int:
        """Length of a crystal's vector."""
        if self.pooling == "last":
            return self.width
        return self.width * (self.convolutions + 1) * (3 if self.pooling == "mean-max-min" else 1)
