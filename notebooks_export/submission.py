"""What is handed in: one ZIP, named by rule, with the notebook, its PDF, the pictures and the session."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from explorer.errors import ExplorerError
from explorer.session.archive import MAX_BYTES, pack
from explorer.session.steps import Session, content_hash, read_session, save_session
from notebooks_export.kinds.registry import NAMES, find_kind
from notebooks_export.notebook.build import build_notebook, notebook_files
from notebooks_export.paper.pdf import to_pdf
from training.runs.folders import DEFAULT_ROOT

MAX_SURNAME = 60
_SURNAME = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*")
_NUMBER = re.compile(r"[0-9]{4,12}")
_SPELT = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ø": "o",
        "ł": "l",
        "Ł": "L",
    }
)
_README = """{name}

notebook.ipynb  the code with its results: open it in Jupyter or Colab
report.pdf      the same to read
session.zip     what was kept, to open again in the program's Export tab
images/         pictures that the notebook reads; data/, networks/ and runs/, if there are any, are the
                pictures to train on, networks and training runs of the author's own that it loads
pictures/       the results, one PNG a step
manifest.json   for each step: kind, arguments, versions, SHA-256 of its picture

To run the notebook again, put what is in this folder into the program's own (where launch.py lies), install what it
needs with

    pip install -r requirements.txt

start Jupyter there, and run all cells from top to bottom. Where the program is installed (pip install . in its folder),
the notebook runs from any folder. How to run it in Colab is said at the notebook's end.
"""

OnStage = Callable[[float, str], None]


@dataclass(frozen=True)
class Submission:
    """A finished ZIP: its file name, by the rule, and its bytes."""

    filename: str
    content: bytes


def submission_name(surname: str, matriculation_number: str) -> str:
    """``Surname-MatriculationNumber``, as the rule asks.

    Raises:
        ExplorerError: a surname of other than the letters A to Z with single hyphens between them, or a number of
            other than 4 to 12 digits; with the spelling that would do.
    """
    surname, number = surname.strip(), matriculation_number.strip()
    if not surname:
        raise ExplorerError(
            "an empty surname", "can't name the ZIP", "give your surname, for example Mueller"
        )
    if len(surname) > MAX_SURNAME:
        rule = f"has {len(surname)} characters, more than {MAX_SURNAME}"
        raise ExplorerError(f"the surname {surname[:40]!r}…", rule, "shorten it")
    if not _SURNAME.fullmatch(surname):
        rule = "may only have the letters A to Z and single hyphens in the ZIP's name"
        raise ExplorerError(f"the surname {surname!r}", rule, _suggestion(surname))
    if not _NUMBER.fullmatch(number):
        remedy = "give the digits alone, for example 1234567"
        raise ExplorerError(f"the matriculation number {number[:40]!r}", "is not 4 to 12 digits", remedy)
    return f"{surname}-{number}"


def open_session(source: str | Path | bytes) -> Session:
    """A saved session, from a file or its bytes.

    Raises:
        ExplorerError: as :func:`explorer.session.steps.read_session`, or the file can't be read.
    """
    if isinstance(source, bytes):
        return read_session(source, NAMES)
    path = Path(source)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ExplorerError(
            f"the file {path.name!r:.100}", f"can't be read ({reason})", "check its name"
        ) from error
    if size > MAX_BYTES:
        rule = f"is larger than {MAX_BYTES:,} bytes"
        raise ExplorerError(
            f"the file {path.name!r:.100} with {size:,} bytes", rule, "choose a saved session"
        )
    return read_session(data, NAMES, f"the file {path.name!r:.100}")


def build_submission(
    session: Session,
    *,
    surname: str,
    matriculation_number: str,
    runs: str | Path = DEFAULT_ROOT,
    on_stage: OnStage | None = None,
) -> Submission:
    """The ZIP to hand in. Same session, same names: same bytes.

    Training runs that steps name are below ``runs``; what the notebook needs of them goes along.
    ``on_stage`` is called with (share done, what is done next); it may raise to cancel.

    Raises:
        ExplorerError: a name that breaks the rule, or as :func:`~notebooks_export.build_notebook`.
    """
    name = submission_name(surname, matriculation_number)
    author = f"{surname.strip()} · {matriculation_number.strip()}"
    files = export_files(session, author=author, runs=runs, on_stage=on_stage)
    files["README.txt"] = _README.format(name=name).encode()
    return Submission(f"{name}.zip", pack({f"{name}/{path}": content for path, content in files.items()}))


def notebook_and_pdf(
    session: Session, *, runs: str | Path = DEFAULT_ROOT, on_stage: OnStage | None = None
) -> dict[str, bytes]:
    """The notebook and its PDF, file name → content.

    A notebook that reads pictures, networks or runs of its author's comes with them, as ``notebook.zip``: alone its
    cells would fail.

    Raises:
        ExplorerError: as :func:`~notebooks_export.build_notebook`.
    """
    tell = on_stage or (lambda share, what: None)
    notebook, report = _set(session, "", runs, tell)
    beside = notebook_files(session, runs=runs)
    if not beside:
        return {"notebook.ipynb": notebook, "report.pdf": report}
    return {"notebook.zip": pack({"notebook.ipynb": notebook, **beside}), "report.pdf": report}


def export_files(
    session: Session, *, author: str = "", runs: str | Path = DEFAULT_ROOT, on_stage: OnStage | None = None
) -> dict[str, bytes]:
    """Everything made from a session: path → content.

    Raises:
        ExplorerError: as :func:`~notebooks_export.build_notebook`.
    """
    tell = on_stage or (lambda share, what: None)
    notebook, report = _set(session, author, runs, tell)
    return {
        "notebook.ipynb": notebook,
        "report.pdf": report,
        "session.zip": save_session(session),
        "manifest.json": json.dumps(manifest(session), indent=2, ensure_ascii=False).encode(),
        **notebook_files(session, runs=runs),
        **step_pictures(session),
    }


def _set(session: Session, author: str, runs: str | Path, tell: OnStage) -> tuple[bytes, bytes]:
    """The notebook and the PDF of it; what comes next is packing."""
    tell(0.0, "Writing the notebook")
    notebook = build_notebook(session, runs=runs)
    tell(0.2, "Setting the PDF")
    report = to_pdf(notebook, author)
    tell(0.8, "Packing")
    return nbformat.writes(notebook).encode(), report


def step_pictures(session: Session) -> dict[str, bytes]:
    """The steps' pictures as files: ``pictures/step-01.png`` → PNG."""
    numbered = enumerate(session.steps, start=1)
    return {f"pictures/step-{number:02d}.png": step.picture for number, step in numbered if step.picture}


def manifest(session: Session) -> dict[str, Any]:
    """What made each step, so that anyone can check it."""
    steps: list[Mapping[str, Any]] = [
        {
            "number": number,
            "title": step.title,
            "kind": step.kind,
            "arguments": find_kind(step.kind, f"step {number}").arguments(step),
            "versions": dict(step.versions),
            **({"picture_sha256": content_hash(step.picture)} if step.picture else {}),
        }
        for number, step in enumerate(session.steps, start=1)
    ]
    return {"title": session.title, "steps": steps}


def _suggestion(surname: str) -> str:
    spelt = unicodedata.normalize("NFKD", surname.translate(_SPELT))
    letters = "-".join(
        re.findall(r"[A-Za-z]+", "".join(c for c in spelt if not unicodedata.combining(c) and c != " "))
    )
    return f"write {letters!r}" if letters else "write it in the letters A to Z"
