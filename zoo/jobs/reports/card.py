"""The model card of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import listed, markdown_table
from zoo.jobs.finetune import out_of_fold, splitting
from zoo.jobs.reports import comparison_table
from zoo.models.checkpoint.card import describe_checkpoint
from zoo.registry.cards import Card, CardResult, CardRows, Hub, Training

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.result import Result
    from zoo.registry.contracts import Task


def describe_run(result: Result, folder: Path) -> Card:
    """Return the model card of a run; `folder` holds the weights."""
    task, options, config, start = result.task, result.options, result.checkpoint.config, result.start
    pulled = None if start.unread else result.backbone
    header, rows = comparison_table.comparison_rows(result)
    per_seed = result.summary()[result.model]
    by_fold = markdown_table(*comparison_table.fold_rows(result)) if result.repeat == "fold" else ""
    counts = CardRows(**result.row_counts)
    experts = config.provenance["experts"]
    beside = (
        "Beside the network, unchanged, are copies of "
        + ", ".join(f"{name} (SHA-256 {digest[:12]}…)" for name, digest in experts.items())
        + ", which share a second head; its output is the mean of both heads. Their digests are in `config.json`."
        if experts
        else ""
    )
    together = config.provenance.get("learned_with", [])
    network = (
        f"The fine-tuned network learned it together with {listed(together)}: one body, and a head for each. The other "
        "models, the split and the errors are those of this property alone."
        if together
        else ""
    )
    chose = " and its backbone" if result.tried else ""
    first = result.crossfits[0] if result.crossfits else None
    pool = f"{len(first.rows)} rows in {len(first.folds)} folds" if first else ""
    parts = pool or f"{counts.train} training, {counts.val} validation"
    over = "Mean ± standard deviation over" if len(result.splits) > 1 else "Errors of"
    body = [
        f"# {config.name}",
        f"Predicts {_property(task)} ({_classes(task) or task.unit or 'no unit'}) from a {_origin(result)}",
        beside,
        network,
        f"## Results {result.basis}",
        markdown_table(header, rows),
        comparison_table.verdict(result),
        by_fold,
        "\n".join(f"- {line}." for line in result.warned),
        f"{over} {splitting.sentence(options, result.splits, parts)}. "
        f"{_trained(result, chose)}{'; the test rows were predicted once' if counts.test else ''}.",
        out_of_fold.describe(result) if result.crossfits else "",
        *_reliability(result, chose),
        "## Data",
        _data(result),
        "## Use",
        *_use(result),
    ]
    if task.citation:
        body += ["## Citation", task.citation]
    return describe_checkpoint(
        config,
        folder,
        unnamed="run",  # a folder name is not always a valid card name
        title=f"{task.name} {_title(result)}",
        training=Training(source=result.table.source.name, license="that of the data", rows=counts, ids="splits.json"),
        results=[
            CardResult(
                metric=name,
                value=float(f"{per_seed[name]['mean']:.4g}"),  # metrics.json has full precision
                unit=_unit(name, task.unit),
                rows=f"{result.judged_rows}, mean over {result.repeats}",
                n=len(result.judged[0]),
            )
            for name in dict.fromkeys([result.headline, *per_seed])
            if np.isfinite(per_seed[name]["mean"])
        ],
        hub=Hub(
            license="other",
            pipeline_tag="graph-ml",
            tags=["materials-science", "crystal-graph", *(["transfer-learning"] if pulled else [])],
            metrics=["accuracy", "roc_auc"] if task.classes else ["mae"],
        ),
        body="\n\n".join(part for part in body if part),
    )


def _unit(error: str, unit: str) -> str:
    if error in ("r2", "factor", "log_loss", "accuracy", "balanced_accuracy", "roc_auc"):
        return ""
    return "log10" if error.endswith("_log10") else unit


def _property(task: Task) -> str:
    """Return what is predicted, as the object of a sentence."""
    said = task.description.rstrip(".") or task.name
    return said[0].lower() + said[1:] if task.classes else said


def _classes(task: Task) -> str:
    return f"one of {listed([f'`{label}`' for label in task.classes])}" if task.classes else ""


def _origin(result: Result) -> str:
    """Return what the model reads, and what it started from, as the end of a sentence."""
    start, provenance = result.start, result.checkpoint.config.provenance
    if start.formulas:
        return "formula. The table has no structures, so no backbone was used; polymorphs get the same prediction."
    if result.options.network_mode is None:
        said = f"crystal structure by the baseline `{result.options.mode}`."
        if start.backbone:
            said += (
                f" The network of {start.backbone.name} (weights SHA-256 {start.backbone.digest}) only tells how far a "
                "crystal is from the training set."
            )
        return said
    if (pulled := result.backbone) is None:
        return "crystal structure. Started from random weights."
    revision = f", revision {pulled.revision}" if pulled.revision else ""
    return (
        f"crystal structure. Started from the backbone {pulled.name} ({pulled.origin}{revision}, weights SHA-256 "
        f"{provenance['backbone']['sha256']}), mode {provenance['mode']}."
    )


def _data(result: Result) -> str:
    """Return the text on the table and its rows."""
    table, config = result.table, result.checkpoint.config
    test = f", and test rows of `{table.test.source.name}`, SHA-256 {table.test.sha256}" if table.test else ""
    rejected = sum(not each.filtered for each in table.rejected)
    filtered = len(table.rejected) - rejected
    why = "without a value" if "learned_with" in config.provenance else "not wanted by the task"
    return (
        f"`{table.source.name}`, SHA-256 {table.sha256}{test}, column `{table.target_column}`: "
        f"{len(table.records)} rows used, {rejected} rejected{f', {filtered} {why}' if filtered else ''} "
        "(`rejected.csv`). "
        f"Elements: {', '.join(config.elements)}."
    )


def _use(result: Result) -> list[str]:
    """Return the code that predicts, and a warning."""
    config, formulas = result.checkpoint.config, result.start.formulas
    level = next((each for each in (0.9, 0.8, 0.5) if result.reliability.measured(each) is not None), None)
    interval = f", interval={level:g}" if level else ""  # the highest level that the calibration rows allow
    given = '["NaCl", "Ca(OH)2"]' if formulas else "structures"
    added = "".join(f'zoo.registry.add_file("{file}")\n' for file in config.architecture.plugin_files)
    noted = "elements that are not in the training set" if formulas else "crystals that are far from the training set"
    return [
        f'```python\nimport zoo\n\n{added}model = zoo.load("path/to/{config.name}")\n'
        f"model.predict({given}{interval})\n```",
        "A prediction for a crystal with other elements, or of another kind than those in the table, is an "
        f"extrapolation; {_columns(result)} `note` names {noted}.",
    ]


def _title(result: Result) -> str:
    """Return what a run's model was made from, behind the name of its task."""
    if result.start.formulas:
        return "from formulas"
    if result.options.network_mode is None:
        return f"by {result.options.mode}"
    return f"fine-tuned from {result.backbone.name}" if result.backbone else "from scratch"


