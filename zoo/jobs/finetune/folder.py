"""What a fine-tuning leaves behind: the files of a run's folder."""

from __future__ import annotations

import csv
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.tables.rejections import write_rejected
from zoo.jobs import comparison_table
from zoo.jobs.finetune import pictures
from zoo.models.checkpoint import networks, weights
from zoo.registry.cards import (
    NAME,
    Card,
    CardArchitecture,
    CardGraph,
    CardResult,
    CardRows,
    Hub,
    Training,
    describe_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo.jobs.finetune.result import Result

PACKAGES = ("crystal-zoo", "torch", "dgl", "lightning", "numpy", "pymatgen", "matminer", "scikit-learn")


def write_run(result: Result, folder: Path) -> None:
    """Write all files of a run into a folder.

    Parameters
    ----------
    result : Result
    folder : Path
        Exists; the caller renames it when everything is in it.
    """
    networks.save(result.checkpoint, folder)
    _json(folder / "metrics.json", metrics(result))
    _json(folder / "splits.json", {str(split.seed): split.as_ids(result.records) for split in result.splits})
    write_rejected(result.table.rejected, folder / "rejected.csv")
    _csv(folder / "history.csv", ["method", "seed", *HISTORY], _history(result))
    _csv(folder / "predictions.csv", PREDICTIONS, _predictions(result, [result.model]))
    others = [method for method in result.outcomes if method != result.model]
    if others:
        rows = ([method, *row] for method in others for row in _predictions(result, [method]))
        _csv(folder / "comparison.csv", ["method", *PREDICTIONS], rows)
    pictures.parity(_parity(result), folder / "parity.png")
    split = result.splits[0]
    pictures.coverage(result.reliability.coverage, len(split.val), len(split.test), folder / "coverage.png")
    (folder / "README.md").write_text(card(result, folder).render(), encoding="utf-8")


PREDICTIONS = ["id", "split", "target", "prediction", "unit", "seed"]
HISTORY = ["epoch", "learning_rate", "train_loss", "validation_loss", "validation_mae", "seconds"]


def metrics(result: Result) -> dict[str, Any]:
    """Return errors, comparisons and everything needed to repeat them, JSON-able."""
    task = result.task
    return {
        "task": task.name,
        "target": result.table.target_column,
        "unit": task.unit,
        "model": result.model,
        "rows": {
            "used": len(result.records),
            "rejected": len(result.table.rejected),
            "train": len(result.splits[0].train),
            "validation": len(result.splits[0].val),
            "test": len(result.splits[0].test),
        },
        **({"backbones_tried": result.tried} if result.tried else {}),
        **({} if result.overlap is None else {"test_rows_in_pretraining": result.overlap}),
        **({"test_rows_known_with_this_property": result.leaks} if result.leaks else {}),
        "warnings": result.warned,
        "seeds": [split.seed for split in result.splits],
        "split": result.options.split,
        "methods": {
            method: {
                "test": _finite(result.summary()[method]),
                "per_seed": [
                    {
                        "seed": split.seed,
                        **_finite(errors),
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
        "against_scratch": {
            method: {"gain": compared.gain, "p": compared.p, "test": compared.test, "pairs": compared.pairs}
            for method, compared in result.comparisons.items()
        },
        "against_scratch_log10": {
            method: {"gain": compared.gain, "p": compared.p, "test": compared.test, "pairs": compared.pairs}
            for method, compared in result.log_comparisons.items()
        },
        "verdict": comparison_table.verdict(result),
        "intervals": result.reliability.to_dict(),
        "provenance": result.checkpoint.config.provenance,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def card(result: Result, folder: Path) -> Card:
    """Return the run's model card; the weights must have been written to `folder`."""
    task, options, config = result.task, result.options, result.checkpoint.config
    pulled = result.backbone
    architecture = config.architecture.model_dump(exclude={"gaussian_end"})
    header, rows = comparison_table.comparison_rows(result)
    per_seed = result.summary()[result.model]
    counts = CardRows(train=len(result.splits[0].train), val=len(result.splits[0].val), test=len(result.splits[0].test))
    origin = (
        f"the backbone {pulled.name} ({pulled.origin}"
        + (f", revision {pulled.revision}" if pulled.revision else "")
        + f", weights SHA-256 {config.provenance['backbone']['sha256']}), mode {config.provenance['mode']}"
        if pulled
        else "random weights"
    )
    experts = config.provenance["experts"]
    beside = (
        "Beside it stand, as they are, copies of "
        + ", ".join(f"{name} (SHA-256 {digest[:12]}…)" for name, digest in experts.items())
        + ", with a head of their own; a prediction is the mean of both. Their digests are in `config.json`."
        if experts
        else ""
    )
    rejected = len(result.table.rejected)
    chose = " and its backbone" if result.tried else ""
    level = next((each for each in (0.9, 0.8, 0.5) if result.reliability.measured(each) is not None), None)
    interval = f", interval={level:g}" if level else ""  # as far as the calibration rows allow
    body = [
        f"# {config.name}",
        f"Predicts {task.description.rstrip('.') or task.name} ({task.unit or 'no unit'}) from a crystal structure. "
        f"Started from {origin}.",
        beside,
        "## Results on test rows",
        comparison_table.markdown_table(header, rows),
        comparison_table.verdict(result),
        f"Mean ± standard deviation over {len(result.splits)} seed(s); every seed has its own {options.split} split "
        f"({counts.train} training, {counts.val} validation, {counts.test} test rows; ids in `splits.json`). The "
        f"validation rows chose the epoch{chose}; the test rows were predicted once.",
        "\n".join(f"- {line}." for line in result.warned),
        "![Predicted against reference values](parity.png)",
        "## Intervals",
        f"{comparison_table.intervals(result)} {comparison_table.far(result)}",
        f"The validation rows that calibrate them trained no network, but chose its epoch{chose}. The promise is for "
        "crystals drawn as those of the table were: for others it is none. With several seeds, `--interval` puts the "
        "networks together; that this holds as often was not measured here, for each network was trained on others' "
        "test rows.",
        "![Coverage that was asked for against coverage that was measured](coverage.png)",
        "## Data",
        f"`{result.table.source.name}`, SHA-256 {result.table.sha256}, column `{result.table.target_column}`: "
        f"{len(result.records)} rows used, {rejected} rejected (`rejected.csv`). "
        f"Elements: {', '.join(config.elements)}.",
        "## Use",
        f'```python\nimport zoo\n\nmodel = zoo.load("path/to/{config.name}")\nmodel.predict(structures{interval})\n```',
        "A prediction for a crystal with other elements, or of another kind than those in the table, is an "
        "extrapolation; `spread` is the standard deviation over the seeds' networks, not an error bar; "
        "`lower` and `upper` are. `note` names crystals that are far from the training set.",
    ]
    if task.citation:
        body += ["## Citation", task.citation]
    name = config.name if NAME.fullmatch(config.name) else "run"  # a folder may be called what no card may
    return Card(
        name=name,
        title=f"{task.name} fine-tuned from {pulled.name}" if pulled else f"{task.name} from scratch",
        repo_id=f"local/{name}",
        files=[describe_file(folder / name) for name in (weights.WEIGHTS_FILE, weights.CONFIG_FILE)],
        target=config.target.name,
        unit=task.unit,
        transform=task.transform,
        architecture=CardArchitecture(**architecture),
        graph=CardGraph(**config.graph.model_dump()),
        elements=config.elements,
        training=Training(source=result.table.source.name, license="that of the data", rows=counts, ids="splits.json"),
        results=[
            CardResult(
                metric=name,
                value=float(f"{per_seed[name]['mean']:.4g}"),  # metrics.json has every digit
                unit="" if name == "r2" else "log10" if name == "mae_log10" else task.unit,
                rows=f"{counts.test} test rows, mean over {len(result.splits)} seed(s)",
                n=counts.test,
            )
            for name in per_seed
            if np.isfinite(per_seed[name]["mean"])
        ],
        hub=Hub(
            license="other",
            pipeline_tag="graph-ml",
            tags=["materials-science", "crystal-graph", *(["transfer-learning"] if pulled else [])],
            metrics=["mae"],
        ),
        body="\n\n".join(part for part in body if part),
    )


def _predictions(result: Result, methods: Sequence[str]) -> Iterable[list[Any]]:
    for method in methods:
        for split, outcome in zip(result.splits, result.outcomes[method], strict=True):
            for part, rows in (("train", split.train), ("validation", split.val), ("test", split.test)):
                for row in rows:
                    record = result.records[row]
                    value = f"{outcome.predictions[row]:.6g}"
                    yield [record.id, part, record.target, value, result.task.unit, split.seed]


def _history(result: Result) -> Iterable[list[Any]]:
    for method, outcomes in result.outcomes.items():
        for split, outcome in zip(result.splits, outcomes, strict=True):
            for row in outcome.history:
                yield [method, split.seed, int(row["epoch"]), *(_number(row[name]) for name in HISTORY[1:])]


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.6g}"


def _parity(result: Result) -> pictures.ParityData:
    pairs = list(zip(result.splits, result.outcomes[result.model], strict=True))
    targets = np.array([record.target for record in result.records], dtype=np.float64)
    row = dict(
        zip(*comparison_table.comparison_rows(result)[:1], comparison_table.comparison_rows(result)[1][0], strict=True)
    )
    mae = next(value for name, value in row.items() if name.startswith("MAE"))
    return pictures.ParityData(
        target=np.concatenate([targets[split.test] for split, _ in pairs]),
        prediction=np.concatenate([outcome.predictions[split.test] for split, outcome in pairs]),
        quantity=result.table.target_column,
        unit=result.task.unit,
        log=result.task.transform == "log10",
        model=result.model,
        mae={method: [row["mae"] for row in rows] for method, rows in result.errors.items()},
        caption=f"test rows, MAE {mae} {result.task.unit}".rstrip(),
    )


def _finite(values: Any) -> Any:
    """Replace NaN by None all the way down: JSON has no NaN."""
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in values.items()}
    return None if isinstance(values, float) and not np.isfinite(values) else values


def _json(path: Path, value: object) -> None:
    path.write_text(networks.to_json(value), encoding="utf-8")


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
