"""Statistics and figures on arrays and tables: errors, comparisons, intervals, applicability, leaks.

`metrics` has the errors of predictions, `comparisons` the paired tests over seeds, `conformal` prediction intervals,
`applicability` the distance from the training set, `leaks` what test rows share with training rows, `blending` the
weights of a blend, `figures` the pictures (public as :mod:`zoo.figures`), and `periodic_table` its layout.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.analysis.applicability import Reference as Reference
    from zoo.analysis.comparisons import compare as compare
    from zoo.analysis.comparisons import holm as holm
    from zoo.analysis.comparisons import paired as paired
    from zoo.analysis.comparisons import power_law as power_law
    from zoo.analysis.metrics import absolute_errors as absolute_errors
    from zoo.analysis.metrics import errors as errors
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
