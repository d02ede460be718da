"""The jobs of zoo, end to end: fine-tuning, prediction, pretraining, studies.

Each job has its own package, and `estimators` gives fine-tuning and features the interface of scikit-learn. They share
`crossfit` (cross-fitted blends), `pretrained` (loaded backbones), `lineage` (their training sets), `methods` and
`baselines` (fits on one split), `fit_store` (finished fits and their history) and `reports` (results as text, tables
and pages).
"""

__all__ = [
    "baselines",
    "crossfit",
    "estimators",
    "finetune",
    "fit_store",
    "lineage",
    "methods",
    "predict",
    "pretrain",
    "pretrained",
    "reports",
    "study",
]
