"""Models and features of crystals as scikit-learn estimators, for pipelines, searches and cross-validation.

`regressor` and `classifier` fit what ``zoo finetune`` fits, by the same job, through `base`; `rows` turns crystals and
targets into the rows of a table. `featurizer` computes vectors of crystals.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.estimators.classifier import CrystalClassifier as CrystalClassifier
    from zoo.jobs.estimators.featurizer import CrystalFeaturizer as CrystalFeaturizer
    from zoo.jobs.estimators.regressor import CrystalRegressor as CrystalRegressor
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
