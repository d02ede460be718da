"""The jobs of zoo, end to end: fine-tuning, prediction, pretraining, studies.

Each job has its own package. They share `crossfit` (cross-fitted blends), `pretrained` (loaded backbones), `lineage`
(their training sets), `methods` and `baselines` (fits on one split), `fit_store` (finished fits, for resuming)
and `comparison_table` (results as text and tables).
"""

__all__ = [
    "baselines",
    "comparison_table",
    "crossfit",
    "finetune",
    "fit_store",
    "history",
    "lineage",
    "methods",
    "predict",
    "pretrain",
    "pretrained",
    "study",
]
