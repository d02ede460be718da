"""What a network sees of a packed crystal, in an order that does not depend on how it was packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zoo.data.graphs.packing import PackedGraphs


def edges(packed: PackedGraphs, crystal: int) -> list[tuple[int, int, int, int, float]]:
    """Edges of a crystal as (element, element, copies of the centre, count, distance), sorted."""
    one = packed.select(np.array([crystal]))
    center = np.repeat(np.arange(len(one.numbers)), one.degrees)
    columns = (one.numbers[center], one.numbers[one.neighbors], one.copies[center], one.counts)
    return sorted(zip(*(c.tolist() for c in columns), one.distances.tolist(), strict=True))
