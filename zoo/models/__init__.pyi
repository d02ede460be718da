# The public names, each once: zoo/models/__init__.py reads this file.
from zoo.models.architecture import Architecture as Architecture
from zoo.models.architecture import Pooling as Pooling
from zoo.models.body import Body as Body
from zoo.models.cgcnn import CGCNN as CGCNN
from zoo.models.heads import Head as Head
from zoo.models.inference import TorchPredictor as TorchPredictor
from zoo.models.torch_free import Predictor as Predictor
