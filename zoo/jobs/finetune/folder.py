"""The files in a run folder."""

from __future__ import annotations

import csv
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo._utils.wording import error_title, format_headline, headline_value, probability_columns
from zoo.analysis.known_crystals import KnownCrystals
from zoo.data.tables.rejections import write_rejected
from zoo.jobs.baselines import MAJORITY
from zoo.jobs.finetune import out_of_fold, pictures, splitting
from zoo.jobs.fit_store import finite_json, history
from zoo.jobs.reports import comparison_table
from zoo.jobs.reports.card import describe_run
from zoo.models.checkpoint import networks
from zoo.registry import backbones, plugins, task_choice
from zoo.registry.backbones import CRYSTALS_FILE
from zoo.registry.plugin_versions import installed, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.finetune.result import Result
    from zoo.registry.plugins import Plugin

PACKAGES = ("crystal-zoo", "torch", "dgl", "numpy", "pymatgen", "matminer", "scikit-learn")


def write_run(result: Result, folder: Path) -> None:
    """Write all files of a run to a folder.

    Parameters
    ----------
    result : Result
    folder : Path
        An existing folder; the caller renames it once it is complete.
    """
    networks.save(result.checkpoint, folder)
    write_json(folder / "metrics.json", metrics(result))
    write_splits(folder, result.used, result.records)
    if not result.start.formulas:
        KnownCrystals.build((each.id, each.crystal) for each in result.records).write(folder / CRYSTALS_FILE)
    write_rejected(result.table.rejected, folder / "rejected.csv")
    named = history.columns(classes=bool(result.task.classes))
    write_csv(folder / "history.csv", ["method", result.repeat, *named], _history(result))
    columns = prediction_columns(result)
    write_csv(folder / "predictions.csv", columns, predictions(result, [result.model]))
    others = [method for method in result.outcomes if method != result.model]
    if others:
        rows = ([method, *row] for method in others for row in predictions(result, [method]))
        write_csv(folder / "comparison.csv", ["method", *columns], rows)
    if result.crossfits:
        write_csv(folder / "out_of_fold.csv", out_of_fold.columns(result), out_of_fold.table(result))
    _draw(result, folder)
    (folder / "README.md").write_text(describe_run(result, folder).render(), encoding="utf-8")


def picture(result: Result) -> str:
    """Return the file name of the picture of a run's predictions."""
    return "confusion.png" if result.task.classes else "parity.png"


def _draw(result: Result, folder: Path) -> None:
    """Draw the predictions, and how far their intervals or probabilities hold."""
    if result.task.classes:
        pictures.classes(result, folder / picture(result), folder / "reliability.png")
        return
    _draw_parity(result, folder / picture(result))
    split = result.splits[0]
    calibrated = result.crossfits[0].rows if result.crossfits else split.val
    if result.reliability.measured_levels:
        pictures.coverage(
            result.reliability.coverage, len(calibrated), len(split.test), folder / "coverage.png", repeat=result.repeat
        )


PREDICTIONS = ["id", "split", "target", "prediction", "unit"]


def prediction_columns(result: Result) -> list[str]:
    """Return the columns of ``predictions.csv``."""
    classes = result.task.classes
    shown = [*PREDICTIONS[:-1], *probability_columns(classes)] if classes else PREDICTIONS
    return [*shown, result.repeat, "formula"]


def metrics(result: Result) -> dict[str, Any]:
    """Return errors, comparisons and all information needed to reproduce them, as JSON-serialisable data."""
    task = result.task
    by_rmse = {method: asdict(each) for method, each in result.headline_comparisons.items()}
    return {
        "task": task.name,
        "target": result.table.target_column,
        "unit": task.unit,
        **({"classes": list(task.classes), "confusion": comparison_table.confusion(result)} if task.classes else {}),
        "model": result.model,
        "headline": result.headline,
        "rows": {
            "used": len(result.records),
            "rejected": sum(not each.filtered for each in result.table.rejected),
            **({"filtered": filtered} if (filtered := sum(each.filtered for each in result.table.rejected)) else {}),
            **{"validation" if part == "val" else part: count for part, count in result.row_counts.items()},
        },
        **({"backbones_tried": result.tried} if result.tried else {}),
        **({} if result.overlap is None else {"test_rows_in_pretraining": result.overlap}),
        **({"test_rows_known_with_this_property": result.leaks} if result.leaks else {}),
        "warnings": result.warned,
        "seeds": [split.seed for split in result.splits],
        **({"folds": [split.fold for split in result.splits]} if result.repeat == "fold" else {}),
        "split": splitting.rule(result.options),
        "methods": {
            method: {
                comparison_table.PART[result.basis]: finite_json(result.summary()[method]),
                "per_seed": [
                    {
                        "seed": split.seed,
                        **({"fold": split.fold} if split.fold else {}),
                        **finite_json(errors),
                        "seconds": outcome.seconds,
                        "best_epoch": outcome.best_epoch,
                    }
                    | ({"parameters": outcome.parameters} if outcome.parameters else {})
                    for split, errors, outcome in zip(
                        result.splits, result.errors[method], result.outcomes[method], strict=True
                    )
                ],
            }
            for method in result.outcomes
        },
        "against_scratch": {method: asdict(each) for method, each in result.comparisons.items()},
        "against_scratch_log10": {method: asdict(each) for method, each in result.log_comparisons.items()},
        **({f"against_scratch_{result.headline}": by_rmse} if result.task.metric == "rmse" else {}),
        **({"blend": _blend(result)} if result.crossfits else {}),
        "verdict": comparison_table.verdict(result),
        "intervals": result.reliability.to_dict(),
        "provenance": result.checkpoint.config.provenance,
        "versions": {"python": platform.python_version(), **installed(PACKAGES), **versions(_plugins_used(result))},
    }


