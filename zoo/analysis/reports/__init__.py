"""Reports of runs and studies: self-contained HTML pages, and the same in Markdown; `page` has their parts."""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.analysis.reports.page import Page as Page
    from zoo.analysis.reports.page import Section as Section
    from zoo.analysis.reports.page import Table as Table
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
