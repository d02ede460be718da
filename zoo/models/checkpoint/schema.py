"""What ``config.json`` of a checkpoint may say: a closed schema with bounds, so that a hostile file is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from zoo.analysis.applicability import DISTANCES, REFERENCES
from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS
from zoo.data.graphs.neighbors import GraphSettings
from zoo.models.architecture import Architecture
from zoo.registry.contracts import Transform

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler

MAX_MEMBERS, MAX_EXPERTS = 100, 16
"""Most networks of a checkpoint, and most frozen ones that each of them reads."""

MAX_REGRESSORS, MAX_FEATURIZERS = 16, 8
"""Most classical regressors of a member, and most featurizers that they read."""

MAX_RESIDUALS = 499
"""Most residuals of a member: enough for levels up to 0.998, and small in the file with a hundred members."""

MAX_EXPONENT = 100
"""Of targets that are learned in log10."""

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""One line that a terminal can print."""

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _ascending(values: list[float]) -> list[float]:
    if values != sorted(values):
        raise ValueError("must ascend")
    return values


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArchitectureConfig(_Strict):
    """Bounds on the sizes that a file may ask for, so that a hostile one cannot ask for all memory."""

    network: Literal["cgcnn"] = "cgcnn"
    atom_features: int = Field(ge=1, le=1024)
    width: int = Field(ge=1, le=1024)
    convolutions: int = Field(ge=1, le=32)
    head: int = Field(ge=1, le=4096)
    head_layers: int = Field(ge=1, le=16)
    gaussians: int = Field(ge=2, le=1024)
    gaussian_end: float = Field(ge=0.1, le=100)
    targets: int = Field(default=1, ge=1, le=16)
    pooling: Literal["last", "all"] = "last"
    experts: int = Field(default=0, ge=0, le=MAX_EXPERTS)

    @model_validator(mode="after")
    def _experts_of_one_target(self) -> Self:
        if self.experts and self.targets > 1:
            raise ValueError(f"experts go with one target, not with {self.targets}")
        return self

    @property
    def sizes(self) -> Architecture:
        """What the network is made from."""
        return Architecture(**self.model_dump(exclude={"network"}))


class GraphConfig(_Strict):
    """See :class:`zoo.data.graphs.neighbors.GraphSettings`."""

    cutoff: float = Field(gt=0, le=20)
    neighbors: int = Field(ge=1, le=64)
    ties: Literal["environment", "order"]


class TargetConfig(_Strict):
    """What the numbers are."""

    name: Text
    task: Text | None = None
    unit: Text


class ScalingConfig(_Strict):
    """See :class:`zoo.data.scaling.TargetScaler`."""

    transform: Transform
    mean: float = Field(ge=-1e100, le=1e100)
    std: float = Field(gt=0, le=1e100)
    bound: float | None = Field(default=None, gt=0, le=1000)
    limit: float | None = Field(default=None, gt=0, le=1e6)

    @model_validator(mode="after")
    def _powers_are_numbers(self) -> Self:
        if self.transform == "log10" and (abs(self.mean) > MAX_EXPONENT or self.std > MAX_EXPONENT):
            raise ValueError(f"of logarithms, mean and std are at most {MAX_EXPONENT}")
        return self