def _blend(result: Result) -> dict[str, Any]:
    """Return the members of a blend, with weights, out-of-fold errors and failures for each seed."""
    error = "out_of_fold_log_loss" if result.task.classes else "out_of_fold_mae"
    return {
        "model": out_of_fold.carriers(result.crossfits),
        "transfer": out_of_fold.transfer(result.crossfits),
        "weights": out_of_fold.mean_weights(result.crossfits),
        "per_seed": [
            {
                "seed": split.seed,
                "folds": len(each.folds),
                "weights": each.weights,
                "rows": len(each.rows),
                error: each.errors,
                f"{error}_of_model": each.error,
                f"{error}_without_pretrained": each.untransferred,
                "left_out": each.failed,
            }
            for split, each in zip(result.splits, result.crossfits, strict=True)
        ],
    }


def _plugins_used(result: Result) -> Iterator[Plugin]:
    """Yield the plugins that the numbers depend on."""
    if task := task_choice.plugin_of(result.options.choice):
        yield task
    size = result.checkpoint.config.architecture
    yield from (body.offered_by for body in (size, *size.expert_bodies))
    blend = result.checkpoint.config.blend
    for featurizer in blend.featurizers if blend else ():
        yield plugins.find("featurizer", featurizer.name)
    own = [result.options.mode] if result.options.network_mode is None else []
    trivial = [MAJORITY] if result.task.classes else []
    for name in (*own, *trivial, *result.options.baselines):
        yield plugins.find("baseline", name)
        yield plugins.find("featurizer", plugins.baseline(name).featurizer)
    if result.backbone and result.backbone.card:
        package = backbones.distribution(result.backbone.card)
        yield from (plugin for plugin in plugins.plugins("backbone") if plugin.distribution == package)


def predictions(result: Result, methods: Iterable[str]) -> Iterator[list[Any]]:
    """Yield the rows of ``predictions.csv`` for some methods, in the columns `prediction_columns`.

    Rows on which a model was cross-fitted are out of fold: each is predicted by fits that have not seen it.
    """
    for method in methods:
        own = method == result.model
        trained = "out_of_fold" if result.crossfits and own else "train"
        for split, outcome in zip(result.used if own else result.splits, result.outcomes[method], strict=True):
            for part, rows in ((trained, split.train), ("validation", split.val), ("test", split.test)):
                for row in rows:
                    record = result.records[row]
                    shown = _shown(result, record.target, outcome.predictions[row])
                    yield [record.id, part, *shown, split.fold or split.seed, record.crystal.formula]


def _shown(result: Result, target: float | None, prediction: NDArray[np.float64]) -> list[Any]:
    """Return the cells of a target and its prediction; classes by their labels, with probabilities."""
    if classes := result.task.classes:
        likeliest = classes[int(prediction.argmax())]
        return [classes[int(target or 0)], likeliest, *(f"{value:.6g}" for value in prediction)]
    return [target, f"{prediction:.6g}", result.task.unit]


def _history(result: Result) -> Iterable[list[Any]]:
    for method, outcomes in result.outcomes.items():
        for split, outcome in zip(result.splits, outcomes, strict=True):
            for row in outcome.history:
                yield [method, split.fold or split.seed, *history.cells(row)]
    for split, crossfit in zip(result.splits, result.crossfits, strict=bool(result.crossfits)):
        for fit, rows in crossfit.history.items():
            for row in rows:
                yield [fit, split.fold or split.seed, *history.cells(row)]


def _draw_parity(result: Result, path: Path) -> None:
    unit, headline = result.task.unit, result.headline
    pictures.parity(
        *result.judged_values,
        {method: [row[headline] for row in rows] for method, rows in result.errors.items()},
        path,
        quantity=result.quantity,
        unit=unit,
        log=result.task.transform == "log10",
        caption=f"{result.judged_rows}, {format_headline(headline, result.summary()[result.model], unit)}",
        error=error_title(headline, unit),
        means={method: headline_value(headline, errors, unit) for method, errors in result.summary().items()},
        repeat=result.repeat,
    )


def write_splits(folder: Path, splits: Sequence[Split], records: Sequence[Record]) -> None:
    """Write ``splits.json``: the ids of the rows in each part, by seed or fold."""
    ids = {split.label if split.fold else str(split.seed): split.as_ids(records) for split in splits}
    write_json(folder / "splits.json", ids)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file into a folder that is not complete yet."""
    path.write_text(networks.to_json(value), encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table into a folder that is not complete yet."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
