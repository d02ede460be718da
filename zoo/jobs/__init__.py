"""The jobs of zoo, end to end: fine-tuning, prediction, pretraining, studies.

Each job has its own package, and `estimators` gives fine-tuning and features the interface of scikit-learn. They share
`crossfit` (cross-fitted blends), `pretrained` (loaded backbones), `lineage` (their training sets), `methods` and
`baselines` (fits on one split), `fit_store` (finished fits and their history) and `comparison_table` (results as text
and tables).
"""

__all__ = [
    "baselines",
    "comparison_table",
    "crossfit",
    "estimators",
    "finetune",
    "fit_store",
    "lineage",
    "methods",
    "predict",
    "pretrain",
    "pretrained",
    "study",
]
