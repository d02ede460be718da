"""Schema of a checkpoint's ``config.json``, closed and with bounds, so that malicious files are rejected."""

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

from zoo._utils.validation import first_error, reason
from zoo.analysis.applicability import DISTANCES, REFERENCES
from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS
from zoo.data.graphs.neighbors import GraphSettings
from zoo.models.architecture import MAX_EXPERTS, Architecture
from zoo.models.outline import expert_sizes
from zoo.models.regression.classifiers import Link
from zoo.registry.cards import GraphConfig
from zoo.registry.class_labels import MAX_CLASSES
from zoo.registry.contracts import TaskKind, Transform

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler

MAX_MEMBERS = 100
"""Maximum number of networks in a checkpoint."""

MAX_REGRESSORS, MAX_FEATURIZERS = 16, 8
"""Maximum number of classical regressors per member, and of featurizers used by them."""

MAX_RESIDUALS, FOLD_RESIDUALS = 499, 249
"""Maximum number of residuals per member, sufficient for levels up to 0.998, and of those that zoo writes per fold of a
cross-fit: with the settings of its regressors, a configuration of a hundred members stays below a megabyte."""

MAX_ROWS = 1_000_000
"""Maximum number of training rows whose features are stored."""

MAX_EXPONENT = 100
"""Maximum mean (absolute) and standard deviation of targets in log10."""

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A single printable line."""

Weights = Literal["float32", "float16"]
"""Data type in which the tensors of networks are stored; networks compute in single precision."""

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _ascending(values: list[float]) -> list[float]:
    if values != sorted(values):
        raise ValueError("must ascend")
    return values


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sparse(_Strict):
    """Omits sparse fields with default values on serialisation: most checkpoints do without them."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("sparse") and getattr(self, name) == field.get_default():
                written.pop(name, None)
        return written


_SPARSE: dict[str, Any] = {"sparse": True}


class TargetConfig(_Sparse):
    """Name, task and unit of a predicted quantity; for a classification, the labels of its classes in order."""

    name: Text
    task: Text | None = None
    unit: Text
    classes: tuple[Text, ...] = Field(default=(), max_length=MAX_CLASSES, json_schema_extra=_SPARSE)

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError("classes are at least two different labels")
        return self

    @property
    def kind(self) -> TaskKind:
        """Whether the quantity is a number or one of several classes."""
        return "classification" if self.classes else "regression"


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


UNSCALED = ScalingConfig(transform="identity", mean=0.0, std=1.0)
"""Scaling of logits, which are not scaled."""


class FeaturizerConfig(_Strict):
    """A featurizer required by a blend: its name, and the number and digest of its columns in training."""

    name: Text
    columns: int = Field(ge=1, le=100_000)
    labels_sha256: str = Field(pattern="^[0-9a-f]{64}$")


class RegressorConfig(_Sparse):
    """See :class:`zoo.models.regression.blends.WeightedRegressor`; its arrays are stored with the tensors.

    A classifier has a part for each class, of the kinds in `parts`; see :mod:`zoo.models.regression.classifiers`.
    With `by_row`, its kernel machines refer to the blend's table of training rows, see
    :mod:`zoo.models.regression.training_rows`; otherwise they have vectors of their own.
    """

    name: Text
    kind: str = Field(pattern="^(linear|kernel|trees|readout|classifier)$")
    parts: tuple[Literal["linear", "kernel", "trees"], ...] = Field(
        default=(), max_length=MAX_CLASSES, json_schema_extra=_SPARSE
    )
    link: Link = Field(default="softmax", json_schema_extra=_SPARSE)
    featurizers: list[Text] = Field(default_factory=list, max_length=MAX_FEATURIZERS)
    experts: list[int] = Field(default_factory=list, max_length=MAX_EXPERTS)
    weight: float = Field(gt=0, le=1)
    scaling: ScalingConfig
    by_row: bool = Field(default=False, json_schema_extra=_SPARSE)

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not (self.featurizers or self.experts):
            raise ValueError("a regressor reads vectors of a featurizer or of experts")
        if (self.kind == "classifier") != bool(self.parts):
            raise ValueError("a classifier has a part for each class, and no other regressor has parts")
        if self.by_row and "kernel" not in (self.kind, *self.parts):
            raise ValueError("only kernel machines refer to rows")
        return self


