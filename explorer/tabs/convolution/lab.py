"""The convolution lab: one convolution set up by hand, stepped through, read off, made smaller, practised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api as endpoint
from markupsafe import Markup
from PIL import Image

from explorer.convolution.arithmetic import PADDING_MODES, Convolution, convolve
from explorer.convolution.display import kernel_name, kernel_names
from explorer.convolution.page.alert import alert
from explorer.convolution.page.windows import draw_outputs, draw_step
from explorer.convolution.palette import custom_properties
from explorer.convolution.presets import CLASSIC_KERNELS, Preset, presets, with_classic_kernel
from explorer.convolution.snippet import as_python
from explorer.errors import ExplorerError
from explorer.images.decode import read_image
from explorer.tabs.components import QUIET, Updates, Values, components_of, on_screen, question
from explorer.tabs.convolution import api as convolution_api
from explorer.tabs.convolution import practice as convolution_practice
from explorer.tabs.convolution import sections as convolution_sections
from explorer.tabs.convolution.keep import keep_window
from explorer.tabs.convolution.matrix_editor import (
    fit_channels,
    input_value,
    kernel_value,
    matrix_editor,
    read_input,
    read_kernels,
)
from explorer.tabs.keeping import connect, keep_button

_STYLE = custom_properties() + (Path(__file__).parent / "convolution.css").read_text(encoding="utf-8")
_STEPPER = (Path(__file__).parent / "stepper.js").read_text(encoding="utf-8")
_PRESETS = presets()
_FIRST = next(iter(_PRESETS.values()))
_LARGEST_PICTURE_PX = 64
_SECONDS_A_STEP = 0.6
_MOST_PLAYED = 80  # steps of one play through; larger outputs are played in strides
_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_EACH = _AT_ONCE | {"trigger_mode": "multiple"}  # "always_last" would repeat an older event's data


@dataclass(frozen=True)
class Settings:
    """The components that say what is convolved, and how."""

    preset: gr.Dropdown
    x: gr.HTML
    kernels: gr.HTML
    stride: gr.Number
    padding: gr.Number
    dilation: gr.Number
    apart: gr.Checkbox
    stride_across: gr.Number
    padding_across: gr.Number
    dilation_across: gr.Number
    padding_mode: gr.Dropdown
    groups: gr.Number
    relu: gr.Checkbox


@dataclass(frozen=True)
class Stage:
    """The components that show one window after the other."""

    message: gr.HTML
    kernel: gr.Radio
    index: gr.Slider
    play: gr.Button
    timer: gr.Timer
    picture: gr.HTML
    outputs: gr.HTML
    size: gr.HTML
    code: gr.Code


def build(session: gr.State) -> None:
    """The tab's content, inside the caller's ``gr.Tab``."""
    gr.HTML(f"<style>{_STYLE}</style>", padding=False, elem_classes="cv-style")
    question("What does a convolution compute, and how can you check it by hand?")
    first = _FIRST.convolve()
    convolution = gr.State(first)
    with gr.Tabs(elem_id="convolution-lab"):
        with gr.Tab("Step through", id="step"):
            _step_through(convolution, session)
        with gr.Tab("Stride and pooling", id="pooling") as tab:
            convolution_sections.downsampling(convolution, first, tab, session)
        with gr.Tab("Output size", id="size") as tab:
            convolution_sections.size(convolution, first, tab, session)
        with gr.Tab("Read it off", id="reading") as tab:
            convolution_sections.reading(convolution, first, tab, session)
        with gr.Tab("Practice", id="practice"):
            convolution_practice.build(session)
    endpoint(convolution_api.convolve, api_name="convolve")
    endpoint(convolution_api.mark_exercise, api_name="mark_exercise")


def _step_through(convolution: gr.State, session: gr.State) -> None:
    with gr.Row(elem_classes="cv-result-first"):
        with gr.Column(scale=4, min_width=320):
            settings, upload = _settings()
        with gr.Column(scale=8, min_width=320):
            stage, pin = _stage(_FIRST.convolve())
    picture = gr.State(None)  # the user's own, (height, width) grey
    _wire_settings(settings, stage, convolution, picture, upload)
    _wire_stage(stage, convolution)

    def keep(conv: Convolution, kernel: str, index: float) -> Any:
        place = divmod(min(max(int(index), 1), conv.maps[0].size) - 1, conv.maps.shape[2])
        return keep_window(conv, min(_kernel_index(kernel), len(conv.maps) - 1), *place)

    connect(pin, session, keep, [convolution, stage.kernel, stage.index])


def _settings() -> tuple[Settings, gr.UploadButton]:
    with gr.Row(elem_classes="cv-bottom"):
        preset = gr.Dropdown(list(_PRESETS), value=_FIRST.name, label="Start from", scale=3, min_width=200)
        upload = gr.UploadButton(
            "Use my picture", file_types=["image"], type="filepath", size="sm", scale=1, min_width=110
        )
    x = matrix_editor(input_value(_FIRST.x), "Input", elem_id="cv-input", blocks="channel")
    kernels = matrix_editor(
        kernel_value(_FIRST.kernels, _FIRST.biases), "Kernels", elem_id="cv-kernels", blocks="kernel"
    )
    with gr.Row():
        stride, padding, dilation = _numbers("Stride", "Padding", "Dilation")
    with gr.Row():
        relu = gr.Checkbox(_FIRST.relu, label="ReLU", min_width=90)
        apart = gr.Checkbox(False, label="Width separately", min_width=150)
    with gr.Row(visible=False) as across_row:
        across = _numbers("Stride, width", "Padding, width", "Dilation, width")
    with gr.Row():
        mode = gr.Dropdown(list(PADDING_MODES), value="zeros", label="Padding filled with", min_width=150)
        groups = gr.Number(1, label="Groups of channels", min_width=120)
    apart.change(lambda on: gr.Row(visible=on), apart, across_row, **_AT_ONCE)
    settings = Settings(
        preset=preset,
        x=x,
        kernels=kernels,
        stride=stride,
        padding=padding,
        dilation=dilation,
        apart=apart,
        stride_across=across[0],
        padding_across=across[1],
        dilation_across=across[2],
        padding_mode=mode,
        groups=groups,
        relu=relu,
    )
    return settings, upload


def _numbers(*labels: str) -> tuple[gr.Number, ...]:
    return tuple(
        gr.Number(0 if label.startswith("Padding") else 1, label=label, min_width=90) for label in labels
    )


def _stage(conv: Convolution) -> tuple[Stage, gr.Button]:
    message = gr.HTML("", padding=False, elem_classes="cv-message")
    names = kernel_names(conv)
    with gr.Row(elem_classes="cv-bottom"):
        kernel = gr.Radio(names, value=names[0], label="Kernel", scale=2, min_width=150)
        index = gr.Slider(1, step=1, scale=4, min_width=220, **_slider_range(conv))
        play = gr.Button("Play", scale=1, min_width=80, size="sm")
    picture = gr.HTML(
        draw_step(conv, 0, 0, 0),
        html_template='<div class="cv-stepper" tabindex="0" role="group" '
        'aria-label="The window. Arrow keys move it; a click on an output cell goes there.">${value}</div>',
        js_on_load=_STEPPER,
        apply_default_css=False,
        padding=False,
        elem_id="cv-step",
    )
    outputs = gr.HTML(
        draw_outputs(conv, 0),
        js_on_load=_STEPPER,
        apply_default_css=False,
        padding=False,
        elem_id="cv-outputs",
    )
    size = gr.HTML(_size_note(conv), padding=False)
    pin = keep_button("cv-step-pin")
    with gr.Accordion("The same in Python", open=False):
        code = gr.Code(as_python(conv), language="python", interactive=False, show_label=False)
    timer = gr.Timer(_SECONDS_A_STEP, active=False)
    return Stage(message, kernel, index, play, timer, picture, outputs, size, code), pin


def _wire_settings(
    settings: Settings, stage: Stage, convolution: gr.State, picture: gr.State, upload: gr.UploadButton
) -> None:
    inputs = {*components_of(settings), stage.kernel, stage.index}
    outputs = [*components_of(stage), convolution, settings.kernels]

    def recompute(data: Values) -> Updates:
        try:
            kernels, conv = _convolution_from(settings, data)
        except ExplorerError as error:
            return {stage.message: alert(error, "What you see is still the last result.")}
        kernel = min(_kernel_index(data[stage.kernel]), len(conv.maps) - 1)
        index = min(int(data[stage.index]), conv.maps[0].size)
        names = kernel_names(conv)
        shown = _show(stage, conv, kernel, index) | {convolution: conv, stage.message: ""}
        shown[stage.index] = gr.Slider(**_slider_range(conv) | {"value": index})
        shown[stage.kernel] = gr.Radio(names, value=names[kernel], visible=len(names) > 1)
        shown |= {stage.size: _size_note(conv), stage.code: as_python(conv)}
        return shown if kernels is data[settings.kernels] else shown | {settings.kernels: kernels}

    edits = [settings.x.edit, settings.kernels.edit]
    s = settings
    down, across = [s.stride, s.padding, s.dilation], [s.stride_across, s.padding_across, s.dilation_across]
    others: list[Any] = [*down, *across, s.padding_mode, s.groups, s.relu]
    edits += [field.input for field in others]
    gr.on(edits, recompute, inputs, outputs, **_AT_ONCE)
    # The width starts from the height's numbers, so that asking for it changes nothing by itself.
    parted = s.apart.input(lambda *numbers: numbers, down, across, **_AT_ONCE)
    parted.then(recompute, inputs, outputs, **_AT_ONCE)
    choosing: dict[str, Any] = {
        "fn": lambda given: _chosen(settings, given[s.preset], given[picture]),
        "inputs": {s.preset, picture},
        "outputs": components_of(settings),
        **_AT_ONCE,
    }
    settings.preset.input(**choosing).then(recompute, inputs, outputs, **_AT_ONCE)
    taken = upload.upload(on_screen(_take_picture), [upload, s.preset], [picture, s.preset], **QUIET)
    taken.success(**choosing).then(recompute, inputs, outputs, **_AT_ONCE)


def _wire_stage(stage: Stage, convolution: gr.State) -> None:
    where, outputs = [convolution, stage.kernel, stage.index], components_of(stage)

    def show(conv: Convolution, kernel: str, index: float) -> Updates:
        return _show(stage, conv, _kernel_index(kernel), int(index))

    def go(conv: Convolution, event: gr.EventData) -> Updates:
        kernel, index = _target(conv, event)
        return _show(stage, conv, kernel, index) | {stage.kernel: kernel_name(kernel), stage.index: index}

    def tick(conv: Convolution, kernel: str, index: float) -> Updates:
        last = conv.maps[0].size
        following = min(int(index) + max(1, last // _MOST_PLAYED), last)
        shown = _show(stage, conv, _kernel_index(kernel), following) | {stage.index: following}
        return shown | _playing(stage, following < last)

    def toggle(label: str, conv: Convolution, kernel: str, index: float) -> Updates:
        if label == "Pause":
            return _playing(stage, False)
        start = 1 if int(index) >= conv.maps[0].size else int(index)
        shown = _show(stage, conv, _kernel_index(kernel), start) | {stage.index: start}
        return shown | _playing(stage, True)

    gr.on([stage.kernel.input, stage.index.input], show, where, outputs, **_AT_ONCE)
    gr.on([stage.picture.select, stage.outputs.select], go, convolution, outputs, **_EACH)
    stage.timer.tick(tick, where, outputs, **_AT_ONCE)
    stage.play.click(toggle, [stage.play, *where], outputs, **_AT_ONCE)


def _show(stage: Stage, conv: Convolution, kernel: int, index: int) -> Updates:
    """The drawings of one window; index counts from 1."""
    row, column = divmod(min(max(index, 1), conv.maps[0].size) - 1, conv.maps.shape[2])
    several = len(conv.maps) > 1
    return {
        stage.picture: draw_step(conv, kernel, row, column),
        stage.outputs: draw_outputs(conv, kernel) if several else "",
    }


def _target(conv: Convolution, view_settings: gr.EventData) -> tuple[int, int]:
    """(kernel, index) of the output cell that the page asks for; index counts from 1."""
    kernels, rows, columns = conv.maps.shape
    wanted = zip(
        (view_settings.kernel, view_settings.row, view_settings.column), (kernels, rows, columns), strict=True
    )
    kernel, row, column = (min(max(int(value), 0), count - 1) for value, count in wanted)
    return kernel, row * columns + column + 1


def _playing(stage: Stage, on: bool) -> Updates:
    return {stage.timer: gr.Timer(active=on), stage.play: "Pause" if on else "Play"}


def _slider_range(conv: Convolution) -> dict[str, Any]:
    count = conv.maps[0].size
    # A slider from 1 to 1 has no length to draw; its second place shows the first window.
    return {"maximum": max(count, 2), "value": 1, "label": f"Window, 1 to {count}"}


def _convolution_from(settings: Settings, data: Values) -> tuple[Any, Convolution]:
    """The kernels' editor, its slices fitted to channels and groups, and the convolution."""
    x = read_input(data[settings.x])
    groups = _whole(data[settings.groups])
    kernels = data[settings.kernels]
    if isinstance(groups, int) and groups > 0 and len(x) % groups == 0:
        kernels = fit_channels(kernels, len(x) // groups)
    weights, biases = read_kernels(kernels)
    s = settings
    down = [_whole(data[number]) for number in (s.stride, s.padding, s.dilation)]
    across = [_whole(data[number]) for number in (s.stride_across, s.padding_across, s.dilation_across)]
    stride, padding, dilation = zip(down, across if data[s.apart] else down, strict=True)
    convolution_api.check_work(x.shape[1:], weights.shape, padding)
    activation = "relu" if data[settings.relu] else None
    mode = data[settings.padding_mode]
    conv = convolve(x, weights, biases, stride, padding, dilation, groups, mode, activation)  # type: ignore[arg-type]
    return kernels, conv


def _whole(value: Any) -> Any:
    """A number field's value: 2.0 is 2; 1.5 and an emptied field stay what they are, to be refused by name."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _chosen(settings: Settings, name: str, picture: np.ndarray | None) -> Updates:
    """What the settings become when a preset is chosen; classic kernels work on the user's own picture."""
    preset: Preset = _PRESETS[name]
    if picture is not None and name in CLASSIC_KERNELS:
        preset = with_classic_kernel(name, picture)
    return {
        settings.x: input_value(preset.x),
        settings.kernels: kernel_value(preset.kernels, preset.biases),
        settings.stride: preset.stride,
        settings.padding: preset.padding,
        settings.dilation: preset.dilation,
        settings.apart: False,
        settings.padding_mode: preset.padding_mode,
        settings.groups: preset.groups,
        settings.relu: preset.relu,
    }


def _take_picture(path: str, preset: str) -> tuple[np.ndarray, str]:
    """The uploaded picture in grey, at most 64 px, and a classic kernel to look at it with."""
    image = Image.fromarray(read_image(path)).convert("L")
    image.thumbnail((_LARGEST_PICTURE_PX, _LARGEST_PICTURE_PX))
    name = preset if preset in CLASSIC_KERNELS else next(iter(CLASSIC_KERNELS))
    return np.asarray(image, dtype=np.float64), name


def _kernel_index(name: str | None) -> int:
    return int(name[1:]) - 1 if name else 0


def _size_note(conv: Convolution) -> Markup:
    lines = Markup("<br>").join(f"{axis}." for axis in conv.size_formula.split(", "))
    return Markup('<p class="note">Output {}</p>').format(lines)
