"""Statistics and figures on arrays and tables: errors, comparisons, intervals, applicability, leaks.

`metrics` computes prediction errors, `comparisons` paired tests over seeds, `conformal` prediction intervals and
`difficulty` their widths, `applicability` the distance from the training set, `leaks` the overlap of test and training
rows, and `blending` the weights of a blend; `probabilities` calibrates probabilities of classes, and `known_crystals`
recognises crystals by their structure. `figures` draws the figures (public as :mod:`zoo.figures`), `reports` makes
pages of them, and `periodic_table` holds the layout of the periodic table.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.analysis.applicability import Reference as Reference
    from zoo.analysis.comparisons import compare as compare
    from zoo.analysis.comparisons import holm as holm
    from zoo.analysis.comparisons import paired as paired
    from zoo.analysis.comparisons import power_law as power_law
    from zoo.analysis.metrics import errors as errors
    from zoo.analysis.metrics import row_errors as row_errors
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
