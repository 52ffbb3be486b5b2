"""How long a session of 20 steps takes to become a notebook, a PDF and the ZIP; carrying the steps out apart."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.timing import HEAD, medians_ms, row
from explorer.session.steps import Session, Step, read_session, save_session
from notebooks_export import build_notebook, build_submission, perform, to_pdf
from notebooks_export.kinds.registry import NAMES

RUNS = 5
STEPS = 20


def session_of_20_steps() -> Session:
    """Twenty pictures with their code: activations of the bundled network."""
    selection = {"model": "efficientnet_lite0", "image": "sample:Cheetah", "layer": "blocks.2"}
    step = Step("activation.map", selection, title="Activations")
    [done] = perform(Session(steps=(step,))).steps
    return Session("Twenty steps", tuple(replace(done, title=f"Step {i}") for i in range(STEPS)))


def main() -> None:
    """Print the table."""
    session = session_of_20_steps()
    notebook, saved = build_notebook(session), save_session(session)
    found = medians_ms(
        {
            "notebook": lambda: build_notebook(session),
            "pdf": lambda: to_pdf(notebook),
            "zip": lambda: build_submission(session, surname="Ada", matriculation_number="1234567"),
            "open": lambda: read_session(saved, NAMES),
        },
        RUNS,
        warm_up=1,
    )
    print(HEAD)
    print(row(f"Notebook of {STEPS} steps", found["notebook"], None, "< 1000 ms"))
    print(row("PDF of it", found["pdf"], None, "< 2000 ms"))
    print(row("ZIP to hand in: notebook, PDF, pictures, session", found["zip"], None, "< 3000 ms"))
    print(row("Opening the saved session", found["open"], None, ""))


if __name__ == "__main__":
    main()
