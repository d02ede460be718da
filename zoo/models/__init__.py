"""Networks: layers, checkpoints, prediction."""
