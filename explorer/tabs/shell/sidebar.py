"""The left side of the app: which network, which picture, and what the network says it is."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.images.decode import browser_can_draw, sample_images
from explorer.images.overlay import enlarged
from explorer.networks.catalogue import BUNDLED, catalogue, model_info
from explorer.networks.download import DownloadProgress
from explorer.networks.load import ensure_weights, load_model
from explorer.networks.predictions import ranked
from explorer.networks.preprocessing import Framing
from explorer.tabs.components import (
    QUIET,
    cancel_button,
    note,
    on_cancel,
    on_screen,
    picture_file,
    picture_input,
    prediction_bars,
    progress_bar,
    stepwise,
    warn,
)
from explorer.tabs.shell.address import one_of
from explorer.workbench import Selection, Workbench

FRAMINGS: list[tuple[str, Framing]] = [
    ("Centre crop, as in training", "crop"),
    ("Whole picture, squeezed", "stretch"),
]


@dataclass(frozen=True)
class Sidebar:
    """The components that other screens listen to. ``selection`` changes whenever there is something new to see."""

    selection: gr.State
    model: gr.Dropdown
    image: gr.Image
    framing: gr.Radio
    sample: gr.Textbox
    status: gr.HTML
    predictions: gr.HTML


def build(bench: Workbench) -> Sidebar:
    """Lay out the sidebar inside an open column and connect it."""
    samples = sample_images()
    selection = gr.State(None)
    model = gr.Dropdown(
        model_choices(bench), value=BUNDLED, label="Network", elem_id="model", filterable=True
    )
    epoch = gr.Slider(0, 1, 0, step=1, label="Epoch", visible=False, elem_id="epoch")
    status = gr.HTML(note("Loading the network …"), padding=False, elem_id="status")
    stop = cancel_button("Cancel the download")
    image, file = picture_input(
        label="Picture",
        sources=["upload", "clipboard", "webcam"],
        height=210,
        buttons=[],
        elem_id="image",
        alt_text="The picture that the network looks at",
    )
    gallery = gr.Gallery(
        [(str(path), title) for title, path in samples.items()],
        label="Sample pictures",
        columns=len(samples),
        height=56,
        object_fit="cover",
        allow_preview=False,
        buttons=[],
        show_label=False,
        elem_id="samples",
        interactive=False,
    )
    predictions = gr.HTML(padding=False, elem_id="predictions")
    sample = gr.Textbox(visible=False)
    with gr.Accordion("Framing and your own weights", open=False):
        framing = gr.Radio(FRAMINGS, value="crop", label="What the network sees of the picture")
        _own_weights(bench, selection, model, status, predictions)
    sidebar = Sidebar(selection, model, image, framing, sample, status, predictions)
    _connect(bench, sidebar, file, stop, gallery, list(samples.items()))
    _connect_epochs(bench, sidebar, epoch)
    return sidebar


def model_choices(bench: Workbench, current: str = "") -> list[tuple[str, str]]:
    """(text, name) of every network: parameters, accuracy, and what choosing it would download."""
    choices = bench.source.choices(current) if bench.source else []
    for info in catalogue().values():
        text = f"{info.name}  ·  {info.parameters / 1e6:.1f} M parameters"
        text += f"  ·  {info.top1:.1%} top-1" if info.top1 else ""
        text += "" if info.on_disk else f"  ·  downloads {info.size_bytes / 1e6:.0f} MB"
        choices.append((text, info.name))
    return choices


def _connect(
    bench: Workbench,
    sidebar: Sidebar,
    file: gr.File,
    stop: gr.Button,
    gallery: gr.Gallery,
    samples: list[tuple[str, Path]],
) -> None:
    selection, model, image = sidebar.selection, sidebar.model, sidebar.image
    outputs = [selection, model, image, sidebar.status, sidebar.predictions]

    # gradio empties the outputs of a generator that ends without a word.
    nothing_new = (gr.skip(),) * len(outputs)

    def choose_model(name: str, before: Selection | None) -> Iterator[Any]:
        if before is None or name == before.model:
            yield nothing_new
        else:
            yield from _looking(bench, replace(before, model=name), before)

    def choose_image(path: str | None, before: Selection) -> Iterator[Any]:
        if not path or path == before.image_path:
            yield nothing_new
        else:
            drawn = browser_can_draw(Path(path))
            yield from _looking(bench, replace(before, image_path=path), before, keep_image=drawn)

    def choose_sample(before: Selection, event: gr.SelectData) -> Iterator[Any]:
        chosen = str(samples[event.index][1])
        for update in _looking(bench, replace(before, image_path=chosen), before):
            yield (*update, samples[event.index][0])

    def choose_framing(framing: Framing, before: Selection) -> Iterator[Any]:
        yield from _looking(bench, replace(before, framing=framing), before, keep_image=True)

    # ``multiple``: a network chosen right after a cancelled download must not be lost while that one ends.
    options: dict[str, Any] = {"concurrency_limit": 4, "trigger_mode": "multiple", **QUIET}
    chosen = model.select(on_screen(choose_model), [model, selection], outputs, **options)
    stopped = on_cancel(
        stop, [chosen], sidebar.status, note("The download was stopped; what has come is kept.")
    )
    stopped.then(lambda before: before.model, selection, model, **QUIET)
    file.change(on_screen(choose_image), [file, selection], outputs, concurrency_limit=4, **QUIET).then(
        lambda: "", None, sidebar.sample, **QUIET
    )
    gallery.select(
        on_screen(choose_sample), [selection], [*outputs, sidebar.sample], concurrency_limit=4, **QUIET
    )
    sidebar.framing.input(
        on_screen(choose_framing), [sidebar.framing, selection], outputs, concurrency_limit=4, **QUIET
    )


def _connect_epochs(bench: Workbench, sidebar: Sidebar, epoch: gr.Slider) -> None:
    """Networks of a training run: a slider over the epochs that are kept."""

    def show_epochs(selection: Selection | None) -> Any:
        versions = bench.source.versions(selection.model) if bench.source and selection else {}
        if selection is None or len(versions) < 2:
            return gr.update(visible=False)
        kept = ", ".join(map(str, versions)) if len(versions) < 8 else f"0 to {max(versions)}"
        now = next(number for number, name in versions.items() if name == selection.model)
        label = f"Epoch (kept: {kept})"
        return gr.update(minimum=min(versions), maximum=max(versions), value=now, label=label, visible=True)

    def choose_epoch(wanted: float, before: Selection) -> Iterator[Any]:
        versions = bench.source.versions(before.model) if bench.source else {}
        if not versions:
            yield (gr.skip(),) * 5
        else:
            nearest = min(versions, key=lambda number: abs(number - wanted))
            for selection, *rest in _looking(bench, replace(before, model=versions[nearest]), before):
                rest[0] = gr.update(choices=model_choices(bench, selection.model), value=selection.model)
                yield (selection, *rest)

    sidebar.selection.change(show_epochs, sidebar.selection, epoch, **QUIET)
    outputs = [sidebar.selection, sidebar.model, sidebar.image, sidebar.status, sidebar.predictions]
    options: dict[str, Any] = {"concurrency_limit": 4, "trigger_mode": "always_last", **QUIET}
    epoch.input(on_screen(choose_epoch), [epoch, sidebar.selection], outputs, **options)


def first_selection(bench: Workbench, wanted: dict[str, str]) -> tuple[Selection, str]:
    """The look that a page opens with, and its sample's title; ``wanted`` are the address's parameters.

    What the address asks for and can't be had is said, and the default shown.
    """
    samples = sample_images()
    title = one_of(wanted, "image", list(samples)) or next(iter(samples))
    name = wanted.get("model", BUNDLED)
    try:
        trained = bench.source is not None and bool(bench.source.versions(name))
        if not trained and not (info := model_info(name)).on_disk:
            if bench.offline:
                ensure_weights(info, offline=True)  # raises, and says which file to put where
            # A link must not start a download by being opened: the user chooses that in the list.
            raise ExplorerError(
                f"the weights of {name}",
                "aren't on this computer yet",
                "choose it in the list to download them",
            )
        bench.model(name)
    except ExplorerError as error:
        warn(error)
        name = BUNDLED
    framing: Any = one_of(wanted, "framing", [value for _, value in FRAMINGS]) or "crop"
    return bench.select(name, str(samples[title]), framing), title


def describe(bench: Workbench, selection: Selection) -> tuple[str, str]:
    """(status line, prediction bars) as HTML for a look whose network is loaded."""
    model = bench.model(selection.model)
    pixels = bench.picture(selection.image_path).pixels
    seen = "the centre" if selection.framing == "crop" else "all"
    px = model.preprocess.crop_px
    status = (
        f'<p class="note subdued">{html.escape(model.name)}: {model.parameters:,} parameters, weights '
        f"{html.escape(model.weights)}. It sees {seen} of the {pixels.shape[1]}×{pixels.shape[0]} px picture "
        f"at {px}×{px} px.</p>"
    )
    return status, prediction_bars(ranked(model, bench.capture(selection).logits, top=5))


def _looking(
    bench: Workbench, wanted: Selection, before: Selection, keep_image: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Go from one look to another, with progress; on failure say why and put everything back."""
    skip = gr.skip()
    try:
        picture = bench.picture(wanted.image_path)
        wanted = replace(wanted, image_digest=picture.digest)
        yield from _download_if_needed(bench, wanted.model)
        status, predictions = describe(bench, wanted)
    except ExplorerError as error:
        warn(error)
        status, predictions = describe(bench, before)
        yield before, before.model, shown_picture(bench, before), status, predictions
        return
    image = skip if keep_image or wanted.image_path == before.image_path else shown_picture(bench, wanted)
    yield wanted, skip, image, status, predictions


