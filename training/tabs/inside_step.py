"""Step 4: look inside a network as it forms, epoch by epoch, and take it into the explorer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.errors import ExplorerError
from explorer.images.overlay import enlarged
from explorer.networks.predictions import ranked
from explorer.tabs.components import (
    QUIET,
    Updates,
    Values,
    cancel_button,
    note,
    on_screen,
    picture_file,
    prediction_bars,
    when_crossed,
)
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from explorer.workbench import Selection
from training.data.opened import Choice
from training.report.inside import Scene, largest_weight, snapshot, snapshots, spread_out
from training.report.page.inside import film, first_layer, saliency_figure
from training.runs.catalogue import name_of
from training.tabs.data_step import DataStep
from training.tabs.keeping import keep_film, keep_first_layer, keep_saliency
from training.tabs.lab import NAME, Lab, alert, or_nothing, with_progress
from training.words import recipe_title

_TEST, _MINE = "test", "explorer"
# In the browser itself: an answer of the server's might move the slider under a hand that has gone on.
_SNAP = """(epoch, kept) => kept.split(",").map(Number).reduce(
  (best, other) => Math.abs(other - epoch) < Math.abs(best - epoch) ? other : best)"""
_PICTURES = [("One of its test images", _TEST), ("The picture of the explorer", _MINE)]


@dataclass(frozen=True)
class _Strip:
    """What the strip of epochs on screen shows."""

    run: str
    scene: Scene
    epochs: tuple[int, ...]


@dataclass(frozen=True)
class _Inside:
    """The components; ``scene`` is what is looked at, ``number`` which test image of the class."""

    run: gr.Dropdown
    epoch: gr.Slider
    source: gr.Radio
    label: gr.Dropdown
    another: gr.Button
    open: gr.Button
    picture: gr.Image
    says: gr.HTML
    message: gr.HTML
    stop: gr.Button
    first: gr.HTML
    saliency: gr.HTML
    film: gr.HTML
    scene: gr.State
    number: gr.State
    pin_first: gr.Button
    pin_saliency: gr.Button
    strip: gr.State
    pin_film: gr.Button
    kept: gr.Textbox


def build(lab: Lab, data: DataStep, context: TabContext, tab: gr.Tab) -> None:
    """Lay the step out inside an open ``gr.Tab``."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=280):
            run = gr.Dropdown([], label="Run", elem_id="tr-inside-run")
            epoch = gr.Slider(0, 10, 10, step=1, label="After epoch", elem_id="tr-inside-epoch")
            source = gr.Radio(_PICTURES, value=_TEST, label="Picture", elem_id="tr-inside-source")
            label = gr.Dropdown([], label="Class of the picture", elem_id="tr-inside-label")
            picture = gr.Image(
                label="Picture",
                height=170,
                interactive=False,
                buttons=[],
                elem_id="tr-inside-picture",
                elem_classes="crisp result",
                alt_text="The picture that the network looks at",
            )
            another = gr.Button("Another picture of this class", size="sm", elem_id="tr-inside-another")
            says = gr.HTML(padding=False, elem_id="tr-inside-says")
            open_it = gr.Button("Open in the explorer", variant="primary", elem_id="tr-inside-open")
        with gr.Column(scale=8, min_width=320):
            message = gr.HTML(padding=False)
            stop = cancel_button()
            with gr.Row(equal_height=False):
                with gr.Column(scale=6, min_width=300):
                    first = gr.HTML(padding=False, elem_id="tr-inside-first")
                    pin_first = keep_button("tr-inside-first-pin")
                with gr.Column(scale=3, min_width=200):
                    saliency = gr.HTML(padding=False, elem_id="tr-inside-saliency")
                    pin_saliency = keep_button("tr-inside-saliency-pin")
            strip = gr.HTML(padding=False, elem_id="tr-inside-film")
            pin_film = keep_button("tr-film-pin")
    parts = _Inside(
        run=run,
        epoch=epoch,
        source=source,
        label=label,
        another=another,
        open=open_it,
        picture=picture,
        says=says,
        message=message,
        stop=stop,
        first=first,
        saliency=saliency,
        film=strip,
        scene=gr.State(None),
        number=gr.State(0),
        pin_first=pin_first,
        pin_saliency=pin_saliency,
        strip=gr.State(None),
        pin_film=pin_film,
        kept=gr.Textbox(visible=False),
    )
    _connect(lab, data, context, parts, tab)
    _connect_keeping(lab, context.session, parts)


def _connect_keeping(lab: Lab, session: gr.State, parts: _Inside) -> None:
    def first(scene: Scene, name: str, epoch: float) -> Any:
        return keep_first_layer(lab.bench, lab.models.run(name), _nearest(lab, name, int(epoch)), scene)

    def saliency(scene: Scene, name: str, epoch: float) -> Any:
        return keep_saliency(lab.bench, lab.models.run(name), _nearest(lab, name, int(epoch)), scene)

    def filmed(strip: _Strip) -> Any:
        return keep_film(lab.bench, lab.models.run(strip.run), strip.scene, strip.epochs)

    inputs = [parts.scene, parts.run, parts.epoch]
    connect(parts.pin_first, session, first, inputs)
    connect(parts.pin_saliency, session, saliency, inputs)
    connect(parts.pin_film, session, filmed, [parts.strip])


