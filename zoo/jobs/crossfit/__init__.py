"""Cross-fitting, for runs and studies: every row is predicted by fits that have not seen it.

`members` says what is fitted on each fold, and how; `fit` does it, weighs the members by their predictions of the
folds, and puts the blend together.
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
