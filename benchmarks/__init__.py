"""Claims of speed, each measured beside its peer in one run. ``python -m benchmarks`` runs all that are quick."""
