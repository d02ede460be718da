"""Statistics and figures on arrays and tables: errors, comparisons, intervals, applicability, leaks.

`metrics` has the errors of predictions, `comparisons` the paired tests over seeds, `conformal` prediction intervals,
`applicability` the distance from the training set, `leaks` what test rows share with training rows, `figures` the
pictures (public as :mod:`zoo.figures`), and `periodic_table` its layout.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
