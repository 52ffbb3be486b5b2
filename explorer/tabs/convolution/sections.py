"""Three views of the lab's convolution: made smaller, its size derived, read off without computing."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.convolution.arithmetic import Convolution
from explorer.convolution.display import kernel_names
from explorer.convolution.page.alert import alert
from explorer.convolution.page.matrix import figure
from explorer.convolution.page.number_line import draw_derivation, draw_number_line, line_caption
from explorer.convolution.page.whole_maps import draw_downsampling, draw_reading
from explorer.convolution.pooling import compare_downsampling
from explorer.convolution.reading import read_off
from explorer.convolution.size import derive_size
from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, Updates, Values, note
from explorer.tabs.convolution.keep import keep_downsampling, keep_reading, keep_size
from explorer.tabs.keeping import connect, keep_button

_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_MINE, _HEIGHT, _WIDTH = "my own numbers", "the height of Step through", "the width of Step through"
_AXIS_RANGES = (
    ("Input size n", 1, 32),
    ("Kernel size k", 1, 11),
    ("Stride s", 1, 8),
    ("Padding p", 0, 8),
    ("Dilation d", 1, 5),
)
_SHARED = "Input and kernels are those of Step through; change them there."


def downsampling(convolution: gr.State, first: Convolution, tab: gr.Tab, session: gr.State) -> None:
    """Stride 2, max-pooling and average-pooling on the same input."""
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("What is a stride of 2 for, and what else makes a map smaller?"), padding=False)
            kernel = _kernel_choice(first)
            factor = gr.Slider(2, 4, 2, step=1, label="Smaller by")
            gr.HTML(note(_SHARED), padding=False)
        with gr.Column(scale=9, min_width=320):
            view = _view(_downsampling_view(first, 0, 2), "cv-downsampling")
            pin = keep_button("cv-downsampling-pin")

    def show(conv: Convolution, name: str, times: float) -> tuple[Any, Markup]:
        index = _kernel_index(conv, name)
        return _kernel_update(conv, index), _downsampling_view(conv, index, int(times))

    events = [tab.select, kernel.input, factor.input]
    gr.on(events, show, [convolution, kernel, factor], [kernel, view], **_AT_ONCE)

    def keep(conv: Convolution, name: str, times: float) -> Any:
        return keep_downsampling(conv, _kernel_index(conv, name), int(times))

    connect(pin, session, keep, [convolution, kernel, factor])


def size(convolution: gr.State, first: Convolution, tab: gr.Tab, session: gr.State) -> None:
    """The output-size formula, derived with a number line."""
    start = _axis(first, 1)
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("How many places are there for the kernel along one axis?"), padding=False)
            source = gr.Dropdown([_WIDTH, _HEIGHT, _MINE], value=_WIDTH, label="Take the numbers from")
            numbers = [
                gr.Slider(low, high, value, step=1, label=label)
                for (label, low, high), value in zip(_AXIS_RANGES, start, strict=True)
            ]
        with gr.Column(scale=9, min_width=320):
            view = _view(_size_view(*start), "cv-size")
            pin = keep_button("cv-size-pin")

    moves = [slider.input for slider in numbers]
    gr.on(moves, _size_view, numbers, view, **_AT_ONCE)
    # What never changes needn't be said once more; of one event two listeners mustn't: see components.when_seen.
    gr.on(moves, lambda: _MINE, None, source, **_AT_ONCE | {"trigger_mode": "once"})

    def take(given: Values) -> Updates:
        if given[source] == _MINE:
            return {numbers[0]: gr.skip()}
        axis = _axis(given[convolution], 0 if given[source] == _HEIGHT else 1)
        return {
            slider: gr.Slider(maximum=max(high, value), value=value)
            for slider, (_, _, high), value in zip(numbers, _AXIS_RANGES, axis, strict=True)
        }

    inputs = {convolution, source}
    taken = gr.on([tab.select, source.input], take, inputs, numbers, **_AT_ONCE)
    taken.then(_size_view, numbers, view, **_AT_ONCE)
    connect(pin, session, lambda *numbers: keep_size(*(int(number) for number in numbers)), numbers)


def reading(convolution: gr.State, first: Convolution, tab: gr.Tab, session: gr.State) -> None:
    """When does a kernel of zeros and ones fire?"""
    start = _reading_view(first, 0)
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("When does a kernel of zeros and ones fire, without computing?"), padding=False)
            kernel = _kernel_choice(first)
            rule = gr.HTML(start[0], padding=False)
            gr.HTML(note(_SHARED), padding=False)
        with gr.Column(scale=9, min_width=320):
            view = _view(start[1], "cv-reading")
            pin = keep_button("cv-reading-pin")

    def show(conv: Convolution, name: str) -> tuple[Any, Markup, Markup]:
        index = _kernel_index(conv, name)
        return _kernel_update(conv, index), *_reading_view(conv, index)

    gr.on([tab.select, kernel.input], show, [convolution, kernel], [kernel, rule, view], **_AT_ONCE)

    def keep(conv: Convolution, name: str) -> Any:
        return keep_reading(conv, _kernel_index(conv, name))

    connect(pin, session, keep, [convolution, kernel])


def _downsampling_view(conv: Convolution, kernel_index: int, factor: int) -> Markup:
    try:
        return draw_downsampling(compare_downsampling(conv, factor, kernel_index), factor)
    except ExplorerError as error:
        return alert(error)


def _reading_view(conv: Convolution, kernel_index: int) -> tuple[Markup, Markup]:
    """The rule, and the drawing or what stands in its way."""
    try:
        if len(conv.channels) > 1:
            value = f"an input of {len(conv.channels)} channels"
            raise ExplorerError(value, "is too much to read off", "use one channel")
        listed = read_off(conv.kernels[kernel_index, 0], float(conv.bias[kernel_index]))
        return note(listed.rule), draw_reading(listed, conv, kernel_index)
    except ExplorerError as error:
        return Markup(""), alert(error)


def _axis(conv: Convolution, axis: int) -> list[int]:
    """n, k, s, p, d of one axis of the lab's convolution."""
    sizes = [conv.channels.shape[1 + axis], conv.kernels.shape[2 + axis]]
    return [*sizes, conv.stride[axis], conv.padding[axis], conv.dilation[axis]]


def _size_view(*numbers: float) -> Markup:
    try:
        derivation = derive_size(*(int(number) for number in numbers))
    except ExplorerError as error:
        return alert(error)
    return figure(draw_number_line(derivation), line_caption(derivation)) + draw_derivation(derivation)


def _kernel_choice(conv: Convolution) -> gr.Radio:
    names = kernel_names(conv)
    return gr.Radio(names, value=names[0], label="Kernel")


def _kernel_index(conv: Convolution, name: str | None) -> int:
    names = kernel_names(conv)
    return names.index(name) if name in names else 0


def _kernel_update(conv: Convolution, index: int) -> Any:
    names = kernel_names(conv)
    return gr.Radio(names, value=names[index], visible=len(names) > 1)


def _view(content: Markup, elem_id: str) -> gr.HTML:
    return gr.HTML(content, apply_default_css=False, padding=False, elem_id=elem_id)
