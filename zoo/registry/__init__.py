"""What there is: the contracts of plugins, the plugins that are installed, model cards, and names of backbones."""
