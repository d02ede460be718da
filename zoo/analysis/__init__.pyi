# The public names, each once: __init__.py reads this file.
from zoo.analysis.applicability import Reference as Reference
from zoo.analysis.comparisons import compare as compare
from zoo.analysis.comparisons import holm as holm
from zoo.analysis.comparisons import paired as paired
from zoo.analysis.comparisons import power_law as power_law
from zoo.analysis.metrics import absolute_errors as absolute_errors
from zoo.analysis.metrics import errors as errors
