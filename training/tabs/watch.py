"""A run while it trains: its state, its curves, and the buttons that stop it and let it go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, Updates, components_of, note, on_screen, when_crossed
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from explorer.workbench import Selection
from training.report.page.runs import class_bars, epoch_caption, is_stopping, run_charts, run_head
from training.results import EpochResult
from training.runs import folders as runs
from training.runs.catalogue import facts_of
from training.runs.folders import Run
from training.runs.words import run_line
from training.tabs.keeping import keep_classes, keep_curves
from training.tabs.lab import NAME, Lab, or_nothing

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
        """All that an update may name."""
        return [part for part in components_of(self) if part is not self.chosen]

    def show(self, lab: Lab, chosen: Chosen, name: str | None) -> Updates:
        """Updates with the run called ``name``, or the newest; it is the chosen one from now on."""
        everything = lab.models.runs()
        if not everything:
            return {}
        run = next((run for run in everything if run.name == name), everything[0])
        chosen.name = run.name
        updates = self._updates(lab, run, everything, None)
        return {**updates, self.run: gr.update(choices=_listed(everything), value=run.name)}

    def look_again(self, lab: Lab, chosen: Chosen, name: str | None, seen: _Seen | None) -> Updates:
        """Updates with what has changed since ``seen``. None says which run is chosen, and there are none if another
        has been chosen meanwhile: its name may be on its way to the page."""
        everything = lab.models.runs()
        run = next((run for run in everything if run.name == name), None)
        if chosen.name is None:  # the program was restarted under an open page
            chosen.name = name
        if run is None or chosen.name != name:
            return {}
        updates = self._updates(lab, run, everything, seen)
        return updates if chosen.name == name else {}

    def _updates(self, lab: Lab, run: Run, everything: list[Run], seen: _Seen | None) -> Updates:
        shown = _beside(run, everything)
        state, listed = [_state(other) for other in shown], _listed(everything)
        if seen == _Seen(state, listed):
            return {}
        histories = [runs.history(other.folder) for other in shown]
        updates: Updates = {
            self.head: run_head(run, histories[0], everything),
            self.charts: run_charts(list(zip(shown, histories, strict=True))),
            self.seen: _Seen(state, listed),
        }
        # What changes only with an epoch or a command is sent only then: the page stays light.
        if seen is None or seen.listed != listed:
            updates[self.run] = gr.update(choices=listed)
            updates[self.timer] = gr.Timer(active=any(other.is_alive for other in everything))
        if seen is None or seen.runs[0][:-1] != state[0][:-1]:
            updates |= self._of_the_epoch(run, histories[0], own=run.folder.parent == lab.root)
        return updates

    def _of_the_epoch(self, run: Run, history: Sequence[EpochResult], *, own: bool) -> Updates:
        """What stays the same until the run has done another epoch, or is told something.

        Only a run that is the visitors' ``own`` can be trained on or deleted.
        """
        facts, left = facts_of(run), run.epochs_done < run.config.epochs
        resting = own and not run.is_alive
        return {
            self.stop: gr.update(interactive=run.is_alive and not is_stopping(run)),
            self.resume: gr.update(
                interactive=resting, value="Resume, up to epoch" if left else "Train on, up to epoch"
            ),
            self.until: gr.update(
                value=run.config.epochs if left else run.config.epochs + 5, interactive=resting
            ),
            self.caption: note(epoch_caption(history)),
            self.classes: class_bars(history[-1], facts.labels) if history and facts else "",
            self.log: runs.read_log(run.folder),
            self.delete: gr.update(interactive=resting),
        }


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
    timer = gr.Timer(POLL_S, active=False)
    watch = Watch(
        run=run,
        head=head,
        stop=stop,
        resume=resume,
        until=until,
        charts=charts,
        caption=caption,
        classes=classes,
        log=log,
        delete=delete,
        timer=timer,
        seen=gr.State(None),
        chosen=gr.State(Chosen()),
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
    def choose(name: str, chosen: Chosen) -> Any:
        return or_nothing(watch.show(lab, chosen, name))

    def stop(name: str) -> Any:
        runs.stop(lab.models.run(name).folder)
        # The rest shows at the next look. Said here, "stopping" could reach a slow page after "stopped" and stay, since
        # what was seen last is remembered on this side.
        return gr.update(interactive=False)

    def resume(name: str, chosen: Chosen, until: Any) -> Any:
        run = lab.models.run(name)
        if not isinstance(until, int) or until < 1:
            what = "an empty field" if until is None else f"epoch {until}"
            raise ExplorerError(what, "is no number of epochs", f"give a whole number over {run.epochs_done}")
        runs.resume(run.folder, epochs=until)
        return or_nothing(watch.show(lab, chosen, name))

    def delete(name: str, chosen: Chosen) -> Updates:
        runs.delete(lab.models.run(name).folder)
        return {**watch.show(lab, chosen, None), sure: gr.update(visible=False)}

    options: dict[str, Any] = QUIET | {"queue": False}
    which = [watch.run, watch.chosen]
    watch.run.input(choose, which, watch.outputs, **options)
    watch.stop.click(on_screen(stop), watch.run, watch.stop, **QUIET)
    watch.resume.click(on_screen(resume), [*which, watch.until], watch.outputs, **QUIET)
    watch.delete.click(lambda: gr.update(visible=True), None, sure, **options)
    sure.click(on_screen(delete), which, [*watch.outputs, sure], **QUIET)


def _connect_page(lab: Lab, watch: Watch, context: TabContext, active: gr.Textbox, steps: gr.Tabs) -> None:
    """Look again every second while the screen is open and something trains."""
    entered = gr.State(False)

    def enter(where: str, name: str | None, chosen: Chosen, before: bool) -> Updates:
        if where != NAME:
            return {watch.timer: gr.Timer(active=False)}
        updates = {**watch.show(lab, chosen, name), entered: True}
        # Who comes back to a page while something trains wants to see that.
        if not before and any(run.is_alive for run in lab.models.runs()):
            updates[steps] = gr.update(selected=STEP)
        return updates

    def tick(name: str | None, chosen: Chosen, seen: _Seen | None, selection: Selection) -> Any:
        updates = watch.look_again(lab, chosen, name, seen)
        if _has_grown(updates.get(watch.seen), seen):
            updates[context.model] = context.list_networks(selection)
        return or_nothing(updates)

    options: dict[str, Any] = QUIET | {"queue": False}
    which = [watch.run, watch.chosen]
    when_crossed(active, NAME)(enter, [active, *which, entered], [*watch.outputs, steps, entered], **options)
    watch.timer.tick(
        tick, [*which, watch.seen, context.selection], [*watch.outputs, context.model], **options
    )


def _has_grown(now: _Seen | None, before: _Seen | None) -> bool:
    """Whether there are epochs, networks therefore, that weren't there before."""
    if now is None:
        return False
    return before is None or [entry[3] for entry in now.runs] != [entry[3] for entry in before.runs]
