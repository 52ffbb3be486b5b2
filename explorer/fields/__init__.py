"""Receptive fields: theoretical and effective, of layers of a network and of stacks given by numbers."""
