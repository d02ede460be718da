"""The pages of the backbones: their cards, with the facts of the front matter and figures."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd
from project import ROOT, SITE

from zoo._utils.files import write_bytes
from zoo.analysis import periodic_table
from zoo.analysis.figures.style import BLUE, GREY, Picture, new_figure
from zoo.registry import backbones

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry.cards import Card

STUDIES = {"bulk-modulus-shelf": "K_VRH", "dielectric-shelf": "ε_r", "gw-gap-shelf": "GW gap"}
"""Studies that compare backbones, and the property of each."""

SCRATCH = "from scratch"


@cache
def cards() -> list[Card]:
    """Return the cards that ship with zoo."""
    return backbones.shelf()


@cache
def changes() -> pd.DataFrame:
    """Return the change of the mean error relative to that from scratch, in percent, of each backbone."""
    found = []
    for study, title in STUDIES.items():
        errors = pd.read_parquet(ROOT / "docs" / "paper" / study / "results.parquet")
        column = "mae_log10" if "mae_log10" in errors else "mae"
        means = errors[errors["status"] == "ok"].pivot_table(index="size", columns="method", values=column)
        relative = (100 * (means.div(means[SCRATCH], axis=0) - 1)).drop(columns=SCRATCH).reset_index()
        found.append(relative.melt("size", var_name="backbone", value_name="change").assign(property=title))
    return pd.concat(found, ignore_index=True)


def transfer(name: str) -> Picture | None:
    """Draw the change of the error by fine-tuning a backbone, beside those of the others; None if not measured."""
    data = changes()
    if name not in set(data["backbone"]):
        return None
    places = data[["property", "size"]].drop_duplicates().reset_index(drop=True)
    figure, (axes,) = new_figure(height=2.6)
    for place, (quantity, size) in places.iterrows():
        here = data[(data["property"] == quantity) & (data["size"] == size)].set_index("backbone")["change"]
        axes.plot([place] * (len(here) - 1), here.drop(name), "o", color=GREY, alpha=0.45, markersize=4)
        axes.plot(place, here[name], "D", color=BLUE, markersize=7)
    labels = [f"{quantity}\n{size:,} rows" for quantity, size in places.itertuples(index=False)]
    axes.set_xticks(range(len(places)), labels, fontsize=7)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel("change of the error (%)")
    alt = f"Change of the test error by fine-tuning {name}, for three properties; other backbones in grey."
    return Picture(figure, data, f"Transfer from {name}", alt, "")


def page(card: Card) -> str:
    """Return the page of a backbone: its facts, the prose of its card, and figures."""
    title, _, prose = card.body.strip().partition("\n")
    quantity = f"{card.target} ({card.unit})" if card.unit else card.target
    training = card.training
    facts = {
        "predicts": ", ".join([quantity, *card.other_targets]),
        "network": card.architecture.network if card.architecture else "",
        "training rows": f"{training.rows.train:,}" if training.rows else "not trained yet",
        "elements": str(len(card.elements)) if card.elements else "",
        "weights": f"{card.size / 1e6:.2f} MB" if card.size else "not published yet",
        "data": f"{training.source}, {training.license}",
        "recipe": f"[{training.recipe}]({training.recipe})" if training.recipe else "",
        "other names": ", ".join(f"`{alias}`" for alias in card.aliases),
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in facts.items() if value)])
    prose = re.sub(r"`docs/([\w/-]+\.md)`", r"[docs/\1](../docs/\1)", prose).strip()
    parts = [title, table, prose]
    if picture := transfer(card.name):
        parts += [
            "## Transfer beside the other backbones",
            f"![{picture.alt}]({SITE}backbones/{card.name}-transfer.svg)",
            f"Change of the mean test error relative to training from scratch, ten seeds. Diamonds: {card.name}; grey: "
            "the other backbones.",
        ]
    if card.elements:
        alt = f"Periodic table with the {len(card.elements)} elements of the training set."
        said = f"Blue: the {len(card.elements)} elements of the training set. The backbone has never seen the others."
        parts += ["## Elements", f"![{alt}]({SITE}backbones/{card.name}-elements.png)", said]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """Return the page that lists the backbones."""
    rows = []
    for card in cards():
        error = f"{card.test_mae:.3g}\u00a0{card.unit}" if card.test_mae is not None else ""
        count = f"{card.training.rows.train:,}" if card.training.rows else ""
        rows.append(f"| [{card.name}]({card.name}.md) | {card.title} | {count} | {error} |")
    table = "\n".join(["| name | what it is | training rows | error on test rows |", "|---|---|---|---|", *rows])
    names = "\n".join(card.name for card in cards())
    return f"""# Backbones

A backbone is a pretrained network. `zoo list` prints this list, and `zoo show NAME` one of the cards. Which one to
start from is compared in [Which backbone?](../benchmarks/transfer.md); by default zoo fine-tunes the one that the task
recommends, and reads the others as well.

{table}

The errors are mean absolute errors on crystals that no bundled backbone was trained on. The number in a name counts all
rows of the data set; the table counts those that were trained on.

```{{toctree}}
:hidden:

{names}
```
"""


def write_figures(folder: Path) -> None:
    """Write the figures of all pages."""
    for card in cards():
        if card.elements:
            write_bytes(folder / f"{card.name}-elements.png", periodic_table.draw(card.elements))
        if picture := transfer(card.name):
            picture.write(folder / f"{card.name}-transfer.svg")
