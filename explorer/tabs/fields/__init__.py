"""The receptive-field lab."""
