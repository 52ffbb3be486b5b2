"""A network's layers: its graph, the list of layers, the architecture, gradients."""
