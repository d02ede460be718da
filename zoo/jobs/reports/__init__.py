"""Results for readers: tables and verdicts, the page and the model card of a run.

`comparison_table` has the tables and verdicts of all results, `saved_runs` reads results from the folders of runs,
`run` makes the page of a run, and `card` its model card.

The report of a study is in :mod:`zoo.jobs.study.report`; both are pages of :mod:`zoo.analysis.reports`.
"""

__all__ = ["card", "comparison_table", "run", "saved_runs"]
