"""Hand it in: a session as a notebook that runs, a PDF of it, and the ZIP with both."""

from notebooks_export.notebook.build import build_notebook, notebook_files
from notebooks_export.notebook.perform import perform
from notebooks_export.notebook.step_data import step_data
from notebooks_export.paper.pdf import to_pdf
from notebooks_export.sheet.exercise_sheet import exercise_sheet
from notebooks_export.submission import Submission, build_submission, open_session

__all__ = [
    "Submission",
    "build_notebook",
    "build_submission",
    "exercise_sheet",
    "notebook_files",
    "open_session",
    "perform",
    "step_data",
    "to_pdf",
]
