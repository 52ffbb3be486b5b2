"""Step 2: choose a network and a recipe, train, and watch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, Updates, note, on_screen, when_crossed
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from training.config import TrainConfig
from training.data.opened import Choice
from training.report.page.data import pairs_figure
from training.report.page.network import network_views
from training.runs import folders as runs
from training.tabs import address, recipe_form, watch
from training.tabs.data_step import DataStep, first_choice
from training.tabs.keeping import keep_network, keep_pairs
from training.tabs.lab import NAME, Lab, alert
from training.tabs.labels import in_labels
from training.tabs.recipe_form import BUILDER, Data, RecipeForm
from training.words import dataset_title

_MIXUP = "Mixup then blends each image, and its class, with another of its batch; that isn't shown here."
_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}


@dataclass(frozen=True)
class _Preview:
    """What the recipe means, shown before anything is trained."""

    data: gr.HTML
    parameters: gr.HTML
    layers: gr.HTML
    pairs: gr.HTML
    another: gr.Button
    draw: gr.State
    pin_network: gr.Button
    pin_pairs: gr.Button


def build(
    lab: Lab, data: DataStep, context: TabContext, active: gr.Textbox, steps: gr.Tabs
) -> tuple[Any, gr.Textbox]:
    """Lay the step out inside an open ``gr.Tab``.

    Returns:
        The event after which the form is filled as the page's address says, and what then holds that address.
    """
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            about = gr.HTML(padding=False, elem_id="tr-train-data")
            parts, parameters = recipe_form.build_first()
            start = gr.Button("Start training", variant="primary", elem_id="tr-start")
            both = gr.Button("Start two: plain, and augmented and normalised", size="sm", elem_id="tr-both")
            with gr.Accordion("Layers and parameters", open=False):
                layers = gr.HTML(padding=False, elem_id="tr-layer-table")
                pin_network = keep_button("tr-network-pin")
            with gr.Accordion("Augmentation and normalisation", open=True):
                parts |= recipe_form.build_preparation()
                pairs = gr.HTML(padding=False, elem_id="tr-pairs")
                with gr.Row():
                    another = gr.Button("Draw again", size="sm", visible=False)
                    pin_pairs = keep_button("tr-pairs-pin", visible=False)
            with gr.Accordion("More of the recipe", open=False):
                parts |= recipe_form.build_rest(lab.device)
        with gr.Column(scale=7, min_width=320):
            watching = watch.build(lab, context, active, steps)
    form = RecipeForm(**parts)
    preview = _Preview(
        data=about,
        parameters=parameters,
        layers=layers,
        pairs=pairs,
        another=another,
        draw=gr.State(0),
        pin_network=pin_network,
        pin_pairs=pin_pairs,
    )
    _connect_preview(lab, data, form, preview)
    _connect_keeping(lab, data, form, preview, context.session)
    _connect_start(lab, data, form, start, both, watching)
    address.keep(form.named)
    return _restore(form, active)


def _restore(form: RecipeForm, active: gr.Textbox) -> tuple[Any, gr.Textbox]:
    """Once a page, when the lab is entered first: the recipe as the address has it."""
    search, done = gr.Textbox(visible=False), gr.State(False)

    def fill(now: str, where: str, before: bool) -> Updates:
        if where != NAME or before:
            return {search: now}
        values = address.restored(form.named, now)
        lines: dict[str, Any] = {"visible": values.get(form.network) == BUILDER}
        if form.layers in values:
            lines["value"] = values[form.layers]
        return {**values, form.layers: gr.update(**lines), search: now, done: True}

    inputs, outputs = [search, active, done], [*form.all, search, done]
    return when_crossed(active, NAME)(fill, inputs, outputs, js=address.READ, **QUIET), search


def _connect_preview(lab: Lab, data: DataStep, form: RecipeForm, preview: _Preview) -> None:
    inputs = form.all | {data.chosen, preview.draw}

    def show_network(given: Data) -> Updates:
        choice = given[data.chosen] or first_choice()
        classes = len(lab.datasets.open(choice).data.labels) if given[data.chosen] else 10
        try:
            words, table = network_views(form.network_text(given), classes, choice.image_size)
            return {preview.parameters: note(words), preview.layers: table}
        except ExplorerError as error:
            return {preview.parameters: alert(in_labels(error)), preview.layers: ""}

    def show_pairs(given: Data) -> Updates:
        choice = given[data.chosen]
        if choice is None:  # the first images are still being opened
            return {preview.pairs: ""}
        # With the normalisation: cut-out fills with what it makes 0.
        wanted = form.preparation(given, choice)
        figure = pairs_figure(lab.datasets.open(choice), wanted, given[preview.draw])
        figure += note(_MIXUP) if given[form.mixup] else ""
        shown = gr.update(visible=bool(wanted.augmentation))
        return {preview.pairs: figure, preview.another: shown, preview.pin_pairs: shown}

    def draw_again(given: Data) -> Updates:
        number = given[preview.draw] + 1
        return {preview.draw: number} | show_pairs({**given, preview.draw: number})

    def meet(given: Data) -> Updates:
        """New data: their name, the network for so many classes, pairs of them."""
        choice: Choice | None = given[data.chosen]
        if choice is None:
            return {preview.data: note("First choose images under 1 · Data.")}
        found = lab.datasets.open(choice).data
        sizes = f"{len(found.train_classes):,} training and {len(found.test_classes):,} test images"
        words = note(f"Images: {dataset_title(choice.config())}, {sizes}.")
        return {preview.data: words} | show_network(given) | show_pairs(given)

    pairs = [preview.pairs, preview.another, preview.pin_pairs]
    met = [preview.data, preview.parameters, preview.layers, *pairs]
    data.chosen.change(on_screen(meet), inputs, met, **QUIET)
    form.network.select(
        lambda name: gr.update(visible=name == BUILDER),
        form.network,
        form.layers,
        **_AT_ONCE | {"trigger_mode": "multiple"},
    )
    network = [preview.parameters, preview.layers]
    gr.on([form.network.select, form.layers.change], show_network, inputs, network, **_AT_ONCE)
    prepared = [form.augmentation.input, form.normalization.input, form.mixup.change]
    gr.on(prepared, on_screen(show_pairs), inputs, pairs, trigger_mode="always_last", **QUIET)
    preview.another.click(on_screen(draw_again), inputs, [preview.draw, *pairs], **QUIET)
    filled = form.recipe.select(form.fill, form.recipe, list(form.all), **_AT_ONCE)
    filled.then(on_screen(meet), inputs, met, **QUIET)


def _connect_keeping(
    lab: Lab, data: DataStep, form: RecipeForm, preview: _Preview, session: gr.State
) -> None:
    def network(choice: Choice, name: str, layers: str) -> Any:
        text = form.network_text({form.network: name, form.layers: layers})
        return keep_network(text, len(lab.datasets.open(choice).data.labels), choice.image_size)

    def pairs(choice: Choice, changes: list[str], normalization: str, draw: int) -> Any:
        given = {form.augmentation: changes, form.normalization: normalization}
        wanted = form.preparation(given, choice)
        return keep_pairs(lab.datasets.open(choice), changes, draw, wanted.normalization)

    connect(preview.pin_network, session, network, [data.chosen, form.network, form.layers])
    prepared = [data.chosen, form.augmentation, form.normalization, preview.draw]
    connect(preview.pin_pairs, session, pairs, prepared)


def _connect_start(
    lab: Lab, data: DataStep, form: RecipeForm, start: gr.Button, both: gr.Button, watching: watch.Watch
) -> None:
    inputs = form.all | {data.chosen, watching.chosen}

    def begin(given: Data) -> Updates:
        begun = _start(lab, [_read(given)], form.seed_list(given))
        return watching.show(lab, given[watching.chosen], begun[0])

    def begin_both(given: Data) -> Updates:
        config = _read(given)
        plain = replace(config, augmentation=(), normalization=None)
        variant = replace(
            config,
            augmentation=config.augmentation or ("flip", "crop"),
            normalization=config.normalization or (0.5, 0.5),
        )
        begun = _start(lab, [plain, variant], form.seed_list(given))
        return watching.show(lab, given[watching.chosen], begun[0])

    def _read(given: Data) -> TrainConfig:
        choice = given[data.chosen]
        if choice is None:
            raise ExplorerError("no images", "are chosen yet", "choose a data set under 1 · Data")
        try:
            config = form.config(given, choice)
            lab.check(config, choice)
        except ExplorerError as error:
            raise in_labels(error) from error
        return config

    start.click(on_screen(begin), inputs, watching.outputs, **QUIET)
    both.click(on_screen(begin_both), inputs, watching.outputs, **QUIET)


def _start(lab: Lab, configs: list[TrainConfig], seeds: list[int]) -> list[str]:
    """Queue a run for each seed and recipe; their names, in the order in which they will be trained."""
    return [runs.start(replace(config, seed=seed), lab.root).name for seed in seeds for config in configs]
