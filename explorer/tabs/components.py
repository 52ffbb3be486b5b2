"""What all screens share: the look of the app, captions and colour bars, errors as messages, slow work in steps."""

from __future__ import annotations

import functools
import hashlib
import html
import inspect
import io
import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from explorer.activations.captions import number
from explorer.errors import ExplorerError
from explorer.images.overlay import colour_table, enlarged
from explorer.layers.listing import Layer
from explorer.networks.predictions import Prediction

P = ParamSpec("P")
R = TypeVar("R")

CSS = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
LOSSLESS_PIXELS = 300_000
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""For events of the page itself: no endpoint of their own, and no veil over a picture that is redrawn at once."""


def theme() -> gr.themes.Base:
    """Calm greys, one accent, the system's own fonts: nothing is fetched from elsewhere."""
    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=fonts,
        font_mono=mono,
        radius_size=gr.themes.sizes.radius_sm,
        spacing_size=gr.themes.sizes.spacing_sm,
    ).set(
        block_label_text_size="*text_xs",
        block_title_text_size="*text_sm",
        block_title_text_weight="500",
        block_border_width="1px",
        block_shadow="none",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        slider_color="*primary_600",
        # gradio's own can hardly be told from the panel: an empty box in the dark is no box.
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
    )


def question(text: str, hint: str = "") -> None:
    """The one question that a tab answers, as its heading; and where to begin."""
    hint = f"<span>{html.escape(hint)}</span>" if hint else ""
    gr.HTML(f'<h2 class="question">{html.escape(text)}{hint}</h2>', padding=False)


def note(text: str) -> str:
    """A caption: plain words under a picture."""
    return f'<p class="note">{html.escape(text)}</p>'


def on_screen(handler: Callable[P, R]) -> Callable[P, R]:
    """The one place where an ExplorerError becomes a message on screen; outputs stay as they were.

    For events that go through the queue: of others, those with ``queue=False``, gradio's page hides the message.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stepwise_handler(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except ExplorerError as error:
                raise as_message(error) from error

        return stepwise_handler

    @functools.wraps(handler)
    def plain_handler(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except ExplorerError as error:
            raise as_message(error) from error

    return plain_handler


def as_message(error: ExplorerError) -> gr.Error:
    """The error as gradio shows it, and as other programs that call an endpoint receive it."""
    return gr.Error(_in_words(error), title="This can't be done", duration=20, print_exception=False)


def warn(error: ExplorerError) -> None:
    """Show the error while the handler goes on to put things back as they were."""
    gr.Warning(_in_words(error), title="This can't be done", duration=20)


class Cancelled(Exception):
    """Raised inside slow work when nobody waits for its result any more."""


def stepwise(work: Callable[[Callable[[Any], None]], R]) -> Generator[Any, None, R]:
    """Run slow work beside the page: yield what it reports, return what it returns.

    ``work`` takes a function to report progress with. When the user cancels or closes the page, gradio closes
    the generator, and the next report raises :class:`Cancelled` inside the work.
    """
    listed: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    cancelled = threading.Event()

    def report(progress: Any) -> None:
        if cancelled.is_set():
            raise Cancelled
        listed.put(("progress", progress))

    def run() -> None:
        try:
            listed.put(("result", work(report)))
        except Cancelled:
            pass
        except BaseException as error:  # handed to the waiting handler, which raises it
            listed.put(("error", error))

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            kind, value = listed.get()
            if kind == "progress":
                yield value
            elif kind == "error":
                raise value
            else:
                return value
    finally:
        cancelled.set()


def cancel_button(text: str = "Cancel") -> gr.Button:
    """A button that is seen only while a progress bar stands in the same column: the style sheet sees to that."""
    return gr.Button(text, size="sm", elem_classes="cancel")


def on_cancel(stop: gr.Button, running: list[Any], working: gr.HTML, sentence: str = "") -> Any:
    """Let a button end what is running; ``working`` says ``sentence`` instead of the progress."""

    def settle() -> str:
        # What was on its way to the page when it was cancelled comes first.
        time.sleep(0.5)
        return sentence

    return stop.click(lambda: sentence, None, working, cancels=running, **QUIET).then(
        settle, None, working, **QUIET
    )


def progress_bar(share: float, what: str) -> str:
    """A bar with words, for work that takes more than a moment."""
    percent = round(100 * min(max(share, 0.0), 1.0))
    return (
        f'<div class="working" role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-label="{html.escape(what)}"><div style="width:{percent}%"></div></div>'
        f'<p class="note">{html.escape(what)} · {percent} %</p>'
    )


def entered(tab: gr.Tab, active: gr.Textbox, name: str) -> Any:
    """The event of entering a tab: the page itself notes in ``active`` which one, without asking the server."""
    return tab.select(None, None, active, js=f"() => {json.dumps(name)}", **QUIET)


def layer_choices(layers: Sequence[Layer]) -> list[tuple[str, str]]:
    """(text, name) per layer for a dropdown: its shape first learnt from the list, then from the picture."""
    return [(f"{layer.name}  ·  {shape_text(layer)}  ·  {layer.kind}", layer.name) for layer in layers]


def shape_text(layer: Layer) -> str:
    """``64 × 112 × 112`` (channels, height, width), or the number of values of a vector."""
    if not layer.is_map:
        return f"{layer.shape[0]} values"
    return " × ".join(str(n) for n in layer.shape)


def colour_bar(
    limits: tuple[tuple[float, float], ...], *, colormap: str, labels: Sequence[str] = (), what: str = ""
) -> str:
    """The scale of a picture with its numbers: one bar, or one each for red, green and blue."""
    if len(limits) == 1:
        bars = [_bar(_gradient_of(colormap), *limits[0], what)]
    else:
        ends = ("#ff0000", "#00d000", "#3060ff")
        bars = [
            _bar(f"linear-gradient(90deg,#000,{end})", *pair, label)
            for end, pair, label in zip(ends, limits, labels, strict=False)
            if pair[0] < pair[1]
        ]
    return f'<div class="bars">{"".join(bars)}</div>'


def prediction_bars(predictions: Sequence[Prediction]) -> str:
    """The most probable classes as bars with numbers."""
    rows = "".join(
        f'<li><span class="name">{html.escape(p.label)} <span class="index">{p.index}</span></span>'
        f'<span class="value">{p.probability:.1%}</span>'
        f'<span class="bar"><span style="width:{100 * p.probability:.1f}%"></span></span></li>'
        for p in predictions
    )
    return f'<ol class="predictions" aria-label="Most probable classes">{rows}</ol>'


@dataclass(frozen=True)
class Pane:
    """The place for one result: a picture, or a before/after slider; its colour bar and its caption."""

    picture: gr.Image
    slider: gr.ImageSlider
    scale: gr.HTML
    caption: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """The components in the order of :func:`filled`."""
        return [self.picture, self.slider, self.scale, self.caption]


SHOWN = [("Overlay", "overlay"), ("Before / after", "slider"), ("Map alone", "map")]


def result_pane(label: str, elem_id: str, height: int = 400) -> Pane:
    """Lay out a :class:`Pane` inside an open column."""
    picture = gr.Image(
        label=label,
        height=height,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=elem_id,
        elem_classes="result",
        alt_text=f"{label}; described in the caption below",
    )
    slider = gr.ImageSlider(
        label=f"Left: the picture. Right: {label[:1].lower()}{label[1:]}",
        height=height,
        interactive=False,
        visible=False,
        elem_id=f"{elem_id}-slider",
        elem_classes="result",
    )
    scale = gr.HTML(padding=False, elem_id=f"{elem_id}-scale")
    caption = gr.HTML(padding=False, elem_id=f"{elem_id}-caption")
    return Pane(picture, slider, scale, caption)


def filled(
    shown: str,
    pixels: np.ndarray,
    laid: Callable[[], np.ndarray],
    alone: Callable[[], np.ndarray],
    bar: str,
    sentence: str,
) -> tuple[Any, ...]:
    """Updates for a pane's outputs: the overlay ``laid``, beside the picture, or the map ``alone``."""
    hidden = gr.update(visible=False)
    if shown == "map":
        return (
            gr.update(value=picture_file(enlarged(alone(), 448), "map"), visible=True),
            hidden,
            bar,
            note(sentence),
        )
    file = picture_file(laid(), "overlay")
    if shown == "slider":
        return hidden, gr.update(value=(picture_file(pixels), file), visible=True), bar, note(sentence)
    return gr.update(value=file, visible=True), hidden, bar, note(sentence)


