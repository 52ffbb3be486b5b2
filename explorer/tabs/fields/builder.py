"""A stack of layers built by hand: its field as a drawing, a sum and a table, and what else would enlarge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.convolution.page.alert import alert
from explorer.errors import ExplorerError
from explorer.fields.entry import cells, lines, read_cells, read_lines
from explorer.fields.growth import stack_drawings
from explorer.fields.page.stack import draw_stack, draw_what_if
from explorer.fields.page.tables import draw_stack_table
from explorer.fields.presets import presets
from explorer.fields.stack import StackField, StackLayer, pair_text, place_text, stack_fields, written_out
from explorer.fields.what_if import what_if
from explorer.tabs.components import QUIET, Updates, Values, note, on_screen
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


@dataclass(frozen=True)
class _Builder:
    """The components that the stack is typed into, and those that show it."""

    editor: gr.HTML
    side: gr.Number
    text: gr.Textbox
    at: gr.Slider
    message: gr.HTML
    result: gr.HTML
    changes: gr.HTML
    table: gr.HTML


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

    parts = _Builder(editor, side, text, at, message, result, changes, table)
    showing = _showing(parts)
    # What never changes needn't be said once more; of one event two listeners mustn't: see components.when_seen.
    once = _AT_ONCE | {"trigger_mode": "once"}
    own: dict[str, Any] = {"fn": lambda: (_OWN, ""), "inputs": None, "outputs": [preset, shows], **once}
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


def _showing(parts: _Builder) -> dict[str, Any]:
    """The event's arguments that show what is in the editor; after an error only the message changes."""

    def show(given: Values) -> Updates:
        side = given[parts.side]
        try:
            stack = read_cells(rows_of(given[parts.editor]))
            place = min(max(int(given[parts.at] or 1), 1), len(stack))
            return {
                parts.result: result_of(stack, side),
                parts.changes: changes_of(stack, place),
                parts.table: table_of(stack, side),
                # A slider from 1 to 1 has no length to draw.
                parts.at: gr.Slider(maximum=max(len(stack), 2), value=place, visible=len(stack) > 1),
                parts.text: lines(stack),
                parts.message: "",
            }
        except ExplorerError as error:
            return {parts.message: alert(error, _KEPT, "rf-alert")}

    outputs = [parts.message, parts.result, parts.at, parts.changes, parts.table, parts.text]
    return {"fn": show, "inputs": {parts.editor, parts.side, parts.at}, "outputs": outputs, **_AT_ONCE}


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


def result_of(layers: Sequence[StackLayer], side: float | None) -> Markup:
    """The answer in large, the sum behind it, and the drawing: of both axes where they differ."""
    last = stack_fields(layers, square(side))[-1]
    drawings = stack_drawings(layers, square(side))
    several = len(drawings) > 1
    sums = Markup("<br>").join(
        f"{name.lower()} = {written_out(layers, axis)} px" for axis, name in enumerate(drawings)
    )
    drawn = Markup("").join(
        (note(name) if several else Markup("")) + draw_stack(drawing) for name, drawing in drawings.items()
    )
    return Markup('<p class="rf-answer">{} pixels</p><p class="rf-sum">{}</p>{}{}').format(
        pair_text(last.size, always_two=True), sums, drawn, note(_caption(last))
    )


def changes_of(layers: Sequence[StackLayer], at: int) -> Markup:
    """An arrow for each thing that could be changed at a layer, counted from 1."""
    return draw_what_if(what_if(layers, at - 1))


def table_of(layers: Sequence[StackLayer], side: float | None) -> Markup:
    """Every layer with its numbers and the arithmetic."""
    return draw_stack_table(stack_fields(layers, square(side)))


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
