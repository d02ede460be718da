"""Classical regressors and classifiers in a checkpoint, and their weighted sum with a network.

`regressors` and `classifiers` hold models fitted with scikit-learn, stored as plain arrays; `readouts` regression
on predictions of pretrained networks. Prediction needs only NumPy. `conversion` extracts the arrays of a fitted model.
`blends` computes the weighted sum of a network and regressors, and averages the members of a blend.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.models.regression.blends import Inputs as Inputs
    from zoo.models.regression.blends import WeightedRegressor as WeightedRegressor
    from zoo.models.regression.classifiers import Classifier as Classifier
    from zoo.models.regression.conversion import classifier_from_sklearn as classifier_from_sklearn
    from zoo.models.regression.conversion import from_sklearn as from_sklearn
    from zoo.models.regression.readouts import Readout as Readout
    from zoo.models.regression.regressors import KernelMachine as KernelMachine
    from zoo.models.regression.regressors import LinearModel as LinearModel
    from zoo.models.regression.regressors import Regressor as Regressor
    from zoo.models.regression.regressors import TreeEnsemble as TreeEnsemble
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
