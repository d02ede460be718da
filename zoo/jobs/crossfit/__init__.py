"""Cross-fitting, for runs and studies: `members` says what is fitted on each fold, `fit` does it and blends them."""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
