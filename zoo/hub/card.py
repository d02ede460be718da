"""Cards of checkpoints: for the Hub, for the registry, and for any reference.

See Mitchell et al., "Model Cards for Model Reporting", FAT* 2019 (doi:10.1145/3287560.3287596) for the contents
of a card, and the Hub's documentation for the metadata.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zoo.errors import UnknownNameError, ZooError
from zoo.hub import pull
from zoo.hub.errors import endpoint
from zoo.models.checkpoint import weights
from zoo.registry import backbones
from zoo.registry.cards import LIBRARY, NAME, Card, Hub, Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.models.checkpoint.schema import Config
    from zoo.registry.cards import File

PICTURE = "elements.png"

NOT_THERE = "its repository on the Hub does not exist yet"
"""Phrase in the card of a backbone that is not published yet."""

THERE = "it is on the Hub as well"


def describe(
    config: Config,
    card: Card | None,
    repo: str,
    files: Sequence[File],
    license: str | None,  # noqa: A002
    *,
    ids: str | None = None,
    recipe: str | None = None,
) -> Card:
    """Return the card of a checkpoint for publication at `repo`.

    Parameters
    ----------
    config : Config
        Of the checkpoint.
    card : Card or None
        The present card of the checkpoint.
    repo : str
        ``owner/name`` on the Hub.
    files : sequence of File
        Weights and configuration with their digests.
    license : str or None
        Identifier of the licence; that of `card` if None.
    ids, recipe : str, optional
        Names of the list of training ids and of the recipe, if they are pushed as well.
    """
    name = repo.partition("/")[2]
    card = card or bare(config)
    # Paths relative to the local card are invalid there.
    kept = card.training.recipe if not isinstance(card.training.recipe, str) else None
    training = card.training.model_copy(update={"ids": ids, "recipe": recipe or kept})
    described = card.model_copy(
        update={
            "name": name if NAME.fullmatch(name) else card.name,
            "aliases": [],  # they belong to the card registered locally
            "repo_id": repo,
            "revision": None,  # a file cannot know the commit that it will be in
            "bundled": False,
            "files": list(files),
            "hub": _metadata(config, card, license),
            "source": "",
            "training": training,
        }
    )
    return described.model_copy(update={"body": _body(described, config, card.body)})


def render(card: Card) -> str:
    """Return a card as Markdown that the Hub can read."""
    from huggingface_hub import ModelCard

    text = card.render()
    ModelCard(text)  # reads it as the Hub will, and raises an error if it cannot
    return text


def entry(card: Card, commit: str) -> Card:
    """Return the card that registers pushed weights: pinned to a commit and to the digests of the files.

    It omits the lists of training ids and crystals and the recipe, which stay in the repository;
    :func:`zoo.hub.publish.write_package` copies them next to the card.
    """
    body = f"# {card.name}\n\nThe model card is at {endpoint()}/{card.repo_id}."
    recipe = None if isinstance(card.training.recipe, str) else card.training.recipe
    training = card.training.model_copy(update={"ids": None, "recipe": recipe})
    return card.model_copy(update={"revision": commit, "body": body, "training": training})


def published(text: str, repo: str, commit: str) -> str:
    """Return the text of one of zoo's cards with the repository and commit where it is now published."""
    for field, value in (("repo_id", repo), ("revision", f"'{commit}'")):
        text, count = re.subn(rf"(?m)^(  {field}:).*$", rf"\1 {value}", text, count=1)
        if not count:
            raise ZooError(f"the card of {repo} has no line '  {field}: …' in its front matter")
    return is_there(text)


def is_there(text: str) -> str:
    """Replace the phrase that there is no repository on the Hub yet, across line breaks."""
    return re.sub(r"\s+".join(map(re.escape, NOT_THERE.split())), THERE, text)


def bare(config: Config) -> Card:
    """Return a card made from a checkpoint's configuration, for checkpoints without a card."""
    from zoo.models.checkpoint.card import describe_checkpoint

    origin = config.provenance.get("converted_from")
    source = f"not recorded (imported from {origin})" if origin else "not recorded"
    training = Training(source=source, license="not recorded")
    return describe_checkpoint(config, repo_id="local/checkpoint", training=training)


def look_up(ref: str) -> tuple[Card, str]:
    """Return the card of a backbone, of a folder or of a repository on the Hub, and where its weights are.

    A checkpoint without a card gets one from its configuration. Nothing is downloaded for a registered name.

    Raises
    ------
    UnknownNameError, InputError, HubError
        As :func:`zoo.hub.pull.pull` does.
    """
    try:
        card = backbones.get(ref)
        return card, pull.status(card)
    except UnknownNameError:
        pulled = pull.pull(ref)
    commit = f", commit {pulled.revision}" if pulled.revision else ""
    card = pulled.card or bare(weights.read_config(pulled.directory))
    return card, f"{pulled.directory}{commit}"


