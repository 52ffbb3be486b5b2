"""What all screens share: the look of the app, captions and colour bars, errors as messages, slow work in steps."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import inspect
import io
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from markupsafe import Markup
from PIL import Image

from explorer.activations.captions import number
from explorer.activations.legend import ComponentScale
from explorer.errors import ExplorerError
from explorer.images.overlay import colour_table
from explorer.layers.listing import Layer
from explorer.networks.predictions import Prediction
from explorer.whole_file import write_once

P = ParamSpec("P")
R = TypeVar("R")

Values = Mapping[Any, Any]
"""What a handler with a set of inputs is given: component → its value."""
Updates = dict[Any, Any]
"""What a handler returns: component → its new value or an update of it; components that aren't named stay."""
CSS = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
HEAD = f"<script>{(Path(__file__).parent / 'quick_copies.js').read_text(encoding='utf-8')}</script>"
LOSSLESS_PIXELS = 300_000
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": []}
"""For events of the page itself: no endpoint of their own, and no veil over a picture that is redrawn at once.

``show_progress_on``: with hidden progress, too, gradio's page notes every step of an event at each of its outputs,
copies all properties of all components that it ever noted something at, and after a refusal leaves the word "Error"
in each of them, unseen, for screen readers.
"""


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
    gr.HTML(question_markup(text, hint), padding=False)


def question_markup(text: str, hint: str = "") -> Markup:
    """What :func:`question` lays out."""
    after = Markup("<span>{}</span>").format(hint) if hint else ""
    return Markup('<h2 class="question">{}{}</h2>').format(text, after)


def note(text: str) -> Markup:
    """A caption: plain words under a picture.

    >>> note("3 < 4")
    Markup('<p class="note">3 &lt; 4</p>')
    """
    return Markup('<p class="note">{}</p>').format(text)


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


def progress_bar(share: float, what: str) -> Markup:
    """A bar with words, for work that takes more than a moment; ``share`` of it is done, in [0, 1]."""
    percent = round(100 * min(max(share, 0.0), 1.0))
    return Markup(
        '<div class="working" role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100" '
        'aria-label="{what}"><div style="width:{percent}%"></div></div><p class="note">{what} · {percent} %</p>'
    ).format(percent=percent, what=what)


def entered(tab: gr.Tab, active: gr.Textbox, name: str) -> Any:
    """The event of entering a tab: the page itself notes in ``active`` which one, without asking the server."""
    return tab.select(None, None, active, js=f"() => {json.dumps(name)}", **QUIET)


def when_seen(tab: gr.Tab, selection: gr.State, active: gr.Textbox, name: str) -> Any:
    """The event of having something new to show: the tab is entered, or another picture or network is chosen in it.

    The page itself decides, so that tabs that nobody sees ask the server nothing, nor does a tab entered before the
    first picture is there: its answer would be of an empty page, and could come after what the address asks for.
    For one listener: where two of one event are to run once more after the present run, gradio's page sets off
    both anew after each, for ever.
    """
    asked = gr.Textbox("0", visible=False)  # changes when the tab has to be filled anew
    pictured = gr.Textbox("", visible=False)
    now = "String(performance.now())"
    own = json.dumps(name)
    entered = f"(asked, pictured) => [{own}, pictured ? {now} : asked]"
    tab.select(None, [asked, pictured], [active, asked], js=entered, **QUIET)
    still = f"(active, asked) => [active === {own} ? {now} : asked, 'yes']"
    selection.change(None, [active, asked], [asked, pictured], js=still, **QUIET)
    return asked.change


def when_crossed(active: gr.Textbox, name: str, selection: gr.State | None = None) -> Any:
    """The event of coming to the tab ``name`` or leaving it; what happens between others asks the server nothing.

    With ``selection`` also that of another picture or network that comes while the tab is open: chosen in another, it
    may arrive after its user.
    """
    place = gr.Textbox("elsewhere", visible=False)
    here = f"active => active === {json.dumps(name)} ? 'here' : 'elsewhere'"
    active.change(None, active, place, js=here, **QUIET)
    if selection is not None:
        anew = f"active => active === {json.dumps(name)} ? `here ${{performance.now()}}` : 'elsewhere'"
        selection.change(None, active, place, js=anew, **QUIET)
    return place.change