def _columns(result: Result) -> str:
    if result.task.classes:
        return (
            "the columns `probability_…` hold a probability for each class, and `spread` is the standard deviation "
            "over the members of that of the predicted class."
        )
    members = "fits without a fold each" if result.crossfits else "seeds' networks"
    return f"`spread` is the standard deviation over the {members}, not an error bar; `lower` and `upper` are."


def _reliability(result: Result, chose: str) -> list[str]:
    """Return the sections on intervals, or on the predicted classes and their probabilities."""
    sentences = f"{comparison_table.intervals(result)} {comparison_table.distant_rows(result)}"
    if not result.task.classes:
        return [
            "![Predicted against reference values](parity.png)",
            "## Intervals",
            sentences,
            _calibrated(result, chose),
            "![Nominal against measured coverage](coverage.png)" if result.reliability.measured_levels else "",
        ]
    rows = "out-of-fold predictions" if result.crossfits else f"the validation rows, which also chose the epoch{chose}"
    return [
        "## Predicted classes",
        markdown_table(*comparison_table.confusion_rows(result)),
        f"Rows: the true class; columns: the predicted one, the most probable; {result.basis}, all {result.repeat}s.",
        "![Confusion matrix](confusion.png)",
        "## Probabilities",
        sentences,
        f"They are calibrated by temperature scaling (Guo et al., ICML 2017) on {rows}. They hold for crystals from "
        "the same distribution as the table, with its shares of the classes, and for no others.",
        "![Predicted probability against frequency](reliability.png)",
    ]


def _trained(result: Result, chose: str) -> str:
    if result.crossfits:
        return (
            "Every member of the model was fitted once without each fold, and predicts it; these predictions chose the "
            f"weights{chose and ', and validation rows the backbone'}"
        )
    return f"The validation rows chose the epoch{chose}"


def _calibrated(result: Result, chose: str) -> str:
    """Return the text on how the intervals were calibrated, and on their limits."""
    several = (
        " With several seeds, `--interval` combines all of them; its coverage was not measured here, as each seed was "
        "trained on test rows of the others."
    )
    if result.crossfits:
        scaled = any(each.difficulty.slope for each in result.crossfits)
        width = (
            "divided by a difficulty that grows with the disagreement of the members, as that makes them narrower"
            if scaled
            else "and all have the same width, as scaling them by the disagreement of the members does not narrow them"
        )
        return (
            f"They are calibrated by the out-of-fold residuals, {width}. The same residuals chose a few weights. "
            "Intervals hold for crystals from the same distribution as the table, and for no others."
            + (several if len(result.splits[0].test) else "")
        )
    return (
        f"The validation rows that calibrate them trained no network, but chose its epoch{chose}. They hold for "
        "crystals from the same distribution as the table, and for no others. With several seeds, `--interval` "
        "combines the networks; the coverage of combined intervals was not measured here, as each network was trained "
        "on test rows of the others."
    )
