"""Networks with real weights: the catalogue, loading, preprocessing, hooks, predictions."""