class BlendConfig(_Sparse):
    """Settings shared by all members of a blend; see :mod:`zoo.models.regression.blends`.

    With `compositions`, its regressors read compositions alone. The network, of weight 0, is then a formality.
    `rows` is the number of training rows whose features are stored, for the kernel machines that refer to them.
    """

    featurizers: list[FeaturizerConfig] = Field(default_factory=list, max_length=MAX_FEATURIZERS)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    compositions: bool = Field(default=False, json_schema_extra=_SPARSE)
    rows: int = Field(default=0, ge=0, le=MAX_ROWS, json_schema_extra=_SPARSE)

    @model_validator(mode="after")
    def _range_and_names_are_sound(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"the range of predictions ends at {self.high:g}, below its start at {self.low:g}")
        if len({each.name for each in self.featurizers}) < len(self.featurizers):
            raise ValueError("a featurizer is described twice")
        return self

    @property
    def valid(self) -> tuple[float | None, float | None]:
        """Range to which predictions are clipped."""
        return self.low, self.high


class DifficultyConfig(_Strict):
    """See :class:`zoo.analysis.difficulty.Difficulty`."""

    base: float = Field(gt=0, le=1)
    slope: float = Field(ge=0, le=1e100)


class MemberConfig(_Sparse):
    """A member of the checkpoint, with the scaling of its first target and of any others in order.

    In a blend, `weight` is the weight of the network; the `regressors` have their own. Networks of weight 0 are not
    stored, except that of the first member, whose vectors measure the distance of a crystal from the training set.
    With a `difficulty`, the residuals of the `calibration` are divided by it, and intervals are centred on the mean of
    all members.
    Probabilities of classes are divided by `temperature`; see :mod:`zoo.analysis.probabilities`.
    """

    seed: int = Field(ge=-(2**63), lt=2**63)
    scaling: ScalingConfig
    calibration: Annotated[list[Size], AfterValidator(_ascending)] = Field(
        default_factory=list, max_length=MAX_RESIDUALS
    )
    other_scalings: list[ScalingConfig] = Field(default_factory=list, max_length=15)
    weight: float = Field(default=1.0, ge=0, le=1, json_schema_extra=_SPARSE)
    temperature: float = Field(default=1.0, ge=1e-3, le=1e3, json_schema_extra=_SPARSE)
    regressors: tuple[RegressorConfig, ...] = Field(default=(), max_length=MAX_REGRESSORS, json_schema_extra=_SPARSE)
    difficulty: DifficultyConfig | None = Field(default=None, json_schema_extra=_SPARSE)


class ReferenceConfig(_Strict):
    """See :class:`zoo.analysis.applicability.Reference`; the vectors are stored with the tensors."""

    rows: int = Field(ge=2, le=REFERENCES)
    distances: Annotated[list[Size], AfterValidator(_ascending)] = Field(min_length=2, max_length=DISTANCES)


