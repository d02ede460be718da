"""Helpers of the checks of networks: what a network may offer besides its module, its settings, and one size of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from zoo.testing import sample_graphs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class _Fixed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def at_sizes(network: Any, settings: Any) -> Any:
    """Return the network at fixed sizes: whatever it is asked for, it builds those. It is not widened."""
    fast = network.fast
    if fast is not None:
        fast = replace(
            fast,
            shapes=lambda _settings: network.fast.shapes(settings),
            vector_size=lambda _settings: network.fast.vector_size(settings),
            body=lambda _settings, table, tensors: network.fast.body(settings, table, tensors),
        )
    build = lambda _settings: network.build(settings)  # noqa: E731
    return replace(network, settings=_Fixed, build=build, fast=fast, widening=None)


def parts_of(described: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a JSON schema: choices, items and references resolved."""
    if "$ref" in described:
        described = schema["$defs"][described["$ref"].rpartition("/")[2]]
    yield described
    parts = [*described.get("anyOf", ()), *described.get("prefixItems", ()), *described.get("properties", {}).values()]
    for part in [*parts, *([described["items"]] if isinstance(described.get("items"), dict) else [])]:
        yield from parts_of(part, schema)


def fast_path_difference(network: Any, settings: Any, body: Any, given: Any) -> str | None:
    """Say where prediction without torch differs from a module with given weights; None if there is no difference."""
    import numpy as np

    from zoo.data.graphs.packing import PackedGraphs

    fast = network.fast
    tensors = {name: tensor.numpy() for name, tensor in body.state_dict().items()}
    table = tensors.pop("atom_table", None)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if other := dict(fast.shapes(settings)).items() ^ shapes.items():
        return f"fast.shapes has another shape of {min(name for name, _ in other)} than the module"
    if fast.vector_size(settings) != body.vector_size:
        return f"fast.vector_size is {fast.vector_size(settings)}, and that of the module {body.vector_size}"
    graphs = sample_graphs.graphs(sample_graphs.structures(network, given))
    arrays = fast.body(settings, None if table is None else table.astype(np.uint8), tensors)
    found = fast.embed([arrays, arrays], PackedGraphs.pack(graphs))
    expected = np.tile(_vectors(body, sample_graphs.batch(graphs)).numpy(), 2)
    if found.shape != expected.shape:
        return f"fast.embed returns the shape {found.shape} for two bodies, not {expected.shape}"
    same = sample_graphs.are_close(expected, found)
    return None if same else "fast.embed gives other vectors than the module"


def widening_difference(network: Any, settings: Any, bodies: list[Any], given: Any) -> str | None:
    """Say where bodies side by side differ from the single ones; None if there is no difference."""
    try:
        wide = network.build(network.widening.settings([settings] * len(bodies))).eval()
    except ValueError:  # that such bodies cannot be widened is an answer
        return None
    places = network.widening.copy(bodies, wide)
    batch = sample_graphs.batch(sample_graphs.graphs(sample_graphs.structures(network, given)))
    vectors = _vectors(wide, batch)
    for body, place in zip(bodies, places, strict=True):
        if not sample_graphs.are_close(_vectors(body, batch).numpy(), vectors[:, place].numpy()):
            return "widening.copy does not keep the vectors of each body"
    return None


def _vectors(body: Any, batch: Any) -> Tensor:
    import torch

    with torch.no_grad():
        vectors: Tensor = body.embed(batch)
    return vectors
