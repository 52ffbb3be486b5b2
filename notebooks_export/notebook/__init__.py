"""A session as a notebook, and its steps carried out."""
