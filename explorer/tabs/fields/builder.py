"""A stack of layers built by hand: its field as a drawing, a sum and a table, and what else would enlarge it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.fields.entry import cells, lines, read_cells, read_lines
from explorer.fields.page.stack import draw_stack, draw_what_if
from explorer.fields.presets import presets
from explorer.fields.stack import StackField, StackLayer, pair_text, place_text, stack_fields, written_out
from explorer.fields.what_if import what_if
from explorer.tabs.components import QUIET, note, on_screen
from explorer.tabs.fields.api import square
from explorer.tabs.fields.keep import keep_stack
from explorer.tabs.keeping import connect, keep_button

_HERE = Path(__file__).parent
_EDITOR = (_HERE / "stack_editor.js").read_text(encoding="utf-8")
_PICK = (_HERE / "pick.js").read_text(encoding="utf-8")
_PRESETS = presets()
_FIRST = next(iter(_PRESETS.values()))
_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_OWN = "Your own"
_KEPT = "What you see is still the last result."
_DEPTH = (
    "Depth adds a constant number of pixels per layer while all strides are 1. With depth fixed, larger kernels, "
    "dilation, strides and pooling enlarge the field; strides and pooling do so for every layer behind them."
)


def build(session: gr.State) -> None:
    """The part's content, inside the caller's ``gr.Tab``."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            preset = gr.Dropdown(
                [*_PRESETS, _OWN], value=_FIRST.name, label="Start from", elem_id="rf-preset"
            )
            shows = gr.HTML(note(_FIRST.shows), padding=False)
            editor = _editor()
            side = gr.Number(_FIRST.input_px, label="Side of the input (px), may stay empty", precision=0)
            with gr.Accordion("As text, one layer a line", open=False):
                text = gr.Textbox(
                    lines(_FIRST.layers), lines=5, max_lines=12, show_label=False, elem_id="rf-text"
                )
                take = gr.Button("Use this text", size="sm")
        with gr.Column(scale=6, min_width=320):
            message = gr.HTML("", padding=False, elem_classes="rf-message", elem_id="rf-message")
            result = gr.HTML(result_of(_FIRST.layers, _FIRST.input_px), padding=False, elem_id="rf-result")
            pin = keep_button("rf-stack-pin")
            with gr.Accordion("What if? One change at a time", open=True):
                at = gr.Slider(1, len(_FIRST.layers), 1, step=1, label="At layer", elem_id="rf-at")
                changes = _what_if_view()
                gr.HTML(note(_DEPTH), padding=False)
    with gr.Accordion("Layer by layer", open=True):
        table = gr.HTML(table_of(_FIRST.layers, _FIRST.input_px), padding=False, elem_id="rf-layers")

    showing: dict[str, Any] = {
        "fn": show,
        "inputs": [editor, side, at],
        "outputs": [message, result, at, changes, table, text],
        **_AT_ONCE,
    }
    own: dict[str, Any] = {"fn": lambda: (_OWN, ""), "inputs": None, "outputs": [preset, shows], **_AT_ONCE}
    gr.on([editor.edit, side.input, at.input], **showing)
    editor.edit(**own)
    preset.input(choose, preset, [editor, side, shows], **_AT_ONCE).then(**showing)
    applied = changes.select(on_screen(apply), [editor, at], editor, trigger_mode="multiple", **QUIET)
    taken = take.click(on_screen(take_text), text, editor, **QUIET)
    for changed in (applied, taken):
        changed.success(**showing).then(**own)

    def keep(value: Any, side: float | None) -> Any:
        measured = square(side)
        return keep_stack(read_cells(rows_of(value)), measured[0] if measured else None)

    connect(pin, session, keep, [editor, side])


def show(value: Any, side: float | None, at: float | None) -> tuple[Any, ...]:
    """Updates for (message, result, layer slider, changes, table, text); after an error only the message."""
    try:
        stack = read_cells(rows_of(value))
        place = min(max(int(at or 1), 1), len(stack))
        drawn = result_of(stack, side), changes_of(stack, place), table_of(stack, side)
    except ExplorerError as error:
        return alert(error), *[gr.skip()] * 5
    # A slider from 1 to 1 has no length to draw.
    slider = gr.Slider(maximum=max(len(stack), 2), value=place, visible=len(stack) > 1)
    return "", drawn[0], slider, drawn[1], drawn[2], lines(stack)


def choose(name: str) -> tuple[Any, ...]:
    """Updates for (editor, side, note) to start from a preset."""
    if name not in _PRESETS:
        return gr.skip(), gr.skip(), ""
    chosen = _PRESETS[name]
    return {"rows": cells(chosen.layers)}, chosen.input_px, note(chosen.shows)