def shown_picture(bench: Workbench, selection: Selection) -> str:
    """The picture of a look as a file that the page may fetch; sample pictures lie outside what it may."""
    return picture_file(enlarged(bench.picture(selection.image_path).pixels, 200))


def _download_if_needed(bench: Workbench, name: str) -> Iterator[tuple[Any, ...]]:
    if name not in catalogue() or model_info(name).on_disk:
        return
    info = model_info(name)
    last = -1
    for progress in stepwise(lambda report: ensure_weights(info, offline=bench.offline, on_progress=report)):
        assert isinstance(progress, DownloadProgress)
        total = progress.total_bytes or info.size_bytes
        percent = 100 * progress.done_bytes // max(1, total)
        if percent > last:
            last = percent
            what = f"Downloading {info.name}: {progress.done_bytes / 1e6:.0f} of {total / 1e6:.0f} MB"
            skip = gr.skip()
            yield skip, skip, skip, progress_bar(percent / 100, what), skip


def _own_weights(
    bench: Workbench, selection: gr.State, model: gr.Dropdown, status: gr.HTML, predictions: gr.HTML
) -> None:
    """Form for a checkpoint of the user's own."""
    architecture = gr.Dropdown(list(catalogue()), value="resnet18", label="Architecture of your weights")
    file = gr.File(
        label="State dict (.safetensors or .pth)",
        file_types=[".safetensors", ".pth", ".pt"],
        height=90,
        elem_id="own-weights",
    )
    labels = gr.Textbox(label="Class names, one per line (optional)", lines=2, max_lines=6)
    load = gr.Button("Load these weights", size="sm", variant="primary")

    def load_own(architecture: str, path: str | None, text: str, before: Selection) -> tuple[Any, ...]:
        if not path:
            raise ExplorerError("no file", "was given", "choose a .safetensors or .pth file first")
        names = [line.strip() for line in text.splitlines() if line.strip()] or None
        loaded = load_model(architecture, Path(path), labels=names, device=bench.device)
        with open(path, "rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()[:16]
        name = bench.add_model(loaded, content)
        now = replace(before, model=name)
        choices = [(f"{loaded.name}  ·  your {loaded.weights}", name), *model_choices(bench)]
        return now, gr.update(choices=choices, value=name), *describe(bench, now)

    load.click(
        on_screen(load_own),
        [architecture, file, labels, selection],
        [selection, model, status, predictions],
        api_visibility="private",
        show_progress="minimal",
    )
