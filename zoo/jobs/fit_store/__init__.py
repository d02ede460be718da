"""Fits of a run or a study on disk: `store` keeps the finished ones, for resuming; `history` shows those that train."""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.fit_store.history import LiveHistory as LiveHistory
    from zoo.jobs.fit_store.store import SETTINGS as SETTINGS
    from zoo.jobs.fit_store.store import FitStore as FitStore
    from zoo.jobs.fit_store.store import finite_json as finite_json
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
