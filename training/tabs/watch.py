"""A run while it trains: its state, its curves, and the buttons that stop it and let it go on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, note, on_screen
from explorer.tabs.doorway import Doorway
from explorer.tabs.keeping import connect, keep_button
from explorer.workbench import Look
from training import runs
from training.catalogue import facts_of
from training.run_views import class_bars, epoch_caption, is_stopping, run_charts, run_head
from training.runs import Run
from training.tabs.keeping import keep_classes, keep_curves
from training.tabs.lab import NAME, Lab
from training.words import run_line

STEP = "train"
POLL_S = 1.0
_MOST_SHOWN = 4


@dataclass(frozen=True)
class Watch:
    """The components; ``seen`` is what they show, so that a look at an unchanged run changes nothing."""

    run: gr.Dropdown
    head: gr.HTML
    stop: gr.Button
    resume: gr.Button
    until: gr.Number
    charts: gr.HTML
    caption: gr.HTML
    classes: gr.HTML
    log: gr.Textbox
    delete: gr.Button
    timer: gr.Timer
    seen: gr.State

    @property
    def outputs(self) -> list[Any]:
        return [getattr(self, f.name) for f in fields(self)]

    def show(self, lab: Lab, name: str | None, seen: Any = None) -> tuple[Any, ...]:
        """Updates for :attr:`outputs` with the run called ``name``, or the newest."""
        everything = lab.models.runs()
        if not everything:
            return (gr.skip(),) * len(self.outputs)
        run = next((run for run in everything if run.name == name), everything[0])
        shown = [run, *(other for other in everything if other.is_alive and other.name != run.name)][
            :_MOST_SHOWN
        ]
        state = [_state(other) for other in shown]
        if state == seen:
            return (gr.skip(),) * len(self.outputs)
        return self._updates(lab, everything, shown, state, seen)

    def _updates(
        self, lab: Lab, everything: list[Run], shown: list[Run], state: list[Any], seen: Any
    ) -> tuple[Any, ...]:
        run, skip = shown[0], gr.skip()
        histories = [runs.history(other.folder) for other in shown]
        history = histories[0]
        # What changes only with an epoch or a command is sent only then: the page stays light.
        same = bool(seen) and [entry[:-1] for entry in seen] == [entry[:-1] for entry in state]
        mine = bool(seen) and seen[0][:-1] == state[0][:-1]
        facts = facts_of(run)
        own = run.folder.parent == lab.root
        left = run.epochs_done < run.config.epochs
        until = run.config.epochs if left else run.config.epochs + 5
        choices = [(run_line(other), other.name) for other in everything]
        return (
            skip if same else gr.update(choices=choices, value=run.name),
            run_head(run, history, everything),
            skip if mine else gr.update(interactive=run.is_alive and not is_stopping(run)),
            skip
            if same
            else gr.update(
                interactive=own and not run.is_alive,
                value="Resume, up to epoch" if left else "Train on, up to epoch",
            ),
            skip if mine else gr.update(value=until, interactive=own and not run.is_alive),
            run_charts(list(zip(shown, histories, strict=True))),
            skip if mine else note(epoch_caption(history)),
            skip if mine else class_bars(history[-1], facts.labels) if history and facts else "",
            skip if mine else runs.read_log(run.folder),
            skip if mine else gr.update(interactive=own and not run.is_alive),
            skip if same else gr.Timer(active=any(other.is_alive for other in everything)),
            state,
        )


def _state(run: Run) -> tuple[Any, ...]:
    """What decides how a run is shown; its progress last, which changes all the time."""
    return (
        run.name,
        run.status,
        run.message,
        run.epochs_done,
        run.config.epochs,
        is_stopping(run),
        run.progress,
    )


def build(lab: Lab, doorway: Doorway, active: gr.Textbox, steps: gr.Tabs) -> Watch:
    """Lay it out inside an open column and connect it."""
    run = gr.Dropdown([], label="Run", elem_id="tr-run", filterable=True)
    head = gr.HTML(padding=False, elem_id="tr-head")
    with gr.Row(elem_classes="tr-buttons"):
        stop = gr.Button("Stop", size="sm", interactive=False, elem_id="tr-stop", min_width=80)
        resume = gr.Button(
            "Resume, up to epoch", size="sm", interactive=False, elem_id="tr-resume", min_width=80
        )
        until = gr.Number(
            10,
            label="Up to epoch",
            precision=0,
            interactive=False,
            container=False,
            min_width=90,
            elem_id="tr-until",
        )
    charts = gr.HTML(padding=False, elem_id="tr-charts")
    caption = gr.HTML(padding=False, elem_id="tr-caption")
    pin = keep_button("tr-watch-pin")
    classes = gr.HTML(padding=False, elem_id="tr-classes")
    pin_classes = keep_button("tr-classes-pin")
    with gr.Accordion("What its process printed; removing the run", open=False):
        log = gr.Textbox(label="Log", lines=6, max_lines=12, interactive=False, elem_id="tr-log")
        delete = gr.Button("Delete this run …", size="sm", interactive=False)
        sure = gr.Button("Yes, delete it with its checkpoints", size="sm", variant="stop", visible=False)
    watch = Watch(
        run,
        head,
        stop,
        resume,
        until,
        charts,
        caption,
        classes,
        log,
        delete,
        gr.Timer(POLL_S, active=False),
        gr.State(None),
    )
    _connect(lab, watch, sure)
    _connect_page(lab, watch, doorway, active, steps)
    connect(pin, doorway.session, lambda name: keep_curves(lab.models.run(name)), [run])

    def classes_shown(seen: list[Any]) -> Any:
        """Of the epoch on screen: meanwhile the run may have done another."""
        return keep_classes(lab.models.run(seen[0][0]), seen[0][3])

    connect(pin_classes, doorway.session, classes_shown, [watch.seen])
    return watch


def _connect(lab: Lab, watch: Watch, sure: gr.Button) -> None:
    def stop(name: str) -> tuple[Any, ...]:
        runs.stop(lab.models.run(name).folder)
        return watch.show(lab, name)

    def resume(name: str, until: Any) -> tuple[Any, ...]:
        run = lab.models.run(name)
        if not isinstance(until, int) or until < 1:
            raise ExplorerError(
                f"epoch {until!r}", "is no number of epochs", f"give one over {run.epochs_done}"
            )
        runs.resume(run.folder, epochs=until)
        return watch.show(lab, name)

    def delete(name: str) -> tuple[Any, ...]:
        runs.delete(lab.models.run(name).folder)
        return (*watch.show(lab, None), gr.update(visible=False))

    options: dict[str, Any] = QUIET | {"queue": False}
    watch.run.input(lambda name: watch.show(lab, name), watch.run, watch.outputs, **options)
    watch.stop.click(on_screen(stop), watch.run, watch.outputs, **QUIET)
    watch.resume.click(on_screen(resume), [watch.run, watch.until], watch.outputs, **QUIET)
    watch.delete.click(lambda: gr.update(visible=True), None, sure, **options)
    sure.click(on_screen(delete), watch.run, [*watch.outputs, sure], **QUIET)


def _connect_page(lab: Lab, watch: Watch, doorway: Doorway, active: gr.Textbox, steps: gr.Tabs) -> None:
    """Look again every second while the screen is open and something trains."""
    entered = gr.State(False)

    def enter(where: str, name: str | None, before: bool) -> tuple[Any, ...]:
        if where != NAME:
            return (
                *(gr.skip(),) * (len(watch.outputs) - 2),
                gr.Timer(active=False),
                gr.skip(),
                gr.skip(),
                before,
            )
        # Who comes back to a page while something trains wants to see that.
        busy = not before and any(run.is_alive for run in lab.models.runs())
        return (*watch.show(lab, name), gr.update(selected=STEP) if busy else gr.skip(), True)

    def tick(name: str, seen: Any, look: Look) -> tuple[Any, ...]:
        shown = watch.show(lab, name, seen)
        done = [entry[3] for entry in shown[-1]] if isinstance(shown[-1], list) else None
        grown = done is not None and done != [entry[3] for entry in seen or []]
        return (*shown, doorway.list_networks(look) if grown else gr.skip())

    options: dict[str, Any] = QUIET | {"queue": False}
    active.change(enter, [active, watch.run, entered], [*watch.outputs, steps, entered], **options)
    watch.timer.tick(tick, [watch.run, watch.seen, doorway.look], [*watch.outputs, doorway.model], **options)