class Config(_Sparse):
    """Everything except the weights that determines a prediction."""

    format: Literal[1] = 1
    name: Text
    library: Literal["crystal-zoo"] = "crystal-zoo"
    version: Text
    target: TargetConfig
    other_targets: list[TargetConfig] = Field(default_factory=list, max_length=15)
    architecture: Architecture
    weights: Weights = Field(default="float32", json_schema_extra=_SPARSE)
    graph: GraphConfig
    element_table: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", json_schema_extra=_SPARSE)
    elements: list[Text] = Field(max_length=MAX_ATOMIC_NUMBER)
    members: list[MemberConfig] = Field(min_length=1, max_length=MAX_MEMBERS)
    reference: ReferenceConfig | None = None
    blend: BlendConfig | None = Field(default=None, json_schema_extra=_SPARSE)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_scaling_per_target(self) -> Self:
        if self.architecture.targets > 1 and (self.architecture.experts or self.architecture.outputs > 1):
            what = "experts" if self.architecture.experts else "classes"
            raise ValueError(f"{what} go with one target, not with {self.architecture.targets}")
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
            if self.blend and self.blend.compositions and (member.weight or any(e.experts for e in member.regressors)):
                raise ValueError("a network reads structures, and the blend compositions alone")
            if not self.blend and (member.regressors or member.weight != 1 or member.difficulty):
                raise ValueError("members have weights, regressors and a difficulty in a blend only")
            if (member.difficulty is None) != (self.members[0].difficulty is None):
                raise ValueError("either all members have a difficulty, or none has")
            total = member.weight + sum(each.weight for each in member.regressors)
            if abs(total - 1) > 1e-6:
                raise ValueError(f"the weights of a member add up to {total:g}, not to 1")
            for each in member.regressors:
                if each.by_row and not (self.blend and self.blend.rows):
                    raise ValueError("a regressor refers to rows, and the blend has none")
                if missing := [name for name in each.featurizers if name not in known]:
                    raise ValueError(f"the blend does not describe the featurizer {missing[0]!r}")
                experts = len(self.architecture.expert_bodies)
                if not all(0 <= expert < experts for expert in each.experts):
                    raise ValueError(f"a regressor reads an expert, and there are {experts}")
        return self

    @model_validator(mode="after")
    def _outputs_are_the_classes(self) -> Self:
        classes = len(self.target.classes)
        if any(each.classes for each in self.other_targets):
            raise ValueError("the classes of one target only can be predicted")
        if self.architecture.outputs != max(1, classes):
            raise ValueError(f"the network has {self.architecture.outputs} outputs, and the target {classes} classes")
        for member in self.members:
            if any(len(each.parts) != classes for each in member.regressors):
                raise ValueError(f"a regressor is not one of {classes} classes")
            if classes and (member.calibration or member.scaling != UNSCALED):
                raise ValueError("classes have no scaling and no residuals")
            if not classes and member.temperature != 1:
                raise ValueError("a temperature belongs to classes")
        return self

    @model_validator(mode="after")
    def _elements_exist(self) -> Self:
        for symbol in self.elements:
            if symbol not in SYMBOLS[1:]:
                raise ValueError(f"elements: {symbol!r} is not an element")
        return self

    @property
    def targets(self) -> list[TargetConfig]:
        """All targets, the first one first."""
        return [self.target, *self.other_targets]

    @property
    def stored_networks(self) -> list[int]:
        """Indices of the members whose network is stored."""
        return [index for index, member in enumerate(self.members) if member.weight or not index]

    def columns(self, regressor: RegressorConfig) -> int:
        """Return the number of input features of a regressor."""
        return sum(map(self.width, regressor.featurizers)) + sum(map(self.width, regressor.experts))

    def width(self, source: str | int) -> int:
        """Return the length of the vectors of a featurizer, given by name, or of an expert, given by position."""
        if isinstance(source, int):
            return expert_sizes(self.architecture)[source]
        return next(each.columns for each in self.blend.featurizers if each.name == source) if self.blend else 0

    @property
    def row_features(self) -> tuple[dict[str, FeaturizerConfig], list[int]]:
        """The featurizers and the experts whose vectors of training rows are stored, featurizers by array."""
        readers = [each for member in self.members for each in member.regressors if each.by_row]
        read = {name for each in readers for name in each.featurizers}
        described = enumerate(self.blend.featurizers if self.blend else ())
        featurizers = {f"featurizers.{place}": each for place, each in described if each.name in read}
        return featurizers, sorted({expert for each in readers for expert in each.experts})

    @property
    def graph_settings(self) -> GraphSettings:
        """Graph settings used in training."""
        return GraphSettings(self.graph.cutoff, self.graph.neighbors, self.graph.ties)


def problem(error: ValidationError) -> str:
    """Describe a validation error in one printable line that names the field."""
    place, first = first_error(error)
    where = ".".join(str(part)[:60] for part in place) or "the file"
    why = f"{where}: {reason(first)[:300]}"
    return "".join(filter(str.isprintable, why))