def components_of(part: Any) -> list[Any]:
    """The components that a dataclass of them holds, in its order."""
    return [getattr(part, field.name) for field in dataclasses.fields(part)]


def layer_choices(layers: Sequence[Layer]) -> list[tuple[str, str]]:
    """(text, name) per layer for a dropdown: its shape first learnt from the list, then from the picture."""
    return [(f"{layer.name}  ·  {shape_text(layer)}  ·  {layer.kind}", layer.name) for layer in layers]


def shape_text(layer: Layer) -> str:
    """``64 × 112 × 112`` (channels, height, width), or the number of values of a vector."""
    if not layer.is_map:
        return f"{layer.shape[0]} values"
    return " × ".join(str(n) for n in layer.shape)


def colour_bar(limits: Sequence[tuple[float, float]], *, colormap: str, what: str = "") -> Markup:
    """The scale of a picture with its numbers; ``limits`` holds one pair, and ``what`` says what they are of."""
    ((low, high),) = limits
    table = colour_table(colormap)[np.linspace(0, 255, 17).astype(int)]
    return _bars([_bar([(red, green, blue) for red, green, blue in table], low, high, what)])


def component_bars(scales: Sequence[ComponentScale]) -> Markup:
    """The scales of a map with three values a position: a bar for each."""
    return _bars([_bar([(0, 0, 0), scale.colour], *scale.limits, scale.label) for scale in scales])


def value_bars(rows: Sequence[tuple[str, str, str, float]], label: str) -> Markup:
    """A list of values with bars: (name, small words behind it, value in words, the bar's share of the width)."""
    row = Markup(
        '<li><span class="name">{} <span class="index">{}</span></span><span class="value">{}</span>'
        '<span class="bar"><span style="width:{:.1f}%"></span></span></li>'
    )
    items = Markup("").join(
        row.format(name, behind, value, 100 * share) for name, behind, value, share in rows
    )
    return Markup('<ol class="predictions" aria-label="{}">{}</ol>').format(label, items)


def prediction_bars(predictions: Sequence[Prediction]) -> Markup:
    """The most probable classes as bars with numbers."""
    rows = [(p.label, str(p.index), f"{p.probability:.1%}", p.probability) for p in predictions]
    return value_bars(rows, "Most probable classes")


def facts_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], flush_right: Sequence[int], total: Sequence[str] = ()
) -> Markup:
    """A table of words, of the class ``facts``; columns of numbers, counted from 0, are flush right."""
    attribute = {column: Markup(' class="number"') for column in flush_right}

    def row_of(cell: Markup, row: Sequence[str]) -> Markup:
        cells = Markup("").join(cell.format(attribute.get(i, ""), text) for i, text in enumerate(row))
        return Markup("<tr>{}</tr>").format(cells)

    heading, plain = Markup("<th{}>{}</th>"), Markup("<td{}>{}</td>")
    body = Markup("").join(row_of(plain, row) for row in rows)
    last = row_of(heading, total) if total else ""
    return Markup('<table class="facts">{}{}{}</table>').format(row_of(heading, head), body, last)


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
    # Whole or not at all: another user's page may be fetching the same picture right now.
    write_once(path, content)
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


def _bars(bars: Sequence[Markup]) -> Markup:
    return Markup('<div class="bars">{}</div>').format(Markup("").join(bars))


def _bar(colours: Sequence[tuple[int, int, int]], low: float, high: float, label: str) -> Markup:
    """A bar through ``colours``, RGB at equal distances, and the numbers at its ends and in its middle."""
    middle = Markup("<span>{}</span>").format(number((low + high) / 2)) if low < high else ""
    return Markup(
        '<div class="bar" role="img" aria-label="Colour scale {label} from {low:.3g} to {high:.3g}">'
        '<span class="label">{label}</span><div style="background:linear-gradient(90deg,{colours})"></div>'
        '<div class="ticks"><span>{first}</span>{middle}<span>{last}</span></div></div>'
    ).format(
        label=label,
        low=low,
        high=high,
        colours=",".join(f"rgb({red},{green},{blue})" for red, green, blue in colours),
        first=number(low),
        middle=middle,
        last=number(high),
    )


def _in_words(error: ExplorerError) -> str:
    sentence = f"{error.on_page()}."
    # gradio's page takes it for HTML; other programs read it as it stands, so quotes stay quotes.
    return html.escape(sentence[:1].upper() + sentence[1:], quote=False)
