"""Look inside a convolutional network: the public names, nothing else."""
