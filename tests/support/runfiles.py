"""What a run leaves in its folder."""

RUN_FILES = {
    "README.md",
    "config.json",
    "crystals.safetensors.gz",
    "history.csv",
    "coverage.png",
    "metrics.json",
    "model.safetensors",
    "parity.png",
    "predictions.csv",
    "rejected.csv",
    "splits.json",
}
