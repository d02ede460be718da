# The public names, each once: zoo/jobs/__init__.py reads this file.
from zoo.jobs import finetune as finetune
from zoo.jobs import predict as predict
from zoo.jobs import pretrain as pretrain
from zoo.jobs import study as study
