"""How a study was made, in words: what its report says of rows, networks and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._utils.wording import counted
from zoo.analysis.comparisons import CONFIDENCE, MIN_SEEDS, RESAMPLES

if TYPE_CHECKING:
    from zoo.jobs.study.result import Study

_APART = {
    "random": "drawn at random",
    "composition": "drawn by reduced composition, so that no composition is in two parts",
    "chemsys": "drawn by chemical system, so that no system is in two parts",
}

_MODES = {
    "full": "all layers of the backbone go on being trained",
    "layerwise": "all layers go on being trained, the more slowly the nearer to the input",
    "head": "only the fully connected layers are trained",
    "mixture": "the backbone goes on being trained, and frozen copies of other backbones are read beside it by layers "
    "of their own; the two predictions are averaged (R. Chang et al., npj Comput. Mater. 8, 242 (2022))",
}


def methods(study: Study) -> list[str]:
    """Say what was done: rows, networks, classical methods, errors."""
    options, analysis = study.options, study.analysis
    tested = sorted({len(split.test) for split in study.splits.values()})
    span = f"{tested[0]:,}" if len(tested) == 1 else f"{tested[0]:,} to {tested[-1]:,}"
    last = options.seed + options.seeds - 1
    seeds = f"with seed {last}" if options.seeds == 1 else f"in each of the seeds {options.seed} to {last}"
    epochs = f"{options.epochs} epochs" if options.epochs else "a number of epochs that suits the number of rows"
    points = [
        f"Rows: {seeds}, {span} test rows, {_APART[options.split]}; they are the same for every method and size. The "
        "training rows of a size are among those of every larger one. Validation rows (20, or a fifth of the training "
        "rows if that is more, but no more than a tenth of all rows) choose the epoch of a network and calibrate its "
        "intervals. Test rows are predicted once.",
        f"Networks: crystal graph convolutional networks, trained for {epochs}. From scratch means the same network "
        "with random weights, and settings that were tuned for it. A transfer starts from the weights of a backbone.",
    ]
    tuned = {method.mode: None for method in study.methods if method.backbone and not method.baseline}
    if tuned:
        points.append(
            "Fine-tuning: the fully connected layers start anew, and the statistics of batch normalisation stay those "
            f"of the backbone. {'; '.join(f'{mode.capitalize()}: {_MODES[mode]}' for mode in tuned)}."
        )
    if any(method.backbone and method.baseline for method in study.methods):
        points.append(
            "Frozen embeddings: the backbone's weights stay as they are; the vector into which it turns a crystal is "
            "what the classical method named after it is fitted to."
        )
    if any(kind == "classical" for kind in analysis.kinds.values()):
        points.append(
            "Classical methods: hyper-parameters are chosen by five-fold cross-validation within the training rows; "
            "imputation, scaling and selection are fitted on training rows only."
        )
    if analysis.log:
        points.append(
            f"Errors of log10: {study.table.target_column} spans decades, so methods are trained on its logarithm and "
            "compared by the mean absolute error of that; 0.1 is a factor of 1.26."
        )
    return points


def statistics(study: Study) -> list[str]:
    """Say how differences were tested, or why they were not."""
    seeds = len(study.analysis.seeds)
    if seeds < MIN_SEEDS:
        why = "the deviation over two seeds rests on one number" if seeds == 2 else "one seed has no deviation"
        return [
            f"No significance test: {counted(seeds, 'seed')} {'was' if seeds == 1 else 'were'} run, and a test over "
            f"seeds needs {MIN_SEEDS} or more: {why}. Pairing test rows instead would say whether this one network is "
            "better, not whether the next would be."
        ]
    return [
        "Tests: for each comparison a paired t-test and Wilcoxon's signed-rank test over the seeds' mean errors, both "
        f"two-sided; significant is what stays below {study.analysis.alpha:g}. With {seeds} seeds Wilcoxon's p cannot "
        f"fall below {2 ** (1 - seeds):.2g}, before any correction.",
        "Holm's correction (S. Holm, Scand. J. Stat. 6, 65 (1979)) for all comparisons together: every method against "
        "training from scratch, and at each size the best transfer against the best classical method. Both of these "
        "are chosen by their test errors, which favours them a little.",
        "Overlapping training sets: seeds draw from one table, so their errors are not independent. The corrected "
        "resampled t-test (C. Nadeau, Y. Bengio, Mach. Learn. 52, 239 (2003)) puts 1/n + n_test/n_train in place of "
        "1/n, n seeds, into the variance of the mean difference. It is too strict where a small training set is drawn "
        "from a large table.",
        f"Intervals: {CONFIDENCE:.0%} bootstrap intervals of the relative gain over paired seeds, bias-corrected and "
        f"accelerated, {RESAMPLES:,} resamples, fixed seed (scipy.stats.bootstrap). They are not corrected for the "
        "number of comparisons, and with few seeds they are too narrow: an interval may exclude zero although the "
        "test finds no difference.",
    ]