def _connect(lab: Lab, data: DataStep, context: TabContext, parts: _Inside, tab: gr.Tab) -> None:
    looking = _Looking(lab, context, parts, data.chosen)
    big = [parts.first, parts.saliency, parts.says]
    drawing: dict[str, Any] = {
        "fn": on_screen(looking.draw),
        "inputs": {parts.run, parts.epoch, parts.source, parts.label, parts.number, data.chosen}
        | {context.selection},
        "outputs": [parts.scene, parts.picture, *big, parts.message],
        **QUIET,
    }
    # An event of its own: of a generator's updates in quick succession, a slow page shows the last alone.
    filming: dict[str, Any] = {
        "fn": on_screen(looking.compare_epochs),
        "inputs": [parts.run, parts.source, data.chosen, parts.scene],
        "outputs": [parts.film, parts.strip, parts.message],
        **QUIET,
    }
    returning = drawing | {
        "fn": on_screen(looking.come_back),
        "inputs": {context.active, parts.scene, *drawing["inputs"]},
    }
    filming_anew = filming | {
        "fn": on_screen(looking.film_anew),
        "inputs": [*filming["inputs"], parts.strip],
    }
    asked, met = [parts.run, parts.source, data.chosen], [parts.epoch, parts.kept, parts.label, parts.source]
    next_one: dict[str, Any] = {
        "fn": lambda number: number + 1,
        "inputs": parts.number,
        "outputs": parts.number,
    }
    running = [
        tab.select(on_screen(looking.enter), asked, [parts.run, *met], **QUIET)
        .then(**drawing)
        .then(**filming),
        parts.run.input(on_screen(looking.meet), asked, met, **QUIET).then(**drawing).then(**filming),
        gr.on([parts.source.input, parts.label.input], **drawing).then(**filming),
        parts.another.click(**next_one, **QUIET).then(**drawing).then(**filming),
        when_crossed(context.active, NAME, context.selection)(**returning).then(**filming_anew),
    ]
    parts.stop.click(lambda: "", None, parts.message, cancels=running, **QUIET)
    turning = [parts.run, parts.epoch, parts.scene]
    parts.epoch.input(None, [parts.epoch, parts.kept], parts.epoch, js=_SNAP, **QUIET)
    parts.epoch.input(on_screen(looking.turn), turning, big, trigger_mode="always_last", **QUIET)
    parts.open.click(on_screen(looking.take_along), turning, list(context.outputs), **QUIET)


