"""A run while it trains: its state, its curves, and the buttons that stop it and let it go on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, note, on_screen
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from explorer.workbench import Selection
from training.report.page.runs import class_bars, epoch_caption, is_stopping, run_charts, run_head
from training.runs import folders as runs
from training.runs.catalogue import facts_of
from training.runs.folders import Run
from training.runs.words import run_line
from training.tabs.keeping import keep_classes, keep_curves
from training.tabs.lab import NAME, Lab

STEP = "train"
POLL_S = 1.0
_MOST_SHOWN = 4


@dataclass
class Chosen:
    """Which run a page shows: one object a page. Who chooses another says so here first, so that a look at the old
    one that is still under way finds out, and is dropped."""

    name: str | None = None


@dataclass(frozen=True)
class _Seen:
    """What is on screen: the run that is watched, then those that are drawn beside it; and the list of all."""

    runs: list[tuple[Any, ...]]
    listed: list[tuple[str, str]]


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
    chosen: gr.State

    @property
    def outputs(self) -> list[Any]:
        return [getattr(self, f.name) for f in fields(self) if f.name != "chosen"]

    @property
    def _nothing(self) -> tuple[Any, ...]:
        return (gr.skip(),) * len(self.outputs)

    def show(self, lab: Lab, chosen: Chosen, name: str | None) -> tuple[Any, ...]:
        """Updates for :attr:`outputs` with the run called ``name``, or the newest; it is the chosen one from now on."""
        everything = lab.models.runs()
        if not everything:
            return self._nothing
        run = next((run for run in everything if run.name == name), everything[0])
        chosen.name = run.name
        _, *rest = self._updates(lab, run, everything, None)
        return (gr.update(choices=_listed(everything), value=run.name), *rest)

    def look_again(self, lab: Lab, chosen: Chosen, name: str | None, seen: _Seen | None) -> tuple[Any, ...]:
        """Updates with what has changed since ``seen``. None says which run is chosen, and there are none if another
        has been chosen meanwhile: its name may be on its way to the page."""
        everything = lab.models.runs()
        run = next((run for run in everything if run.name == name), None)
        if chosen.name is None:  # the program was restarted under an open page
            chosen.name = name
        if run is None or chosen.name != name:
            return self._nothing
        updates = self._updates(lab, run, everything, seen)
        return updates if chosen.name == name else self._nothing

    def _updates(self, lab: Lab, run: Run, everything: list[Run], seen: _Seen | None) -> tuple[Any, ...]:
        shown, skip = _beside(run, everything), gr.skip()
        state, listed = [_state(other) for other in shown], _listed(everything)
        if seen == _Seen(state, listed):
            return self._nothing
        histories = [runs.history(other.folder) for other in shown]
        history = histories[0]
        # What changes only with an epoch or a command is sent only then: the page stays light.
        same = seen is not None and seen.listed == listed
        mine = seen is not None and seen.runs[0][:-1] == state[0][:-1]
        facts = facts_of(run)
        own = run.folder.parent == lab.root
        left = run.epochs_done < run.config.epochs
        until = run.config.epochs if left else run.config.epochs + 5
        return (
            skip if same else gr.update(choices=listed),
            run_head(run, history, everything),
            skip if mine else gr.update(interactive=run.is_alive and not is_stopping(run)),
            skip
            if mine
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
            _Seen(state, listed),
        )


def _listed(everything: list[Run]) -> list[tuple[str, str]]:
    return [(run_line(run), run.name) for run in everything]


def _beside(run: Run, everything: list[Run]) -> list[Run]:
    """The run and, up to _MOST_SHOWN, others that train; then those that wait and have epochs to show."""
    others = [other for other in everything if other.name != run.name]
    trains = [other for other in others if other.status == runs.RUNNING]
    waits = [other for other in others if other.status == runs.WAITING and other.epochs_done]
    return [run, *trains, *waits][:_MOST_SHOWN]


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


def build(lab: Lab, context: TabContext, active: gr.Textbox, steps: gr.Tabs) -> Watch:
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
        gr.State(Chosen()),
    )
    _connect(lab, watch, sure)
    _connect_page(lab, watch, context, active, steps)
    connect(pin, context.session, lambda name: keep_curves(lab.models.run(name)), [run])

    def classes_shown(seen: _Seen) -> Any:
        """Of the epoch on screen: meanwhile the run may have done another."""
        return keep_classes(lab.models.run(seen.runs[0][0]), seen.runs[0][3])

    connect(pin_classes, context.session, classes_shown, [watch.seen])
    return watch


def _connect(lab: Lab, watch: Watch, sure: gr.Button) -> None:
    def choose(name: str, chosen: Chosen) -> tuple[Any, ...]:
        return watch.show(lab, chosen, name)

    def stop(name: str, chosen: Chosen) -> tuple[Any, ...]:
        runs.stop(lab.models.run(name).folder)
        return watch.show(lab, chosen, name)

    def resume(name: str, chosen: Chosen, until: Any) -> tuple[Any, ...]:
        run = lab.models.run(name)
        if not isinstance(until, int) or until < 1:
            what = "an empty field" if until is None else f"epoch {until}"
            raise ExplorerError(what, "is no number of epochs", f"give a whole number over {run.epochs_done}")
        runs.resume(run.folder, epochs=until)
        return watch.show(lab, chosen, name)

    def delete(name: str, chosen: Chosen) -> tuple[Any, ...]:
        runs.delete(lab.models.run(name).folder)
        return (*watch.show(lab, chosen, None), gr.update(visible=False))

    options: dict[str, Any] = QUIET | {"queue": False}
    which = [watch.run, watch.chosen]
    watch.run.input(choose, which, watch.outputs, **options)
    watch.stop.click(on_screen(stop), which, watch.outputs, **QUIET)
    watch.resume.click(on_screen(resume), [*which, watch.until], watch.outputs, **QUIET)
    watch.delete.click(lambda: gr.update(visible=True), None, sure, **options)
    sure.click(on_screen(delete), which, [*watch.outputs, sure], **QUIET)


def _connect_page(lab: Lab, watch: Watch, context: TabContext, active: gr.Textbox, steps: gr.Tabs) -> None:
    """Look again every second while the screen is open and something trains."""
    entered = gr.State(False)

    def enter(where: str, name: str | None, chosen: Chosen, before: bool) -> tuple[Any, ...]:
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
        shown = watch.show(lab, chosen, name)
        return (*shown, gr.update(selected=STEP) if busy else gr.skip(), True)

    def tick(name: str | None, chosen: Chosen, seen: _Seen | None, selection: Selection) -> tuple[Any, ...]:
        shown = watch.look_again(lab, chosen, name, seen)
        return (*shown, context.list_networks(selection) if _has_grown(shown[-1], seen) else gr.skip())

    options: dict[str, Any] = QUIET | {"queue": False}
    which = [watch.run, watch.chosen]
    active.change(enter, [active, *which, entered], [*watch.outputs, steps, entered], **options)
    watch.timer.tick(
        tick, [*which, watch.seen, context.selection], [*watch.outputs, context.model], **options
    )


def _has_grown(now: Any, before: _Seen | None) -> bool:
    """Whether there are epochs, networks therefore, that weren't there before."""
    if not isinstance(now, _Seen):
        return False
    return before is None or [entry[3] for entry in now.runs] != [entry[3] for entry in before.runs]
