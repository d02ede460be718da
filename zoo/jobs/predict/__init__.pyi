# The public names, each once: zoo/jobs/predict/__init__.py reads this file.
from zoo.jobs.predict.files import Predicted as Predicted
from zoo.jobs.predict.files import predict_files as predict_files
from zoo.jobs.predict.model import Model as Model
from zoo.jobs.predict.model import load as load
