"""A session as a notebook, a PDF and a ZIP."""
