"""Model cards of imported checkpoints, runs and new backbones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.models.checkpoint.weights import CONFIG_FILE, WEIGHTS_FILE
from zoo.registry.cards import NAME, Card, CardArchitecture, Hub, Training, describe_file

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.models.architecture import Architecture
    from zoo.models.checkpoint.schema import Config


def described_by(config: Config, folder: Path | None = None) -> dict[str, Any]:
    """Return the card fields determined by a checkpoint: target, network, graph, elements and files.

    Parameters
    ----------
    config : Config
        The checkpoint's configuration.
    folder : Path, optional
        Its folder, for names, sizes and digests of the files.
    """
    target = config.target
    return {
        "target": target.name,
        "unit": target.unit,
        "transform": config.members[0].scaling.transform,
        "other_targets": [each.name for each in config.other_targets],
        "architecture": CardArchitecture(**_sizes(config.architecture)),
        "graph": config.graph,
        "elements": config.elements,
        "files": [describe_file(folder / name) for name in (WEIGHTS_FILE, CONFIG_FILE)] if folder else [],
    }


def _sizes(architecture: Architecture) -> dict[str, Any]:
    """Return the sizes as a card shows them: of frozen experts, the number."""
    return architecture.model_dump() | {"experts": len(architecture.expert_bodies)}


def describe_checkpoint(
    config: Config, folder: Path | None = None, *, unnamed: str = "checkpoint", **more: Any
) -> Card:
    """Return a new card of a checkpoint.

    Parameters
    ----------
    config : Config
        The checkpoint's configuration.
    folder : Path, optional
        Its folder, for names, sizes and digests of the files.
    unnamed : str
        Name of the card if the checkpoint's name is not a valid card name.
    **more
        Further fields of the card, which override those taken from the configuration.
    """
    name = config.name if NAME.fullmatch(config.name) else unnamed
    fields = {
        "name": name,
        "title": f"{config.architecture.network.upper()} that predicts {config.target.name}",
        "repo_id": f"local/{name}",
        **described_by(config, folder),
        "training": Training(source="not recorded", license="not recorded"),
        "hub": Hub(license="other", pipeline_tag="graph-ml", metrics=["mae"]),
        "body": f"# {config.name}",
    }
    return Card(**fields | more)
