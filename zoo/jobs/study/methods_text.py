"""The methods section of a report: data, networks, baselines, errors and statistical tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._utils.wording import counted, percent
from zoo.analysis.comparisons import CONFIDENCE, MIN_SEEDS, RESAMPLES

if TYPE_CHECKING:
    from zoo.jobs.study.result import Study

SPLITS = {
    "random": "drawn at random",
    "composition": "drawn by reduced composition, so that training and test rows share no composition",
    "chemsys": "drawn by chemical system, so that training and test rows share no set of elements",
}

MODES = {
    "full": "all layers of the backbone are trained further",
    "layerwise": "all layers are trained further, with smaller learning rates closer to the input",
    "head": "only the fully connected layers are trained",
    "blend": "the mixture below, kernel machines, boosted trees and a regression on what the backbones predict are "
    "each fitted without each of five to ten folds of the training rows, and weighted by their predictions of these "
    "folds",
    "blend, fast": "kernel machines, boosted trees and a regression on what the backbones predict are each fitted "
    "without each of five to ten folds of the training rows, and weighted by their predictions of these folds",
    "mixture": "the backbone is trained further, and a second head reads frozen copies of other backbones; the two "
    "predictions are averaged (R. Chang et al., npj Comput. Mater. 8, 242 (2022))",
}


def procedure(study: Study) -> list[str]:
    """Return the paragraphs on rows, networks, baselines and errors."""
    options, analysis = study.options, study.analysis
    tested = sorted({len(split.test) for split in study.splits.values()})
    span = f"{tested[0]:,}" if len(tested) == 1 else f"{tested[0]:,} to {tested[-1]:,}"
    last = options.seed + options.seeds - 1
    seeds = f"with seed {last}" if options.seeds == 1 else f"in each of the seeds {options.seed} to {last}"
    epochs = f"{options.epochs} epochs" if options.epochs else "a number of epochs that depends on the number of rows"
    points = [
        f"Rows: {seeds}, {span} test rows, {SPLITS[options.split]}; they are the same for every method and size. The "
        "training rows of a size are among those of every larger size. Validation rows (20, or a fifth of the training "
        "rows if that is more, but at most a tenth of all rows) choose the epoch of a network and calibrate intervals; "
        "a blend does both without them. Test rows are predicted once.",
        f"Networks: crystal graph convolutional networks, trained for {epochs}. From scratch is the same network with "
        "random initial weights, and settings tuned for that. A transfer starts from the weights of a backbone.",
    ]
    tuned = {method.mode: None for method in study.methods if method.backbone and not method.baseline}
    if tuned:
        points.append(
            "Fine-tuning: the fully connected layers start from random weights; batch normalisation keeps the "
            f"backbone's statistics. {'; '.join(f'{mode.capitalize()}: {MODES[mode]}' for mode in tuned)}."
        )
    if any(method.backbone and method.baseline for method in study.methods):
        points.append(
            "Frozen embeddings: the backbone is not trained further. The baseline named after it is fitted to the "
            "vectors that it makes of crystals."
        )
    if any(kind == "classical" for kind in analysis.kinds.values()):
        points.append(
            "Classical methods: hyper-parameters are chosen by five-fold cross-validation within the training rows; "
            "imputation, scaling and feature selection are fitted to training rows only."
        )
    if study.task.classes:
        points.append(
            "Classes: every part of a split has its share of each class, as far as groups allow. Methods are compared "
            "by the log-loss, the mean of −log of the probability of the true class; networks and blends are "
            "calibrated by temperature scaling."
        )
    if analysis.log:
        points.append(
            f"Errors in log10: {study.table.target_column} spans orders of magnitude, so methods are trained on its "
            "logarithm and compared by the mean absolute error of the logarithm; 0.1 is a factor of 1.26."
        )
    return points


def statistics(study: Study) -> list[str]:
    """Return the paragraphs on the statistical tests, or the reason for their absence."""
    seeds = len(study.analysis.seeds)
    if seeds < MIN_SEEDS:
        why = "with two, the standard deviation rests on one number" if seeds == 2 else "one has no standard deviation"
        return [
            f"No significance test: {counted(seeds, 'seed')} {'was' if seeds == 1 else 'were'} run, and a test over "
            f"seeds needs {MIN_SEEDS} or more: {why}. A test over test rows would only tell whether this one network "
            "is better, not whether the next one would be."
        ]
    return [
        "Tests: for each comparison a paired t-test and Wilcoxon's signed-rank test over the mean errors of the seeds, "
        f"both two-sided, at a significance level of {study.analysis.alpha:g}. With {seeds} seeds Wilcoxon's p cannot "
        f"fall below {2 ** (1 - seeds):.2g}, even before correction.",
        "Holm's correction (S. Holm, Scand. J. Stat. 6, 65 (1979)) covers all comparisons together: every method "
        "against training from scratch, and at each size the best transfer against the best classical method. Both of "
        "these are chosen by their test errors, which favours them slightly.",
        "Overlapping training sets: seeds draw from one table, so their errors are not independent. The corrected "
        "resampled t-test (C. Nadeau, Y. Bengio, Mach. Learn. 52, 239 (2003)) replaces 1/n, for n seeds, by "
        "1/n + n_test/n_train in the variance of the mean difference. It is too strict if a small training set is "
        "drawn from a large table.",
        f"Intervals: {percent(CONFIDENCE, 0)} bootstrap intervals of the relative gain over paired seeds, "
        f"bias-corrected and accelerated, {RESAMPLES:,} resamples, fixed seed (scipy.stats.bootstrap). They are not "
        "corrected for the number of comparisons, and with few seeds they are too narrow: an interval may exclude zero "
        "although the test finds no difference.",
    ]
