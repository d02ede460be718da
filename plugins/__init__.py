"""First-party plugins: tasks, featurizers and baselines, registered like anybody's."""
