"""What a network is made of: the settings of its body, its heads and its frozen experts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_serializer, model_validator

from zoo.errors import InputError, PluginError, UnknownNameError
from zoo.registry import plugins
from zoo.registry.class_labels import MAX_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SerializerFunctionWrapHandler

    from zoo.registry.networks import Network

T = TypeVar("T")

EPSILON = 1e-5
"""Added to the variance in batch normalisation."""

MAX_EXPERTS = 16
"""Maximum number of frozen experts beside a network."""

DEFAULT: dict[str, Any] = {"network": "cgcnn", "head": 128, "head_layers": 1}
"""zoo's default network, with the default sizes of its settings."""

NAME_PATTERN = r"^([A-Za-z0-9][A-Za-z0-9._-]*:)?[A-Za-z][A-Za-z0-9._-]*$"
"""Names of networks, with or without their package."""

_networks: dict[tuple[str, type[Any]], Network] = {}
"""The networks loaded in this process, by name and type of settings."""


class BodyArchitecture(BaseModel):
    """A registered network and its settings, which stand beside zoo's own keys in a file.

    Parameters
    ----------
    network : str
        Name of the network, or ``distribution:name``.
    package : str
        The package that offers it and its version, or the file and the first digits of its SHA-256; empty for zoo's
        own networks.
    settings : BaseModel
        The network's own settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = Field(default="cgcnn", max_length=200, pattern=NAME_PATTERN)
    package: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
    settings: SerializeAsAny[BaseModel]

    @model_validator(mode="before")
    @classmethod
    def _with_settings(cls, given: Any) -> Any:
        name = given.get("network", "cgcnn") if isinstance(given, dict) else None
        if not (isinstance(name, str) and re.match(NAME_PATTERN, name)):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields and key != "settings"}
        try:
            plugin = plugins.find("network", _qualified(name, given.get("package")))
            made = plugins.network(plugin.qualified)
        except (UnknownNameError, PluginError) as error:
            raise ValueError(_why_missing(name, given.get("package"), error)) from None
        settings = given.get("settings")
        if isinstance(settings, BaseModel) and type(settings) is not made.settings:  # the plugin's file was read again
            settings = made.settings.model_validate(settings.model_dump())
        elif not isinstance(settings, BaseModel):  # from a file, where they stand beside the other keys
            others = {key: value for key, value in given.items() if key not in own}
            if "network" not in given and (wrong := [key for key in others if key not in made.settings.model_fields]):
                names = ", ".join(each.name for each in plugins.plugins("network"))
                raise ValueError(
                    f"{wrong[0]} is not a setting of {name}, the default; network = … names another: {names}"
                )
            settings = made.settings.model_validate(others)
        # One spelling of a name: the package tells networks of one name apart, except if one of them is zoo's own.
        name = name if plugin.ours and plugin.duplicate else plugin.name
        _networks[name, type(settings)] = made
        return {"package": _package(plugin), **own, "network": name, "settings": settings}

    @model_serializer(mode="wrap")
    def _flat(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the settings beside the other keys; what most networks do not need is left out."""
        own: dict[str, Any] = write(self)
        defaults = {"package": "", "outputs": 1}
        sparse = [name for name, default in defaults.items() if own.get(name) == default]
        first = {"network": own.pop("network"), "package": own.pop("package"), **own.pop("settings")}
        return {name: value for name, value in (first | own).items() if name not in sparse}

    @property
    def plugin(self) -> Network:
        """The network as registered."""
        known = _networks.get((self.network, type(self.settings)))
        return known or plugins.network(self.offered_by.qualified)

    @property
    def offered_by(self) -> plugins.Plugin:
        """What registers the network here."""
        return plugins.find("network", _qualified(self.network, self.package))

    @property
    def installed(self) -> str:
        """What `package` would be here: another version may compute other vectors."""
        return _package(self.offered_by)

    @property
    def body(self) -> BodyArchitecture:
        """The network and its settings alone."""
        return BodyArchitecture(network=self.network, package=self.package, settings=self.settings)

    @property
    def transferred(self) -> BodyArchitecture:
        """The body with the same tensors whose vectors describe a crystal best; see `Network.transferred`."""
        return self.body.model_copy(update={"settings": self.plugin.transferred(self.settings)})

    def same_body(self, other: BodyArchitecture) -> bool:
        """Return whether both have bodies of the same tensors, whatever their vectors are made of."""
        from zoo.models.outline import outline

        if self.network != other.network:
            return False
        one, two = self.transferred, other.transferred
        sizes, others = (each.settings.model_dump(exclude={"pooling"}) for each in (one, two))
        return sizes == others and (one.settings == two.settings or outline(one).shapes == outline(two).shapes)

    def pooled(self, pooling: str) -> BodyArchitecture:
        """Return the body with the same tensors and another pooling; of "all", see `transferred`.

        Raises
        ------
        InputError
            If the network has no such choice.
        """
        if pooling == "all":
            return self.transferred
        choices = get_args(getattr(type(self.settings).model_fields.get("pooling"), "annotation", None))
        if pooling not in choices:
            known = ", ".join(dict.fromkeys(["all", *choices]))
            raise InputError(f"pooling {pooling!r}: the network {self.network} has {known}")
        return self.body.model_copy(update={"settings": self.settings.model_copy(update={"pooling": pooling})})


