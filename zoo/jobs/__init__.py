"""What zoo does from end to end: fine-tune, predict, pretrain, study.

Each has its package. They share `crossfit` (fits on folds, blended), `pretrained` (backbones loaded as a starting
point), `lineage` (what those were trained on), `methods` and `baselines` (what is fitted on one split), `fit_store`
(finished fits, for resuming), `reliability` (calibrated intervals) and `comparison_table` (results in words and
tables).
"""

__all__ = [
    "baselines",
    "comparison_table",
    "crossfit",
    "finetune",
    "fit_store",
    "lineage",
    "methods",
    "predict",
    "pretrain",
    "pretrained",
    "reliability",
    "study",
]
