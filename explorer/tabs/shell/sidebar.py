"""The left side of the app: which network, which picture, and what the network says it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.errors import ExplorerError
from explorer.images.decode import browser_can_draw, sample_images
from explorer.images.overlay import enlarged
from explorer.networks.catalogue import BUNDLED, catalogue, model_info
from explorer.networks.download import DownloadProgress
from explorer.networks.load import ensure_weights, load_model
from explorer.networks.preprocessing import Framing
from explorer.tabs.components import (
    QUIET,
    Updates,
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
from explorer.workbench import Selection, Visit, Workbench

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

    @property
    def looked_at(self) -> list[Any]:
        """What changes when something else is looked at."""
        return [self.selection, self.model, self.image, self.status, self.predictions]


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
        sidebar = Sidebar(selection, model, image, framing, sample, status, predictions)
        _own_weights(bench, sidebar)
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
    selection, model = sidebar.selection, sidebar.model

    def choose_model(name: str, before: Selection | None) -> Iterator[Updates]:
        if before is None or name == before.model:
            yield gr.skip()  # gradio empties the outputs of a generator that ends without a word
        else:
            yield from _open(bench, sidebar, replace(before, model=name), before)

    def choose_image(path: str | None, before: Selection) -> Iterator[Updates]:
        if not path or path == before.image_path:
            yield gr.skip()
        else:
            drawn = browser_can_draw(Path(path))
            wanted = replace(before, image_path=path)
            yield from _open(bench, sidebar, wanted, before, keep_image=drawn)

    def choose_sample(before: Selection, event: gr.SelectData) -> Iterator[Updates]:
        title, path = samples[event.index]
        for update in _open(bench, sidebar, replace(before, image_path=str(path)), before):
            yield {**update, sidebar.sample: title}

    def choose_framing(framing: Framing, before: Selection) -> Iterator[Updates]:
        yield from _open(bench, sidebar, replace(before, framing=framing), before, keep_image=True)

    outputs = sidebar.looked_at
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

    def choose_epoch(wanted: float, before: Selection) -> Iterator[Updates]:
        versions = bench.source.versions(before.model) if bench.source else {}
        if not versions:
            yield gr.skip()
            return
        nearest = min(versions, key=lambda number: abs(number - wanted))
        for update in _open(bench, sidebar, replace(before, model=versions[nearest]), before):
            # On failure it is the network of before that is chosen again.
            now = update.get(sidebar.selection)
            yield {**update, sidebar.model: chosen_model(bench, now.model)} if now else update

    sidebar.selection.change(show_epochs, sidebar.selection, epoch, **QUIET)
    options: dict[str, Any] = {"concurrency_limit": 4, "trigger_mode": "always_last", **QUIET}
    epoch.input(on_screen(choose_epoch), [epoch, sidebar.selection], sidebar.looked_at, **options)


def first_selection(bench: Workbench, wanted: dict[str, str]) -> tuple[Selection, str]:
    """What a page opens with, and its sample's title; ``wanted`` are the address's parameters.

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


def status_line(visit: Visit) -> Markup:
    """Which network looks at how much of the picture."""
    height, width = visit.pixels.shape[:2]
    return Markup(
        '<p class="note subdued">{name}: {parameters:,} parameters, weights {weights}. It sees {seen} of the '
        "{width}×{height} px picture at {px}×{px} px.{notes}</p>"
    ).format(
        notes="".join(f" {note}" for note in visit.model.notes),
        name=visit.model.name,
        parameters=visit.model.parameters,
        weights=visit.model.weights,
        seen="the centre" if visit.selection.framing == "crop" else "all",
        width=width,
        height=height,
        px=visit.model.preprocess.crop_px,
    )


def described(sidebar: Sidebar, visit: Visit) -> Updates:
    """The status line, and what the network says."""
    return {sidebar.status: status_line(visit), sidebar.predictions: prediction_bars(visit.predictions(5))}


def chosen_model(bench: Workbench, name: str) -> Any:
    """Update for the list of networks as it is now, with this one chosen."""
    return gr.update(choices=model_choices(bench, name), value=name)


def shown_picture(visit: Visit) -> str:
    """The picture as a file that the page may fetch; sample pictures lie outside what it may."""
    return picture_file(enlarged(visit.pixels, 200))


def opened(sidebar: Sidebar, bench: Workbench, visit: Visit, title: str) -> Updates:
    """Updates for the whole sidebar when something else than the user's choice in it opens a network and a picture.

    ``title`` is that of a sample picture, else "".
    """
    return {
        sidebar.selection: visit.selection,
        sidebar.model: chosen_model(bench, visit.selection.model),
        sidebar.image: shown_picture(visit),
        sidebar.framing: visit.selection.framing,
        sidebar.sample: title,
        **described(sidebar, visit),
    }


def _open(
    bench: Workbench, sidebar: Sidebar, wanted: Selection, before: Selection, keep_image: bool = False
) -> Iterator[Updates]:
    """Go from one selection to another, with progress; on failure say why and put everything back."""
    try:
        wanted = replace(wanted, image_digest=bench.picture(wanted.image_path).digest)
        yield from _download_if_needed(bench, sidebar, wanted.model)
        visit = bench.open(wanted)
        updates = {sidebar.selection: wanted, **described(sidebar, visit)}
    except ExplorerError as error:
        warn(error)
        visit = bench.open(before)
        yield {
            sidebar.selection: before,
            sidebar.model: before.model,
            sidebar.image: shown_picture(visit),
            **described(sidebar, visit),
        }
        return
    if not keep_image and wanted.image_path != before.image_path:
        updates[sidebar.image] = shown_picture(visit)
    yield updates


def _download_if_needed(bench: Workbench, sidebar: Sidebar, name: str) -> Iterator[Updates]:
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
            yield {sidebar.status: progress_bar(percent / 100, what)}


def _own_weights(bench: Workbench, sidebar: Sidebar) -> None:
    """Form for a checkpoint of the user's own."""
    architecture = gr.Dropdown(list(catalogue()), value="resnet18", label="Architecture of your weights")
    file = gr.File(
        label="State dict or checkpoint (.safetensors, .pth, .ckpt, …)",
        # Its content decides, whatever it is called: "file" is any; the others are offered first.
        file_types=["file", ".safetensors", ".pth", ".pt", ".ckpt", ".bin"],
        height=90,
        elem_id="own-weights",
    )
    labels = gr.Textbox(label="Class names, one per line (optional)", lines=2, max_lines=6)
    load = gr.Button("Load these weights", size="sm", variant="primary")

    def load_own(architecture: str, path: str | None, text: str, before: Selection) -> Updates:
        if not path:
            raise ExplorerError("no file", "was given", "choose a .safetensors or .pth file first")
        names = [line.strip() for line in text.splitlines() if line.strip()] or None
        loaded = load_model(architecture, Path(path), labels=names, device=bench.device)
        with open(path, "rb") as weights:
            content = hashlib.file_digest(weights, "sha256").hexdigest()[:16]
        name = bench.add_model(loaded, content)
        now = replace(before, model=name)
        choices = [(f"{loaded.name}  ·  your {loaded.weights}", name), *model_choices(bench)]
        return {
            sidebar.selection: now,
            sidebar.model: gr.update(choices=choices, value=name),
            **described(sidebar, bench.open(now)),
        }

    load.click(
        on_screen(load_own),
        [architecture, file, labels, sidebar.selection],
        [sidebar.selection, sidebar.model, sidebar.status, sidebar.predictions],
        api_visibility="private",
        show_progress="minimal",
    )
