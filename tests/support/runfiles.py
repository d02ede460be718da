"""What a run leaves in its folder."""

RUN_FILES = {
    "README.md",
    "config.json",
    "crystals.safetensors.gz",
    "history.csv",
    "coverage.png",
    "coverage.svg",
    "metrics.json",
    "model.safetensors",
    "parity.png",
    "parity.svg",
    "predictions.csv",
    "rejected.csv",
    "splits.json",
}
