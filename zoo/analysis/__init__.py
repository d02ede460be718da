"""What numbers say: errors, comparisons, intervals, leaks, figures."""
