"""Sizes that a file may ask for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from zoo.plugins.networks.gatedgcn.settings import Settings


@pytest.mark.parametrize(
    "sizes",
    [{"width": 96}, {"width": 0}, {"width": 2048}, {"layers": 17}, {"layers": 0}, {"gaussians": 1}, {"depth": 4}],
)
def test_sizes_have_bounds(sizes: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Settings(**sizes)  # type: ignore[arg-type]
