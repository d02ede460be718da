"""Networks on crystal graphs.

`architecture` defines the sizes of the networks; `body`, `heads` and `cgcnn` are the torch modules. `message_passing`
provides the graph for message passing: DGL's, or torch index operations where DGL has no kernels. `accelerated` (fixed
statistics) and `accelerated_batchnorm` (batch statistics) compute the same convolutions with the compiled `kernels`.
`torch_free` predicts from a checkpoint's arrays without torch, and `inference` predicts with torch. `regression`
contains classical regressors as arrays, and weighted sums of a network and regressors. `checkpoint` reads and writes
weights and configurations.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.models.architecture import Architecture as Architecture
    from zoo.models.architecture import Pooling as Pooling
    from zoo.models.body import Body as Body
    from zoo.models.cgcnn import CGCNN as CGCNN
    from zoo.models.heads import Head as Head
    from zoo.models.inference import TorchPredictor as TorchPredictor
    from zoo.models.torch_free import Predictor as Predictor
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
