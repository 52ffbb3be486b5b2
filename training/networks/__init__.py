"""Networks to train: by name, or layer by layer."""
