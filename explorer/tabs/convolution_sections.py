"""Three views of the lab's convolution: made smaller, its size derived, read off without computing."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from explorer.convolution import Convolution
from explorer.convolution_drawing import kernel_name
from explorer.convolution_reading import read_off
from explorer.convolution_size import derive_size
from explorer.convolution_views import draw_downsampling, draw_reading
from explorer.errors import ExplorerError
from explorer.matrix_drawing import figure
from explorer.pooling import compare_downsampling
from explorer.size_drawing import draw_derivation, draw_number_line, line_caption
from explorer.tabs.components import QUIET, note

_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_MINE, _HEIGHT, _WIDTH = "my own numbers", "the height of Step through", "the width of Step through"
_SHARED = "Input and kernels are those of Step through; change them there."


def alert(error: ExplorerError, after: str = "") -> str:
    """An error in its place on the page, for controls whose entries stay to be mended."""
    text = f"{error.value} {error.rule}"
    return (
        f'<div class="cv-alert" role="alert"><b>{html.escape(text[:1].upper() + text[1:])}.</b> '
        f"{html.escape(error.remedy[:1].upper() + error.remedy[1:])}. {after}</div>"
    )


def downsampling(convolution: gr.State, tab: gr.Tab) -> None:
    """Stride 2, max-pooling and average-pooling on the same input."""
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("What is a stride of 2 for, and what else makes a map smaller?"), padding=False)
            kernel = _kernel_choice()
            factor = gr.Slider(2, 4, 2, step=1, label="Smaller by")
            gr.HTML(note(_SHARED), padding=False)
        with gr.Column(scale=9, min_width=320):
            view = _view("cv-downsampling")

    def show(conv: Convolution, name: str, times: float) -> tuple[Any, str]:
        choice, index = _chosen(conv, name)
        try:
            return choice, draw_downsampling(compare_downsampling(conv, int(times), index), int(times))
        except ExplorerError as error:
            return choice, alert(error)

    gr.on(
        [tab.select, kernel.input, factor.input],
        show,
        [convolution, kernel, factor],
        [kernel, view],
        **_AT_ONCE,
    )


def size(convolution: gr.State, tab: gr.Tab) -> None:
    """The output-size formula, derived with a number line."""
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("How many places are there for the kernel along one axis?"), padding=False)
            source = gr.Dropdown([_WIDTH, _HEIGHT, _MINE], value=_WIDTH, label="Take the numbers from")
            ranges = {
                "Input size n": (1, 32, 6),
                "Kernel size k": (1, 11, 2),
                "Stride s": (1, 8, 1),
                "Padding p": (0, 8, 0),
                "Dilation d": (1, 5, 1),
            }
            numbers = [
                gr.Slider(low, high, start, step=1, label=label)
                for label, (low, high, start) in ranges.items()
            ]
        with gr.Column(scale=9, min_width=320):
            view = _view("cv-size")

    gr.on([slider.input for slider in numbers], _size_view, numbers, view, **_AT_ONCE)
    gr.on([slider.input for slider in numbers], lambda: _MINE, None, source, **_AT_ONCE)
    taken = gr.on(
        [tab.select, source.input], _axis_numbers, [convolution, source, *numbers], numbers, **_AT_ONCE
    )
    taken.then(_size_view, numbers, view, **_AT_ONCE)


def reading(convolution: gr.State, tab: gr.Tab) -> None:
    """When does a kernel of zeros and ones fire?"""
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            gr.HTML(note("When does a kernel of zeros and ones fire, without computing?"), padding=False)
            kernel = _kernel_choice()
            rule = gr.HTML("", padding=False)
            gr.HTML(note(_SHARED), padding=False)
        with gr.Column(scale=9, min_width=320):
            view = _view("cv-reading")

    def show(conv: Convolution, name: str) -> tuple[Any, str, str]:
        choice, index = _chosen(conv, name)
        try:
            if len(conv.channels) > 1:
                raise ExplorerError(
                    f"an input of {len(conv.channels)} channels", "is too much to read off", "use one channel"
                )
            told = read_off(conv.kernels[index, 0], float(conv.bias[index]))
            drawn = draw_reading(told, conv, index)
        except ExplorerError as error:
            return choice, "", alert(error)
        return choice, note(told.rule), drawn

    gr.on([tab.select, kernel.input], show, [convolution, kernel], [kernel, rule, view], **_AT_ONCE)


def _axis_numbers(conv: Convolution, source: str, *current: float) -> list[Any]:
    """n, k, s, p, d of one axis of the lab's convolution, or the sliders' own."""
    if source == _MINE:
        return list(current)
    axis = 0 if source == _HEIGHT else 1
    n, k = conv.channels.shape[1 + axis], conv.kernels.shape[2 + axis]
    taken = [n, k, conv.stride[axis], conv.padding[axis], conv.dilation[axis]]
    most = (32, 11, 8, 8, 5)
    return [gr.Slider(maximum=max(high, value), value=value) for high, value in zip(most, taken, strict=True)]


def _size_view(*numbers: float) -> str:
    try:
        derivation = derive_size(*(int(number) for number in numbers))
    except ExplorerError as error:
        return alert(error)
    return figure(draw_number_line(derivation), line_caption(derivation)) + draw_derivation(derivation)


def _kernel_choice() -> gr.Radio:
    return gr.Radio(["w1"], value="w1", label="Kernel")


def _chosen(conv: Convolution, name: str | None) -> tuple[Any, int]:
    names = [kernel_name(i) for i in range(len(conv.maps))]
    index = names.index(name) if name in names else 0
    return gr.Radio(names, value=names[index], visible=len(names) > 1), index


def _view(elem_id: str) -> gr.HTML:
    return gr.HTML("", apply_default_css=False, padding=False, elem_id=elem_id)
