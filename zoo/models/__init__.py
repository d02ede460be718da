"""Networks on crystal graphs.

`architecture` defines the sizes of a network, and `outline` what follows from them: names and shapes of tensors.
`network` is what zoo trains, the body that a registered network builds with zoo's `heads` and frozen experts.
`threads` limits the threads of a batch. `torch_free` predicts from a checkpoint's arrays without torch, and `inference`
with torch. `regression` contains classical regressors as arrays, and weighted sums of a network and regressors.
`checkpoint` reads and writes weights and configurations. `kernels` has compiled loops that networks share.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.models.architecture import Architecture as Architecture
    from zoo.models.architecture import BodyArchitecture as BodyArchitecture
    from zoo.models.architecture import default_architecture as default_architecture
    from zoo.models.heads import Head as Head
    from zoo.models.inference import TorchPredictor as TorchPredictor
    from zoo.models.network import CrystalNetwork as CrystalNetwork
    from zoo.models.torch_free import Predictor as Predictor
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
