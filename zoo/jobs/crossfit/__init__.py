"""Cross-fitting of blends, for runs and studies.

`members` defines the models fitted on each fold, and `fold_fits` fits them; `fit` weights them by their out-of-fold
predictions and assembles the blend.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.crossfit.fit import CrossFit as CrossFit
    from zoo.jobs.crossfit.fit import cross_fit as cross_fit
    from zoo.jobs.crossfit.fit import folds_of as folds_of
    from zoo.jobs.crossfit.members import NetworkMember as NetworkMember
    from zoo.jobs.crossfit.members import RegressorMember as RegressorMember
    from zoo.jobs.crossfit.members import default_members as default_members
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
