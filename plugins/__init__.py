"""Tasks, featurizers and baselines included in zoo, registered in the same way as those of other packages."""
