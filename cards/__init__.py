"""Model cards of the registered backbones, and the weights that ship with them."""
