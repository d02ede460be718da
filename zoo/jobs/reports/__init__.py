"""What is said about results: `comparison_table` has tables and verdicts for all of them, `run` makes a page of a run.

The report of a study is in :mod:`zoo.jobs.study.report`; both are pages of :mod:`zoo.analysis.reports`.
"""

__all__ = ["comparison_table", "run"]