def apply(value: Any, at: float, event: gr.EventData) -> dict[str, Any]:
    """The editor's content after one of the changes shown."""
    found = what_if(read_cells(rows_of(value)), int(at) - 1)
    return {"rows": cells(found[min(max(int(event.number), 0), len(found) - 1)].layers)}


def take_text(text: str) -> dict[str, Any]:
    """The editor's content for a text with one layer a line."""
    return {"rows": cells(read_lines(text))}


def rows_of(value: Any) -> list[dict[str, str]]:
    """The typed texts, whatever a client sent. Raises ExplorerError if they are no rows."""
    try:
        return [{str(key): str(cell) for key, cell in row.items()} for row in value["rows"]]
    except (TypeError, KeyError, AttributeError):
        raise ExplorerError("the table of layers", "could not be read", "reload the page") from None


def result_of(layers: Sequence[StackLayer], side: float | None) -> str:
    """The answer in large, the sum behind it, and the drawing: of both axes where they differ."""
    fields = stack_fields(layers, square(side))
    last = fields[-1]
    input_px = int(side) if side else None
    square_field = all(f.size[0] == f.size[1] for f in fields)
    names = {0: "field"} if square_field else {0: "height", 1: "width"}
    sums = "<br>".join(
        f"{name} = {html.escape(written_out(layers, axis))} px" for axis, name in names.items()
    )
    drawings = "".join(
        ("" if square_field else note(name.capitalize())) + draw_stack(layers, axis, input_px)
        for axis, name in names.items()
    )
    return (
        f'<p class="rf-answer">{pair_text(last.size, always_two=True)} pixels</p>'
        f'<p class="rf-sum">{sums}</p>{drawings}{note(_caption(last))}'
    )


def changes_of(layers: Sequence[StackLayer], at: int) -> str:
    """An arrow for each thing that could be changed at a layer, counted from 1."""
    return draw_what_if(what_if(layers, at - 1))


def table_of(layers: Sequence[StackLayer], side: float | None) -> str:
    """Every layer with its numbers and the arithmetic."""
    rows = "".join(
        _row(number, field) for number, field in enumerate(stack_fields(layers, square(side)), start=1)
    )
    heads = ("Size (px)", "Grows by", "Jump (px)", "Start (px)", "Map")
    head = "".join(f'<th class="number">{text}</th>' for text in heads)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Fields layer by layer"><table class="facts">'
        f"<tr><th>Layer</th><th>Settings</th><th>Size + (k − 1)·d·jump</th>{head}</tr>{rows}</table></div>"
    )


def alert(error: ExplorerError) -> str:
    """An error in its place on the page; the entries stay to be mended."""
    text = html.escape(f"{error.value[:1].upper()}{error.value[1:]} {error.rule}")
    remedy = html.escape(f"{error.remedy[:1].upper()}{error.remedy[1:]}")
    return f'<div class="rf-alert" role="alert"><b>{text}.</b> {remedy}. {_KEPT}</div>'


def _row(number: int, field: StackField) -> str:
    numbers = (
        pair_text(field.size),
        f"+{pair_text(field.growth)}",
        pair_text(field.stride),
        place_text(field.start),
        pair_text(field.units, always_two=True) if field.units else "",
    )
    sums = field.arithmetic(0)
    if field.size[0] != field.size[1]:
        sums = f"{sums}<br>{field.arithmetic(1)}"
    cells = "".join(f'<td class="number rf-keep">{text}</td>' for text in numbers)
    name = html.escape(field.layer.name or f"layer {number}")
    return (
        f"<tr><td>{name}</td><td>{html.escape(field.layer.settings)}</td>"
        f'<td class="rf-keep">{sums}</td>{cells}</tr>'
    )


def _caption(last: StackField) -> str:
    sentence = (
        f"One unit of the last map sees {last.size[0]} × {last.size[1]} input pixels; the next unit's field lies "
        f"{pair_text(last.stride)} px further, the first one's is centred on pixel {place_text(last.start)}."
    )
    if last.units:
        sentence += f" The last map has {last.units[0]} × {last.units[1]} units."
    return sentence


def _what_if_view() -> gr.HTML:
    return gr.HTML(
        changes_of(_FIRST.layers, 1),
        html_template="<div>${value}</div>",
        js_on_load=_PICK,
        apply_default_css=False,
        padding=False,
        elem_id="rf-what-if",
    )


def _editor() -> gr.HTML:
    return gr.HTML(
        {"rows": cells(_FIRST.layers)},
        html_template='<div class="stack-editor" role="group" aria-label="The layers of the stack"></div>',
        js_on_load=_EDITOR,
        apply_default_css=False,
        padding=False,
        elem_id="rf-editor",
    )
