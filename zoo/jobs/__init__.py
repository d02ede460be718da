"""What zoo does from end to end: fine-tune, predict, pretrain, study.

Each has its package. They share `pretrained` (backbones loaded as a starting point), `lineage` (what those were trained
on), `methods` and `baselines` (what is fitted on one split), `fit_store` (finished fits, for resuming), `reliability`
(calibrated intervals) and `comparison_table` (results in words and tables).
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
