"""A model as HTML, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._utils.wording import as_html, counted, with_unit

if TYPE_CHECKING:
    from zoo.jobs.predict.model import Model


def model_html(model: Model) -> str:
    """Return what a model predicts, from what, and where it lies."""
    config, graph = model.config, model.config.graph
    facts = {
        "predicts": with_unit(model.target, model.unit),
        "also": ", ".join(each.name for each in config.other_targets),
        "members": f"{len(model.checkpoint.members):,}",
        "features": ", ".join(each.name for each in config.blend.featurizers) if config.blend else "",
        "graph": f"{graph.neighbors} neighbours within {graph.cutoff:g} Å",
        "elements": counted(len(config.elements), "element"),
        "folder": str(model.directory),
        "device": model.device,
    }
    return as_html(f"Model {model.name}", facts)
