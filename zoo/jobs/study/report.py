"""The report of a study, as a self-contained HTML file and in Markdown."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import files
from zoo._utils.wording import counted, error_title, format_p, interval, listed, percent, sentence, with_unit
from zoo.analysis.comparisons import MIN_SEEDS
from zoo.analysis.conformal import INTERVAL_LEVEL
from zoo.analysis.reports import Page, Section, Table
from zoo.data.tables.table import source_name
from zoo.jobs import lineage
from zoo.jobs.reports.comparison_table import error_cell
from zoo.jobs.study import figures, methods_text
from zoo.jobs.study.preparation import MIXED
from zoo.registry.contracts import Task
from zoo.registry.plugin_versions import installed

if TYPE_CHECKING:
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.result import Study

VERSIONS = ("crystal-zoo", "torch", "dgl", "numpy", "scipy", "statsmodels", "scikit-learn", "pymatgen", "matminer")
"""Packages whose versions may affect the results."""


def write_report(study: Study, folder: Path) -> Path:
    """Write ``report.html``, ``report.md`` and ``figures/``.

    Parameters
    ----------
    study : Study
    folder : Path
        Folder of the study.

    Returns
    -------
    Path
        Path of ``report.html``, a single file with embedded pictures, without scripts or external resources.
    """
    pictures, missing = figures.draw(study, folder / "figures")
    sections = [
        _answers(study),
        Section("Figures", pictures=pictures, points=[f"Not drawn: {each}." for each in missing]),
        _tables(study),
        *_leaks(study),
        _methods(study),
        _data(study),
        _reproduce(study),
    ]
    title = f"{study.task.name}: {study.table.source.name}"
    page = Page(title, headline(study), _facts(study), sections)
    files.write_text(folder / "report.md", page.markdown)
    files.write_text(folder / "report.html", page.html)
    return folder / "report.html"


def headline(study: Study) -> str:
    """Return the main conclusion, always for the largest size, to avoid selecting a size by its result."""
    sizes = study.analysis.sizes
    return study.analysis.sentence(sizes[-1]) + "." if sizes else "No cell of this study was finished."


def _facts(study: Study) -> str:
    analysis = study.analysis
    sizes, seeds = listed([f"{size:,}" for size in sorted({size for size, _ in study.splits})]), len(analysis.seeds)
    title = f"{study.options.title}: " if study.options.title else ""
    return (
        f"{title}{study.task.name}, {study.table.source.name}: {len(study.records):,} crystals, "
        f"{counted(len(analysis.methods), 'method')}, training sets of {sizes} rows, {counted(seeds, 'seed')}"
    )


def _answers(study: Study) -> Section:
    analysis = study.analysis
    points = []
    for size in reversed(analysis.sizes):
        classical = analysis.against_classical(size)
        points.append(f"{analysis.sentence(size)}." + (f" {classical}." if classical else ""))
    stricter = [each for each in analysis.compared if each.significant and not each.p_corrected < analysis.alpha]
    paragraphs = []
    if stricter:
        paragraphs.append(
            f"{len(stricter)} of {sum(each.significant for each in analysis.compared)} significant differences are not "
            "significant in the stricter corrected resampled t-test, which allows for overlapping training sets; see "
            "the table of comparisons."
        )
    pulled = study.backbones | study.others
    same = [name for name, each in pulled.items() if lineage.was_trained_on(each, study.task)]
    if same:
        paragraphs.append(
            f"Backbones trained on this very property: {listed(same)}. Their gain is that of more data, not of "
            "transfer from another property."
            + (" Mixtures and blends read them too." if set(MIXED) & set(study.options.modes) else "")
        )
    if study.failed:
        are = "is" if len(study.failed) == 1 else "are"
        paragraphs.append(
            f"{counted(len(study.failed), 'cell')} failed and {are} left out; the last table has the reasons."
        )
    return Section("At each size", paragraphs, points=points)


def _tables(study: Study) -> Section:
    tables = [_error_table(study)] if study.analysis.sizes else []
    if study.analysis.compared:
        tables.append(_comparison_table(study))
    if study.analysis.power_laws:
        tables.append(_power_law_table(study))
    if "coverage" in study.results and study.results["coverage"].notna().any():
        tables.append(_interval_table(study))
    if study.failed:
        rows = [[each.method, f"{each.size:,}", str(each.seed), each.reason] for each in study.failed]
        tables.append(Table("Cells that failed", ["method", "training rows", "seed", "reason"], rows))
    return Section("Tables", tables=tables)


_RELATIVE = (
    ". MAE/MAD: mean absolute error divided by the mean absolute deviation of the test targets; 1 is no better than "
    "guessing their mean."
)
_CLASS_ERRORS = (
    ". Log-loss: mean of −log of the probability of the true class, by which methods are compared. Balanced accuracy: "
    "mean over the classes of the fraction predicted correctly."
)


def _error_table(study: Study) -> Table:
    analysis, unit = study.analysis, study.task.unit
    names = ("mae_log10", "mae", "rmse", "r2", "log_loss", "accuracy", "balanced_accuracy", "roc_auc")
    columns = {name: error_title(name, unit) for name in names}
    columns |= {"mae_over_mad": "MAE/MAD"}
    columns = {name: title for name, title in columns.items() if name in analysis.errors}
    rows = []
    for size, method, cells in analysis.cells:
        values = [error_cell(name, cells[name].mean(), cells[name].std()) for name in columns]
        rows.append([f"{size:,}", method, *values, str(len(cells))])
    return Table(
        "Errors on test rows",
        ["training rows", "method", *columns.values(), "seeds"],
        rows,
        "Mean ± sample standard deviation over seeds"
        + (", and the factor by which a typical prediction is off" if analysis.log else "")
        + (_CLASS_ERRORS if study.task.classes else _RELATIVE),
    )


def _comparison_table(study: Study) -> Table:
    rows = [
        [
            f"{each.size:,}",
            each.method,
            each.reference,
            f"{-100 * each.paired.gain:+.1f} %".replace("-", "−"),
            interval(-each.paired.high, -each.paired.low) if each.paired.tested else "n/a",
            format_p(each.p),
            format_p(each.p_wilcoxon),
            format_p(each.p_corrected),
            each.answer,
        ]
        for each in study.analysis.compared
    ]
    made = next((each.family for each in study.analysis.compared if each.paired.tested), 0)
    note = (
        f"All p-values are two-sided and corrected by Holm's method for the {made} comparisons of this study, which "
        "are paired by seed. The finding is that of the paired t-test. Intervals are not corrected."
        if made
        else f"Nothing was tested: there are fewer than {MIN_SEEDS} seeds."
    )
    return Table(
        "Comparisons",
        [
            "training rows",
            "method",
            "against",
            study.analysis.error_words,
            "95 % interval",
            "p, paired t",
            "p, Wilcoxon",
            "p, Nadeau–Bengio",
            "finding",
        ],
        rows,
        note,
    )


def _interval_table(study: Study) -> Table:
    rows = []
    for (size, method), cells in study.results.groupby(["size", "method"], sort=False):
        covered, width = cells["coverage"].dropna(), cells["half_width"].mean()
        if len(covered):
            shown = f"factor {10**width:.3g}" if study.analysis.log else f"± {width:.3g} {study.task.unit}".rstrip()
            rows.append(
                [f"{size:,}", str(method), f"{100 * covered.mean():.1f} %", f"{100 * covered.min():.1f} %", shown]
            )
    return Table(
        f"Intervals at {percent(INTERVAL_LEVEL, 0)}",
        ["training rows", "method", "test rows inside", "worst seed", "half-width"],
        rows,
        "A quantile of the errors on validation rows, which train no method, but choose the epoch of a network; of a "
        f"blend, of its out-of-fold errors. The nominal level is {percent(INTERVAL_LEVEL, 0)}; where such rows are "
        "few, coverage varies between seeds.",
    )


def _power_law_table(study: Study) -> Table:
    rows = [
        [
            method,
            f"{law.exponent:.3f}".replace("-", "−"),
            f"{law.low:.3f} to {law.high:.3f}".replace("-", "−"),
            str(law.sizes),
        ]
        for method, law in study.analysis.power_laws.items()
    ]
    few = any(law.sizes < 3 for law in study.analysis.power_laws.values())
    return Table(
        "Error as a power of the number of training rows",
        ["method", "exponent", "95 % interval", "sizes"],
        rows,
        "Least squares of log error on log rows, over all seeds; at an exponent of −0.5 four times as many rows halve "
        "the error." + (" Two sizes cannot show whether a power law holds." if few else ""),
    )


def _leaks(study: Study) -> list[Section]:
    lines = study.leaks.lines(unseen=study.options.unseen) if study.leaks else []
    return [Section("Leak checks", points=[sentence(line) for line in lines])] if lines else []


def _methods(study: Study) -> Section:
    points = [*methods_text.procedure(study), *methods_text.statistics(study)]
    return Section("Methods", points=points, tables=_backbones(study))


def _backbones(study: Study) -> list[Table]:
    rows = []
    for name, pulled in (study.backbones | study.others).items():
        card = pulled.card
        if card is None:  # a folder or an unregistered repository
            what = ["", "", ""]
        else:
            counts = f"{card.training.rows.train:,} rows" if card.training.rows else ""
            pretrained = with_unit(card.target, card.unit)
            what = [card.title, pretrained, ", ".join(filter(None, [card.training.source, counts]))]
        used = "compared" if name in study.backbones else "frozen expert"
        rows.append([name, used, *what, str(study.settings.get("weights", {}).get(name, ""))])
    header = ["backbone", "use", "title", "pretrained on", "source", "SHA-256 of the weights"]
    return [Table("Backbones", header, rows)] if rows else []


def _data(study: Study) -> Section:
    options, rejected = study.options, len(study.table.rejected)
    chosen = [f"those with {' and '.join(map(str, options.where))}"] if options.where else []
    chosen += ["those that no backbone was trained on"] if options.unseen else []
    chosen += [f"{options.rows:,} of them, chosen by a hash of the identifier"] if options.rows else []
    rule = f" ({'; '.join(chosen)})" if chosen else ""
    target = with_unit(study.table.target_column, study.task.unit)
    more = f"; {rejected:,} more cannot be used" if rejected else ""
    lines = [f"{study.table.source.name}: {len(study.records):,} rows{rule}{more}. Target: {target}."]
    return Section("Data", lines, points=[f"SHA-256 {study.table.sha256}"])


def _reproduce(study: Study) -> Section:
    versions = [f"{name} {version}" for name, version in installed(VERSIONS).items()]
    return Section(
        "How to reproduce",
        [
            "The same command on the same table gives the same splits. The last digits of network predictions depend "
            "on the machine. splits.json has the identifiers of all training, validation and test rows, "
            "results.parquet the errors of every cell, and figures/ the numbers in each picture."
        ],
        points=[f"Versions: {', '.join(versions)}"],
        code=command(study.options),
    )


def command(options: StudyOptions) -> str:
    """Return the command that runs the study, with the options that differ from their defaults.

    A table or a task that is no file and no registered name takes Python.

    Examples
    --------
    >>> from pathlib import Path
    >>> from zoo.jobs.study.options import StudyOptions
    >>> command(StudyOptions("band-gap", Path("gaps.csv"), sizes=(50, 100), seeds=3))
    'zoo study gaps.csv --task band-gap --sizes 50,100 --seeds 3'
    """
    named = {each.name: each.default for each in fields(options) if each.name not in ("task", "data", "title")}
    changed = {name: getattr(options, name) for name, default in named.items()}
    changed = {name: value for name, value in changed.items() if value not in (named[name], None)}
    if not isinstance(options.data, Path) or isinstance(options.task, Task):
        given = "".join(f", {name}={value!r}" for name, value in changed.items())
        return f"zoo.study(zoo.StudyOptions({options.task!r}, {source_name(options.data)}{given}), folder)"
    words = ["zoo", "study", options.data.name, *(["--task", options.task] if options.task else [])]
    for name, value in changed.items():
        option = f"--{name.replace('_', '-')}"
        if name == "where":
            words += [word for condition in value for word in (option, str(condition))]
        elif isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)