class _Sparse(_Strict):
    """Leaves out, when it is written, what has its default and is new: older files stay as they are."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("sparse") and getattr(self, name) == field.get_default():
                written.pop(name, None)
        return written


_SPARSE: dict[str, Any] = {"sparse": True}


class FeaturizerConfig(_Strict):
    """A featurizer that a blend needs to predict: its name, and what its columns were in training."""

    name: Text
    columns: int = Field(ge=1, le=100_000)
    labels_sha256: str = Field(pattern="^[0-9a-f]{64}$")


class RegressorConfig(_Strict):
    """See :class:`zoo.models.regression.blends.WeightedRegressor`; the arrays are among the tensors."""

    name: Text
    kind: str = Field(pattern="^(linear|kernel|trees)$")
    featurizers: list[Text] = Field(default_factory=list, max_length=MAX_FEATURIZERS)
    experts: list[int] = Field(default_factory=list, max_length=MAX_EXPERTS)
    weight: float = Field(gt=0, le=1)
    scaling: ScalingConfig

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not (self.featurizers or self.experts):
            raise ValueError("a regressor reads vectors of a featurizer or of experts")
        return self


class BlendConfig(_Strict):
    """What the members of a blend have in common; see :mod:`zoo.models.regression.blends`."""

    featurizers: list[FeaturizerConfig] = Field(default_factory=list, max_length=MAX_FEATURIZERS)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)

    @property
    def valid(self) -> tuple[float | None, float | None]:
        """The range that predictions are clipped to."""
        return self.low, self.high


class MemberConfig(_Sparse):
    """One network of the checkpoint; the scaling of its first target, and of the others in their order.

    In a blend, `weight` is that of the network, beside `regressors`. A network of weight 0 is not stored, but for that
    of the first member, whose vectors tell how far a crystal is from the training set.
    """

    seed: int = Field(ge=-(2**63), lt=2**63)
    scaling: ScalingConfig
    calibration: Annotated[list[Size], AfterValidator(_ascending)] = Field(
        default_factory=list, max_length=MAX_RESIDUALS
    )
    other_scalings: list[ScalingConfig] = Field(default_factory=list, max_length=15)
    weight: float = Field(default=1.0, ge=0, le=1, json_schema_extra=_SPARSE)
    regressors: tuple[RegressorConfig, ...] = Field(default=(), max_length=MAX_REGRESSORS, json_schema_extra=_SPARSE)


class ReferenceConfig(_Strict):
    """See :class:`zoo.analysis.applicability.Reference`; the vectors are among the tensors."""

    rows: int = Field(ge=2, le=REFERENCES)
    distances: Annotated[list[Size], AfterValidator(_ascending)] = Field(min_length=2, max_length=DISTANCES)


class Config(_Sparse):
    """Everything that a prediction depends on besides the weights."""

    format: Literal[1] = 1
    name: Text
    library: Literal["crystal-zoo"] = "crystal-zoo"
    version: Text
    target: TargetConfig
    other_targets: list[TargetConfig] = Field(default_factory=list, max_length=15)
    architecture: ArchitectureConfig
    graph: GraphConfig
    element_table: str = Field(pattern="^[0-9a-f]{64}$")
    elements: list[Text] = Field(max_length=MAX_ATOMIC_NUMBER)
    members: list[MemberConfig] = Field(min_length=1, max_length=MAX_MEMBERS)
    reference: ReferenceConfig | None = None
    blend: BlendConfig | None = Field(default=None, json_schema_extra=_SPARSE)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_scaling_per_target(self) -> Self:
        others = self.architecture.targets - 1
        if len(self.other_targets) != others or any(len(each.other_scalings) != others for each in self.members):
            raise ValueError(f"architecture.targets is {others + 1}: each target needs a description and its scalings")
        return self

    @model_validator(mode="after")
    def _parts_fit_the_blend(self) -> Self:
        known = {each.name for each in self.blend.featurizers} if self.blend else set()
        if self.blend and self.other_targets:
            raise ValueError("a blend has one target")
        for member in self.members:
            if not self.blend and (member.regressors or member.weight != 1):
                raise ValueError("members have weights and regressors in a blend only")
            total = member.weight + sum(each.weight for each in member.regressors)
            if abs(total - 1) > 1e-6:
                raise ValueError(f"the weights of a member add up to {total:g}, not to 1")
            for each in member.regressors:
                if missing := [name for name in each.featurizers if name not in known]:
                    raise ValueError(f"the blend does not describe the featurizer {missing[0]!r}")
                if not all(0 <= expert < self.architecture.experts for expert in each.experts):
                    raise ValueError(f"a regressor reads an expert, and there are {self.architecture.experts}")
        return self

    @model_validator(mode="after")
    def _elements_exist(self) -> Self:
        for symbol in self.elements:
            if symbol not in SYMBOLS[1:]:
                raise ValueError(f"elements: {symbol!r} is no element")
        return self

    @property
    def targets(self) -> list[TargetConfig]:
        """All targets, the first one first."""
        return [self.target, *self.other_targets]

    @property
    def stored_networks(self) -> list[int]:
        """Members whose network is among the tensors."""
        return [index for index, member in enumerate(self.members) if member.weight or not index]

    def columns(self, regressor: RegressorConfig) -> int:
        """Return the number of features that a regressor reads."""
        columns = {each.name: each.columns for each in self.blend.featurizers} if self.blend else {}
        experts = len(regressor.experts) * self.architecture.sizes.pooled_by("all")
        return sum(columns[name] for name in regressor.featurizers) + experts

    @property
    def graph_settings(self) -> GraphSettings:
        """The graph settings that the weights were trained with."""
        return GraphSettings(self.graph.cutoff, self.graph.neighbors, self.graph.ties)


def problem(error: ValidationError) -> str:
    """Say in one printable line what is wrong with a file, and in which field."""
    first = error.errors()[0]
    where = ".".join(str(part)[:60] for part in first["loc"]) or "the file"
    why = f"{where}: {first['msg'].removeprefix('Value error, ')[:300]}"
    return "".join(filter(str.isprintable, why))
