"""Fine-tuning: from a table to a run's folder."""
