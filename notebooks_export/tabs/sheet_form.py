"""The exercise sheet in one click: with one's own training runs, picture and network, or the program's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from explorer.session.steps import Session, content_hash
from explorer.tabs.components import QUIET
from explorer.tabs.keeping import looked_at
from explorer.tabs.shell.extra_tabs import TabContext
from explorer.workbench import Selection, Workbench
from notebooks_export.notebook.perform import perform
from notebooks_export.sheet.exercise_sheet import exercise_sheet
from notebooks_export.tabs.downloads import settled
from notebooks_export.tabs.steps import CANCELLABLE, Steps, place
from training import shipped_runs
from training.runs.catalogue import TrainedModels
from training.runs.words import run_line
from training.tabs.lab import with_progress

SHIPPED = ""
"""What stands for the shipped run in the lists of runs; no run has an empty name."""


@dataclass(frozen=True)
class SheetForm:
    """What the sheet is filled with, and the button that does it."""

    plain: gr.Dropdown
    augmented: gr.Dropdown
    own: gr.Checkbox
    teacher: gr.Checkbox
    fill: gr.Button

    @property
    def runs(self) -> list[Any]:
        """The lists of runs."""
        return [self.plain, self.augmented]


def lay_out(trained: TrainedModels) -> SheetForm:
    """The form, inside an open column."""
    with gr.Group():
        plain, augmented = (
            gr.Dropdown(
                run_choices(trained),
                value=SHIPPED,
                label=f"Task {task}: {what}",
                elem_id=f"export-{what}-run",
            )
            for task, what in (("3.3", "baseline"), ("3.4", "variant"))
        )
        own = gr.Checkbox(False, label="With the picture and network I am looking at")
        teacher = gr.Checkbox(False, label="With worked answers, for teachers")
    fill = gr.Button("Fill with the exercise sheet", variant="primary", elem_id="export-sheet")
    return SheetForm(plain, augmented, own, teacher, fill)


def connect(
    form: SheetForm, trained: TrainedModels, context: TabContext, page: Steps, working: gr.HTML
) -> list[Any]:
    """The button fills the session; returns the events that can be cancelled."""
    filling = form.fill.click(
        partial(fill, trained, context.bench),
        [context.selection, *form.runs, form.own, form.teacher],
        [page.brought, working],
        **CANCELLABLE,
    )
    filling.then(page.showing(place), [page.session, page.brought], page.outputs, **QUIET)
    return [filling]


def run_choices(trained: TrainedModels) -> list[tuple[str, str]]:
    """(text, name) of the runs that have finished an epoch, and first the shipped one."""
    own = [run for run in trained.runs() if run.epochs_done and run.folder not in shipped_runs()]
    return [("The shipped run", SHIPPED), *((run_line(run), run.name) for run in own)]


def runs_now(trained: TrainedModels, chosen: Sequence[str]) -> list[Any]:
    """Updates for the lists of runs: those there are now; one that is gone gives way to the shipped one."""
    listed = run_choices(trained)
    names = {name for _, name in listed}
    # Without a value what is chosen stays, also if it was chosen while this was on its way.
    return [
        gr.update(choices=listed) if name in names else gr.update(choices=listed, value=SHIPPED)
        for name in chosen
    ]


def fill(
    trained: TrainedModels,
    bench: Workbench,
    selection: Selection | None,
    plain: str,
    augmented: str,
    own: bool,
    teacher: bool,
) -> Iterator[tuple[Any, ...]]:
    """The exercise sheet's session, with progress; None where it can't be made."""

    def work(report: Any) -> Session:
        report((0.0, "Setting the tasks"))
        session = exercise_sheet(
            **(_own(bench, selection) if own and selection else {}),
            runs=trained.root,
            plain=trained.run(plain).folder if plain else None,
            augmented=trained.run(augmented).folder if augmented else None,
            teacher=teacher,
        )
        return perform(
            session,
            runs=trained.root,
            on_step=lambda done, total, title: report((done / total, title)),
        )

    made = yield from settled(with_progress(work, 1), 1)
    if made is not None:
        yield made, ""


def _own(bench: Workbench, selection: Selection) -> dict[str, Any]:
    """The picture and the network that are looked at, as :func:`exercise_sheet` takes them."""
    seen, files = looked_at(bench, selection)
    held = {content_hash(content): content for content in files}
    return {
        "image": held.get(seen["image"], seen["image"]),
        "model": seen["model"],
        "network": held.get(seen["model"].partition(":")[2]),
        "framing": seen["framing"],
    }
