"""Find models of zoo's on the Hugging Face Hub, by what their cards say."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from zoo.hub import client

MOST = 1000
"""Models that are asked for at most."""


@dataclass(frozen=True)
class Found:
    """A model on the Hub.

    Parameters
    ----------
    repo : str
        ``owner/name``; ``hf://owner/name`` pulls it.
    commit : str or None
        What its main branch is now.
    target, unit : str
        What it predicts; empty if its card does not say.
    metrics : dict of str to float
        The first measured figure of each kind.
    base_model : str
        What it was fine-tuned from; empty if from nothing.
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
        What must occur in a name, a target, a tag or a base model; all of its words. All models if None.

    Raises
    ------
    HubError
        If the Hub refuses or cannot be reached.
    """
    found = [_read(model) for model in client.models(limit=MOST)]
    words = (text or "").casefold().split()
    return [each for each, said in found if all(word in said for word in words)]


def _read(model: dict[str, Any]) -> tuple[Found, str]:
    """Take from a model's card what is of the right form: anybody can write anything there."""
    card = model["card"]
    block = card.get("zoo") if isinstance(card.get("zoo"), dict) else {}
    metrics: dict[str, float] = {}
    target, unit = _line(block.get("target")), _line(block.get("unit"))
    said_by_zoo = bool(target)
    results = block.get("results")
    for result in results if isinstance(results, list) else []:
        if isinstance(result, dict) and isinstance(result.get("value"), int | float) and not result.get("target"):
            metrics.setdefault(_line(result.get("metric")), float(result["value"]))
    for result in card.get("eval_results") or []:
        if isinstance(result.metric_value, int | float):
            metrics.setdefault(_line(result.metric_type), float(result.metric_value))
        named = re.fullmatch(r"(.+?)(?: \((.*)\))?", _line(result.task_name))
        if named and not said_by_zoo:
            target, unit, said_by_zoo = named[1], named[2] or "", True
    base = card.get("base_model")
    found = Found(
        repo=_line(model["id"]),
        commit=model["commit"],
        target=target,
        unit=unit,
        metrics=metrics,
        base_model=_line(base[0] if isinstance(base, list) and base else base),
        downloads=model["downloads"],
    )
    said = " ".join((found.repo, found.target, found.base_model, _line(block.get("title")), *map(_line, model["tags"])))
    return found, said.casefold()


def _line(value: object) -> str:
    """Return a text as one printable line."""
    return "".join(letter for letter in value[:200] if letter.isprintable()) if isinstance(value, str) else ""
