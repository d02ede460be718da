"""Tasks, featurizers and baselines that ship with zoo, registered like those of any other package."""