@dataclass(frozen=True)
class _Looking:
    """What happens when a run, an epoch or a picture is chosen; ``chosen`` holds the images that are open."""

    lab: Lab
    context: TabContext
    parts: _Inside
    chosen: gr.State

    def enter(self, name: str | None, source: str, chosen: Choice | None) -> Updates:
        """Fill the list of runs; begin with the newest that kept more than one epoch."""
        listed = {
            run.name: run for run in self.lab.models.runs() if len(self.lab.models.epochs(run.name)) > 0
        }
        choices = [(f"{recipe_title(run.config)}  ·  {run.name}", run.name) for run in listed.values()]
        several = [known for known in listed if len(self.lab.models.epochs(known)) > 1]
        name = name if name in listed else next(iter([*several, *listed]), None)
        shown = gr.update(choices=choices, value=name)
        return {self.parts.run: shown, **self._epochs_and_classes(name, source, chosen)}

    def meet(self, name: str | None, source: str, chosen: Choice | None) -> Any:
        """A run's epochs and classes; without its test images, the explorer's picture is looked at."""
        return or_nothing(self._epochs_and_classes(name, source, chosen))

    def _epochs_and_classes(self, name: str | None, source: str, chosen: Choice | None) -> Updates:
        epochs = self.lab.models.epochs(name) if name else []
        if name is None or not epochs:
            return {}
        kept = ", ".join(map(str, epochs)) if len(epochs) <= 8 else f"{epochs[0]} to {epochs[-1]}"
        labels = self.lab.bench.model(name_of(self.lab.models.run(name), epochs[-1])).labels
        return {
            self.parts.epoch: gr.update(
                # A slider needs two ends, also where only the last epoch was kept.
                minimum=epochs[0] if len(epochs) > 1 else 0,
                maximum=max(epochs[-1], 1),
                value=epochs[-1],
                label=f"After epoch ({kept})",
            ),
            self.parts.kept: ",".join(map(str, epochs)),
            self.parts.label: gr.update(
                choices=[(text, index) for index, text in enumerate(labels)], value=0
            ),
            self.parts.source: _MINE if _no_images(self.lab, name, chosen) else source,
        }

    def draw(self, given: Values) -> Updates:
        """A new run or picture, at one epoch."""
        parts, name = self.parts, given[self.parts.run]
        if name is None:
            return {parts.message: note("Train a network first, under 2 · Train.")}
        wanted = (given[parts.source], given[parts.label] or 0, given[parts.number])
        try:
            scene = _scene(self.lab, name, wanted, given[self.chosen], given[self.context.selection])
            pixels = self.lab.bench.picture(scene.image_path).pixels
            return {
                parts.scene: scene,
                parts.picture: picture_file(enlarged(pixels, 160), "picture"),
                parts.message: "",
                **self._at_epoch(name, int(given[parts.epoch]), scene),
            }
        except ExplorerError as error:
            return {parts.scene: None, parts.message: alert(error)}

    def come_back(self, given: Values) -> Any:
        """The explorer's picture may have been changed while another tab was open."""
        scene, selection = given[self.parts.scene], given[self.context.selection]
        stays = given[self.context.active] != NAME or scene is None or given[self.parts.source] != _MINE
        return gr.skip() if stays or scene.image_path == selection.image_path else self.draw(given)

    def film_anew(
        self, name: str, source: str, chosen: Choice | None, scene: Scene | None, shown: _Strip | None
    ) -> Iterator[Any]:
        """The strip, if it is of another picture."""
        same = shown is None or shown.scene == scene
        yield from self.compare_epochs(name, source, chosen, None if same else scene)

    def compare_epochs(
        self, name: str, source: str, chosen: Choice | None, scene: Scene | None
    ) -> Iterator[Any]:
        """The same picture at the epochs beside each other: slower, so it comes last."""
        if scene is None:
            yield gr.skip()
        else:
            why = _no_images(self.lab, name, chosen) if source == _MINE else ""
            yield from self._film(name, scene, why)

    def _film(self, name: str, scene: Scene, why: str) -> Iterator[Updates]:
        """The strip, with progress; ``why`` is why the explorer's picture is shown."""
        lab, parts = self.lab, self.parts
        try:
            found = yield from with_progress(
                lambda report: snapshots(
                    *(lab.bench, lab.models.run(name), scene),
                    lambda share: report((share, "Looking into each epoch")),
                ),
                parts.message,
            )
        except ExplorerError as error:
            yield {parts.message: alert(error)}
        else:
            yield {
                parts.film: film(found, scene),
                parts.strip: _Strip(name, scene, tuple(m.epoch for m in found)),
                parts.message: note(f"This is the explorer's picture. {why}") if why else "",
            }

    def turn(self, name: str, epoch: float, scene: Scene | None) -> Any:
        """The same picture after another epoch."""
        return self._at_epoch(name, int(epoch), scene) if scene else gr.skip()

    def take_along(self, name: str, epoch: float, scene: Scene | None) -> Any:
        """The network of this epoch and the picture, in the explorer."""
        if scene is None:
            raise ExplorerError("no picture", "is shown yet", "choose a run first")
        nearest = _nearest(self.lab, name, int(epoch))
        selection = self.lab.bench.select(name_of(self.lab.models.run(name), nearest), scene.image_path)
        return self.context.open(selection)

    def _at_epoch(self, name: str, epoch: int, scene: Scene) -> Updates:
        """First layer, saliency, and what the network says after one epoch."""
        lab, run = self.lab, self.lab.models.run(name)
        ends = [snapshot(lab.bench, run, end, scene) for end in spread_out(lab.models.epochs(name), 2)]
        shown = snapshot(lab.bench, run, _nearest(lab, name, epoch), scene)
        return {
            self.parts.first: first_layer(shown, largest_weight([*ends, shown])),
            self.parts.saliency: saliency_figure(shown, lab.bench.picture(scene.image_path).pixels),
            self.parts.says: prediction_bars(shown.predictions[:5]),
        }


def _no_images(lab: Lab, name: str, chosen: Choice | None) -> str:
    """Why the test images of a run can't be shown, and what helps; empty if they can."""
    try:
        lab.images(lab.models.run(name), chosen)
    except ExplorerError as error:
        sentence = f"{error}."
        return sentence[:1].upper() + sentence[1:]
    return ""


def _nearest(lab: Lab, name: str, epoch: int) -> int:
    return min(lab.models.epochs(name), key=lambda kept: abs(kept - epoch))


def _scene(
    lab: Lab, name: str, wanted: tuple[str, int, int], chosen: Choice | None, selection: Selection
) -> Scene:
    """The picture to look at: a test image of the wanted class, or the explorer's."""
    source, label, number = wanted
    run = lab.models.run(name)
    last = name_of(run, lab.models.epochs(name)[-1])
    model = lab.bench.model(last)
    if source == _MINE:
        capture = lab.bench.capture(lab.bench.select(last, selection.image_path))
        target = ranked(model, capture.logits, 1)[0].index
        return Scene(selection.image_path, target, "The explorer's picture")
    images = lab.images(run, chosen)
    members = np.flatnonzero(images.test_classes == label)
    if not len(members):
        raise ExplorerError(f"class {model.labels[label]}", "has no test images", "choose another class")
    index = int(members[number % len(members)])
    path = picture_file(np.asarray(images.test_images[index]), f"test-{index}")
    return Scene(path, label, f"Test image {index}, {model.labels[label]}")