def class_choices(labels: Sequence[str]) -> list[tuple[str, int]]:
    """(text, index) per class, to be searched by number or by name."""
    return [(f"{index} · {label}", index) for index, label in enumerate(labels)]


def picture_file(pixels: np.ndarray, name: str = "picture") -> str:
    """A picture as a file that the page may fetch; returned by handlers instead of the array.

    gradio's own encoding is either lossy where cells must be exact, or slow: ours is PNG while that takes no
    time, and JPEG in full colour resolution above.
    """
    lossless = pixels.shape[0] * pixels.shape[1] <= LOSSLESS_PIXELS
    encoded = io.BytesIO()
    if lossless:
        Image.fromarray(pixels).save(encoded, "PNG", compress_level=1)
    else:
        Image.fromarray(pixels).save(encoded, "JPEG", quality=90, subsampling=0)
    content = encoded.getvalue()
    folder = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest()
    path = folder / f"{name}.{'png' if lossless else 'jpg'}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: another user's page may be fetching the same picture right now.
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return str(path)


def picture_input(**options: Any) -> tuple[gr.Image, gr.File]:
    """An image that people can give, and the file behind it: listen to the file's ``change``.

    gradio opens what an image component is given before any handler runs, up to 179 megapixels; a file it
    hands over as it came. So the browser passes the upload on to a file component that nobody sees.
    """
    image = gr.Image(type="filepath", **options)
    file = gr.File(visible=False)
    image.input(None, image, file, js="image => image", **QUIET)
    return image, file


def _bar(gradient: str, low: float, high: float, label: str) -> str:
    middle = f"<span>{number((low + high) / 2)}</span>" if low < high else ""
    return (
        f'<div class="bar" role="img" aria-label="Colour scale {html.escape(label)} from {low:.3g} to {high:.3g}">'
        f'<span class="label">{html.escape(label)}</span><div style="background:{gradient}"></div>'
        f'<div class="ticks"><span>{number(low)}</span>{middle}<span>{number(high)}</span></div></div>'
    )


@functools.cache
def _gradient_of(colormap: str) -> str:
    table = colour_table(colormap)[np.linspace(0, 255, 17).astype(int)]
    return f"linear-gradient(90deg,{','.join(f'rgb({r},{g},{b})' for r, g, b in table)})"


def _in_words(error: ExplorerError) -> str:
    sentence = f"{error.on_page()}."
    return html.escape(sentence[:1].upper() + sentence[1:], quote=False)
