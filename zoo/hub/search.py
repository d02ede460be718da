"""Search for zoo's models on the Hugging Face Hub by their cards."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from zoo.hub.client import Client
from zoo.hub.locations import COMMIT

MAX_MODELS = 1000
"""Largest number of models examined."""


@dataclass(frozen=True)
class Found:
    """A model on the Hub.

    Parameters
    ----------
    repo : str
        ``owner/name``; ``hf://owner/name`` pulls it.
    commit : str or None
        Current commit of its main branch.
    target, unit : str
        Predicted property; empty if its card does not state it.
    metrics : dict of str to float
        The first measured value of each metric.
    base_model : str
        Model that it was fine-tuned from; empty if none.
    downloads : int or None
    """

    repo: str
    commit: str | None
    target: str
    unit: str
    metrics: dict[str, float]
    base_model: str
    downloads: int | None

    def overview(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "reference": f"hf://{self.repo}"}

    def row(self) -> tuple[str, ...]:
        """Return cells for a list: reference, target, unit, metrics, base model."""
        metrics = ", ".join(f"{name} {value:.3g}" for name, value in self.metrics.items())
        return f"hf://{self.repo}", self.target, self.unit, metrics, self.base_model


def search(text: str | None = None) -> list[Found]:
    """Return the models on the Hub that are tagged with our library's name.

    Parameters
    ----------
    text : str, optional
        Words that must all occur in the name, title, target, tags or base model; all models if None.

    Raises
    ------
    HubError
        If the Hub refuses or cannot be reached.
    """
    with Client() as hub:
        found = [_read(model) for model in hub.models(limit=MAX_MODELS)]
    words = (text or "").casefold().split()
    return [each for each, said in found if all(word in said for word in words)]


def _read(model: dict[str, Any]) -> tuple[Found, str]:
    """Read the valid parts of a model card, which can contain anything."""
    card = _dict(model.get("cardData"))
    block = _dict(card.get("zoo"))
    target, unit = _line(block.get("target")), _line(block.get("unit"))
    metrics: dict[str, float] = {}
    for result in map(_dict, _list(block.get("results"))):
        if not result.get("target"):
            _add(metrics, result.get("metric"), result.get("value"))
    # The Hub's form, for cards without zoo's block: https://huggingface.co/docs/hub/model-cards#evaluation-results
    for index in map(_dict, _list(card.get("model-index"))):
        for result in map(_dict, _list(index.get("results"))):
            for metric in map(_dict, _list(result.get("metrics"))):
                _add(metrics, metric.get("type"), metric.get("value"))
            named = re.fullmatch(r"(.+?)(?: \((.*)\))?", _line(_dict(result.get("task")).get("name")))
            if named and not target:
                target, unit = named[1], named[2] or ""
    base = card.get("base_model")
    commit, downloads = model.get("sha"), model.get("downloads")
    found = Found(
        repo=_line(model["id"]),
        commit=commit if isinstance(commit, str) and COMMIT.fullmatch(commit) else None,
        target=target,
        unit=unit,
        metrics=metrics,
        base_model=_line(base[0] if isinstance(base, list) and base else base),
        downloads=downloads if isinstance(downloads, int) else None,
    )
    tags = map(_line, _list(model.get("tags")))
    said = " ".join((found.repo, found.target, found.base_model, _line(block.get("title")), *tags))
    return found, said.casefold()


def _add(metrics: dict[str, float], name: object, value: object) -> None:
    """Add a metric, unless it is present already or is not a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and _line(name):
        metrics.setdefault(_line(name), float(value))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value[:100] if isinstance(value, list) else []


def _line(value: object) -> str:
    """Return a text as one printable line."""
    return "".join(letter for letter in value[:200] if letter.isprintable()) if isinstance(value, str) else ""
