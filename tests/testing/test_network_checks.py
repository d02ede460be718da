"""The checks of networks: sound ones pass, and of each broken one the rule is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field
from support.schnet import schnet
from torch import nn
from zoo.plugins.networks.cgcnn.network import cgcnn
from zoo.plugins.networks.gatedgcn.network import gatedgcn

from zoo.registry.networks import Network
from zoo.testing import check_network, checks_for

if TYPE_CHECKING:
    from zoo.data.graphs.batch import GraphBatch


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=8, ge=1, le=64)


class Unbounded(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=8, ge=1)


class OutOfBounds(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=65, ge=1, le=64)


class AnyLength(Settings):
    widths: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (8,)


class WithoutDefault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(ge=1, le=64)


class Sound(nn.Module):
    """Sums over neighbours of a function of the distance."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.vector_size = settings.width
        self.depths: tuple[tuple[str, ...], ...] = (("embedding",), ("message",))
        self.embedding = nn.Embedding(119, settings.width)
        self.message = nn.Linear(1, settings.width)

    def atoms(self, batch: GraphBatch) -> torch.Tensor:
        messages = torch.sin(self.message(batch.distances[:, None])) * batch.counts
        atoms = self.embedding(batch.numbers)
        return atoms + torch.zeros_like(atoms).index_add(0, batch.centers, messages * atoms[batch.neighbors])

    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return batch.mean(self.atoms(batch))


class WrongShape(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return self.atoms(batch)


class Half(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch).half()


class Constant(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch) * 0


class NotFinite(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch) / 0


class Ordered(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        first = torch.cumsum(batch.sizes, 0) - batch.sizes
        return self.atoms(batch)[first]


class Extensive(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch) * torch.zeros(len(batch), 1).index_add(0, batch.crystal_of_atom, batch.copies)


class WithoutCounts(Sound):
    def atoms(self, batch: GraphBatch) -> torch.Tensor:
        messages = self.message(batch.distances[:, None])
        return self.embedding(batch.numbers).index_add(0, batch.centers, messages)


class WithoutCopies(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        total = torch.zeros(len(batch), self.vector_size).index_add(0, batch.crystal_of_atom, self.atoms(batch))
        return total / batch.sizes[:, None]


class OfTheBatch(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        vectors = super().embed(batch)
        return vectors - vectors.mean(dim=0)


class RootOfZero(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        vectors = super().embed(batch)
        return vectors + torch.sqrt(vectors - vectors.detach())


class Detached(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch).detach()


class Random(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return nn.functional.dropout(super().embed(batch), 0.1)


class OfOtherNames(Sound):
    def embed(self, batch: GraphBatch) -> torch.Tensor:
        found: torch.Tensor = batch.graph.ndata["feat"]
        return found


class Narrow(Sound):
    """Right at its default width alone."""

    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch)[:, :8]


class Depthless(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.depths = (("embedding",),)


class Misnamed(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.depths = (("embedding",), ("message",), ("layers.0",))


class Flat(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.depths: Any = ("embedding", "message")


class FewElements(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.embedding = nn.Embedding(90, settings.width)


class Double(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.register_buffer("scale", torch.ones(1, dtype=torch.float64))


class Hidden(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.scale = float(torch.rand(1)) if self.message.weight.device.type == "cpu" else 1.0

    def embed(self, batch: GraphBatch) -> torch.Tensor:
        return super().embed(batch) * self.scale


class Seeded(Sound):
    def __init__(self, settings: Any) -> None:
        torch.manual_seed(3)
        super().__init__(settings)


class Reading(Sound):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.scale = float(self.message.weight.sum())


def network(build: Any, settings: type[BaseModel] = Settings) -> Network:
    return Network("net", settings, build, description="A network for tests.")


@pytest.mark.parametrize("sound", [schnet(), cgcnn, gatedgcn, network(Sound)], ids=lambda each: each.name)
def test_a_sound_network_passes(sound: Network) -> None:
    check_network(sound)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (replace(network(Sound), description=""), "needs a description"),
        (replace(network(Sound), zoo_api=7), "was written for zoo_api 7"),
        (replace(network(Sound), elements=(118,)), "no sample crystal has only its elements"),
        (network(Sound, Unbounded), "settings.width has no maximum; every number needs bounds"),
        (network(Sound, WithoutDefault), "settings.width has no default"),
        (network(Sound, OutOfBounds), "settings.width has the default 65, which must be at most 64"),
        (network(Sound, AnyLength), "settings.widths is a list of any length; bound its length"),
        (network(FewElements), "for Th, element 90; take all elements up to 118, or name those that it takes"),
        (network(Flat), "depths has 'embedding' in place of a tuple of prefixes"),
        (replace(network(Sound), tensor_prefix="net."), "leave out tensor_prefix"),
        (network(WrongShape), "embed returns the shape (10, 8) for 5 crystals and a vector_size of 8, not (5, 8)"),
        (network(Half), "embed returns torch.float16, not torch.float32"),
        (network(Constant), "all crystals have the same vector"),
        (network(NotFinite), "embed returns numbers that are not finite"),
        (network(Depthless), "depths does not say how deep the parameter 'message.weight' is"),
        (network(Misnamed), "depths names 'layers.0', and no parameter is called so"),
        (network(Ordered), "the order of the atoms changes the vector"),
        (network(Extensive), "a supercell has another vector than its cell"),
        (network(WithoutCounts), "weight sums over atoms by 'copies' and sums over neighbours by 'count'"),
        (network(WithoutCopies), "weight sums over atoms by 'copies' and sums over neighbours by 'count'"),
        (network(OfTheBatch), "a crystal's vector depends on the others in the batch"),
        (network(RootOfZero), "is not finite"),
        (network(Detached), "what embed returns has no gradient, so nothing can be trained"),
        (network(Random), "it is not deterministic in evaluation mode: the same batch has other vectors the second"),
        (network(OfOtherNames), "embed raises KeyError: 'feat'; batch.graph has the node data 'number' and 'copies'"),
        (network(lambda _settings: None), "build returns None, not a torch module"),
        (network(Double), "scale is torch.float64; a checkpoint holds torch.float32"),
        (network(Hidden), "after saving and loading, the vectors are others; keep all numbers in the state"),
        (network(Reading), "cannot be built on torch's device 'meta'"),
        (network(Seeded), "initial weights do not depend on the seed"),
        (network(lambda _settings: 1 / 0), "raises ZeroDivisionError: division by zero"),
    ],
)
def test_the_rule_that_is_broken_is_named(broken: Network, rule: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_network(broken)
    assert rule in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert "net" in str(caught.value)


def test_what_is_computed_is_checked_at_given_sizes() -> None:
    check_network(network(Sound, WithoutDefault), settings=WithoutDefault(width=16))
    check_network(network(Narrow))
    with pytest.raises(AssertionError, match=r"embed returns the shape \(5, 8\) .* vector_size of 16"):
        check_network(network(Narrow), settings=Settings(width=16))


def test_crystals_can_be_given(real_structures: list[Any]) -> None:
    check_network(replace(network(Sound), elements=tuple(range(1, 100))), real_structures[:3])


def test_a_network_that_names_its_elements_need_not_take_others() -> None:
    check_network(replace(network(FewElements), elements=tuple(range(1, 90))))


def test_the_checks_of_a_network_are_offered_to_pytest() -> None:
    assert {check.__name__ for check in checks_for(network(Sound))} >= {"network_ignores_rotations"}
