"""Pictures: decoded under limits, placed, coloured, laid over each other."""
