"""The Hugging Face Hub: pull, push, search."""
