"""Train a small network, watch it, stop it, resume it, compare it."""
