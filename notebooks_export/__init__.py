"""Hand it in: a session as a notebook that runs, a PDF of it, and the ZIP with both."""

from notebooks_export.notebook import build_notebook, notebook_files
from notebooks_export.replay import perform

__all__ = ["build_notebook", "notebook_files", "perform"]
