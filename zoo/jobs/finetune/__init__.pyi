# The public names, each once: zoo/jobs/finetune/__init__.py reads this file.
from zoo.jobs.finetune.options import Options as Options
from zoo.jobs.finetune.options import default_out as default_out
from zoo.jobs.finetune.result import Result as Result
from zoo.jobs.finetune.run import finetune as finetune