def _package(plugin: plugins.Plugin) -> str:
    return "" if plugin.ours else f"{plugin.distribution} {plugin.version}".strip()


def distribution_of(package: str) -> str:
    """Return the recorded package of a network, or the file, without its version.

    >>> distribution_of("zoo-plugin-schnet 0.1.0"), distribution_of("my net.py")
    ('zoo-plugin-schnet', 'my net.py')
    """
    return package if package.endswith(".py") else package.rpartition(" ")[0] or package


def _qualified(name: str, package: object) -> str:
    """Return the name by which a network is found: with the package that a checkpoint records, if that is installed."""
    recorded = f"{distribution_of(package)}:{name}" if isinstance(package, str) and package else name
    return recorded if any(plugins.is_called(each, recorded) for each in plugins.plugins("network")) else name


def _why_missing(name: str, package: object, error: Exception) -> str:
    """Say what to do about a network that cannot be loaded; no code is ever fetched."""
    if not (isinstance(error, UnknownNameError) and isinstance(package, str) and package and package.isprintable()):
        return str(error)
    distribution = distribution_of(package[:200])
    if distribution.endswith(".py"):
        return f"the network {name!r} is defined in {distribution}: name it with --plugin FILE.py"
    return f"the network {name!r} is not installed: it is in the package {package[:200]}; pip install {distribution}"


class Architecture(BodyArchitecture):
    """A body with its heads and frozen experts.

    Parameters
    ----------
    head : int
        Width of the fully connected layers of a head.
    head_layers : int
        Number of fully connected layers before the last one.
    targets : int
        Number of properties predicted at once, each with a separate head.
    experts : int or tuple of BodyArchitecture
        Number of frozen bodies beside the trained one, of the same network and sizes, or what each of them is. A second
        head, the reader, reads the vectors of all experts, and the prediction is the mean of both heads. A
        checkpoint has experts with a single target only.
    outputs : int
        Numbers that a head returns: one for a number, or a logit for each of several classes. Classes are a single
        target.
    """

    head: int = Field(ge=1, le=4096)
    head_layers: int = Field(ge=1, le=16)
    targets: int = Field(default=1, ge=1, le=16)
    experts: (
        Annotated[int, Field(ge=0, le=MAX_EXPERTS)]
        | Annotated[tuple[BodyArchitecture, ...], Field(min_length=1, max_length=MAX_EXPERTS)]
    ) = 0
    outputs: int = Field(default=1, ge=1, le=MAX_CLASSES)

    @property
    def expert_bodies(self) -> tuple[BodyArchitecture, ...]:
        """What each of the frozen experts is."""
        return self.experts if isinstance(self.experts, tuple) else (self.transferred,) * self.experts

    @property
    def sources(self) -> list[str]:
        """The packages and single files that offer its networks, besides zoo itself."""
        bodies = (self, *self.expert_bodies)
        return list(dict.fromkeys(distribution_of(each.package) for each in bodies if each.package))

    @property
    def plugin_files(self) -> list[str]:
        """The single files among its sources, which are not stored with a checkpoint."""
        return [name for name in self.sources if name.endswith(".py")]

    def as_installed(self) -> Architecture:
        """Return the architecture with the packages that offer its networks here."""
        experts = self.experts
        if isinstance(experts, tuple):
            experts = tuple(each.model_copy(update={"package": each.installed}) for each in experts)
        return self.model_copy(update={"package": self.installed, "experts": experts})

    def changed(self, **sizes: Any) -> Architecture:
        """Return the architecture with other sizes.

        Raises
        ------
        ValidationError
            If one is unknown or out of bounds.
        """
        return Architecture.model_validate(self.model_dump() | sizes)


def default_architecture(**sizes: Any) -> Architecture:
    """Return the architecture of zoo's default network, with some sizes changed."""
    return Architecture.model_validate(DEFAULT | sizes)


def of_target(tensors: Mapping[str, T], target: int) -> dict[str, T]:
    """Return the tensors of a network reduced to one of its targets, by their names in a checkpoint.

    In a checkpoint, the first head has no prefix; the heads of other targets have ``others.0.``, ``others.1.``, …
    """
    alone = {name: tensor for name, tensor in tensors.items() if not name.startswith("others.")}
    if not target:
        return alone
    prefix = f"others.{target - 1}."
    return alone | {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
