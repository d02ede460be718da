"""Studies: methods, training-set sizes and seeds compared on one table.

A study goes from `options` over `plan` (methods and cells) and `preparation` (rows and splits) to `cells`, computed
and stored one by one. `run` does all of this; `estimate` predicts how long it takes. `result` holds a finished study,
`analysis` compares its errors, and `report` writes it down with `figures` and `methods_text`.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
