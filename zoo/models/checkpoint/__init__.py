"""Checkpoints: ``config.json`` and ``model.safetensors``, read, checked, written, converted."""