def _metadata(config: Config, card: Card, license: str | None) -> Hub:  # noqa: A002
    """Return the Hub's own fields."""
    extra: dict[str, Any] = dict(card.hub.model_extra or {})
    base = _base_model(config)
    if base:
        extra |= {"base_model": base, "base_model_relation": "finetune"}
    chosen = license or card.hub.license
    if chosen == "other" and "license_name" not in extra:
        extra["license_name"] = "see-card"
    tags = dict.fromkeys(["materials-science", "crystal-graph", config.architecture.network, *card.hub.tags])
    return card.hub.model_copy(
        update={
            "license": chosen,
            "library_name": LIBRARY,
            "pipeline_tag": card.hub.pipeline_tag or "graph-ml",
            "tags": list(tags),
            "datasets": card.hub.datasets or [_slug(card.training.source)],
            "metrics": card.hub.metrics or ["mae"],
            "model_index": None,
            **extra,
        }
    )


def _base_model(config: Config) -> str | None:
    """Return the repository of the backbone that a run started from, if it has one."""
    backbone = config.provenance.get("backbone")
    name = str(backbone.get("name", "")) if isinstance(backbone, dict) else ""
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name):
        return name
    try:
        repo = backbones.get(name).repo_id if name else ""
    except ZooError:
        return None
    return None if repo.startswith("local/") else repo or None


def _slug(text: str) -> str:
    """Turn the name of a data set into an identifier: ``Materials Project (Jain et al. 2013)`` → materials-project."""
    short = re.sub(r"\.(csv|tsv|jsonl?|parquet)\b.*|\s*\(.*", "", text.strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9._-]+", "-", short.lower()).strip("-.")[:90] or "unnamed"


def _body(card: Card, config: Config, text: str) -> str:
    """Combine the prose of the card with the sections that every card on the Hub must have."""
    parts = [is_there(_without(text.strip(), "Use", "How to load", "Training elements"))]
    quantity = f"{card.target} ({card.unit})" if card.unit else card.target
    if "\n## Intended use" not in text:
        parts += [
            "## Intended use",
            f"Predicting {quantity} of ordered inorganic crystals like those that it was trained on, to rank or screen "
            "candidates before a calculation or an experiment; and fine-tuning on a small set of another property.",
        ]
    parts += ["## How to load", _how_to_load(card, config)]
    if "\n## Limits" not in text:
        limits = [
            "It sees elements and geometry only: no temperature, pressure, magnetic order, defects or disorder.",
            "Predictions for crystals with other elements, or of another kind than the training set's, are unreliable.",
        ]
        if len(config.members) > 1:
            limits.append(
                f"`spread` is the standard deviation over its {len(config.members)} networks, not an error bar."
            )
        parts += ["## Limits", "\n".join(f"- {line}" for line in limits)]
    if config.elements:
        parts += [
            "## Training elements",
            f"![The {len(config.elements)} elements of the training set, in the periodic table]({PICTURE})",
            ", ".join(config.elements),
        ]
    return "\n\n".join(parts)


def _how_to_load(card: Card, config: Config) -> str:
    reference = f"hf://{card.repo_id}"
    defined = config.architecture.plugin_files
    packages = [LIBRARY, *(name for name in config.architecture.sources if name not in defined)]
    needed = "".join(f"\n\nThe network is defined in `{name}`, which is not in this repository." for name in defined)
    option = "".join(f" --plugin {name}" for name in defined)
    added = "".join(f'zoo.registry.add_file("{name}")\n' for name in defined)
    return f"""```
pip install {" ".join(packages)}
```{needed}

```python
import zoo
from pymatgen.core import Lattice, Structure

{added}model = zoo.load("{reference}")
salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
print(model.predict(salt))
```

or `zoo predict {reference} structures/{option}`, and to go on from it
`zoo finetune --task TASK --backbone {reference} data.csv{option}`. `@COMMIT` behind the name pins the bytes. The
files are safetensors and JSON; nothing is unpickled."""


def _without(text: str, *titles: str) -> str:
    """Remove second-level sections with these titles."""
    parts = re.split(r"(?m)^(?=## )", text)
    kept = [part for part in parts if not part.startswith(tuple(f"## {title}\n" for title in titles))]
    return "".join(kept).strip()
