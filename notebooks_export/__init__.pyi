from .notebook.build import build_notebook, notebook_files
from .notebook.perform import perform
from .notebook.step_data import step_data
from .paper.pdf import to_pdf
from .sheet.exercise_sheet import exercise_sheet
from .submission import Submission, build_submission, open_session

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
