"""How a field grows through layers: a cone of units for short stacks, bars for long ones, arrows for changes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from explorer.fields.growth import WIDTH, GrowthCurve, Label, StackDrawing
from explorer.fields.stack import pair_text
from explorer.fields.what_if import WhatIf

_STYLES = {"unit": "rf-cell", "seen": "rf-cell rf-lit", "grown": "rf-grown", "before": "rf-before"}
_ANCHORS = {"start": "", "middle": " rf-middle", "end": " rf-end"}
_CURVE_HEIGHT, _CURVE_LEFT, _CURVE_TOP, _CURVE_BOTTOM = 200, 44, 22, 34
_ROOM, _EDGE = 300, 6  # of an arrow's drawing


def draw_stack(drawing: StackDrawing) -> Markup:
    """One axis of a stack: every unit and connection while they can be told apart, else one bar per layer."""
    box = Markup('<rect x="{:.1f}" y="{:g}" width="{:.1f}" height="{:g}" rx="2" class="{}"/>')
    edges = "".join(f"M{x:.1f} 0V{drawing.height:g}" for x in drawing.input_edges)
    connections = "".join(f"M{x0:.1f} {y0:g}L{x1:.1f} {y1:g}" for x0, y0, x1, y1 in drawing.taps)
    parts = [
        _path(edges, "rf-input"),
        _path(connections, "rf-taps"),
        *(box.format(r.x, r.y, r.width, r.height, _STYLES[r.kind]) for r in drawing.rectangles),
        *(_text(label) for label in drawing.labels),
    ]
    return _svg(parts, drawing.height, drawing.sentence)


def draw_what_if(changes: Sequence[WhatIf]) -> Markup:
    """An arrow per change, from the field as it is to what it would be; buttons carry the change's number."""
    most = max(max(max(change.size_after), max(change.size_before)) for change in changes)
    row = Markup(
        "<tr><td><b>{knob}</b><span>{change}</span></td><td>{drawn}<span>{effect}</span></td>"
        '<td><button type="button" data-apply="{number}" aria-label="Apply: {change}">Apply</button></td></tr>'
    )
    rows = Markup("").join(
        row.format(
            knob=change.knob.capitalize(),
            change=change.change,
            drawn=_arrow(max(change.size_before) / most, max(change.size_after) / most),
            effect=_effect(change),
            number=number,
        )
        for number, change in enumerate(changes)
    )
    return Markup('<table class="rf-what-if">{}</table>').format(rows)


def draw_growth(curve: GrowthCurve) -> Markup:
    """The local field of every map of a network, in execution order, beside the side of its input.

    A network without maps has no curve, and nothing is drawn.
    """
    if not curve.sizes:
        return Markup("")
    left, right = _CURVE_LEFT, WIDTH - 8
    bottom = _CURVE_HEIGHT - _CURVE_BOTTOM

    def x(i: float) -> float:
        return left + (right - left) * i / max(1, len(curve.sizes) - 1)

    def y(px: float) -> float:
        return _CURVE_TOP + (bottom - _CURVE_TOP) * (1 - px / curve.top)

    # As far as the next map, a field has the size that it has behind this one.
    steps = "".join(f"H{x(i):.1f}V{y(size):.1f}" for i, size in enumerate(curve.sizes))
    marked = Markup("")
    if curve.chosen is not None:
        dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.5" class="rf-dot"/>')
        marked = dot.format(x(curve.chosen), y(curve.sizes[curve.chosen]))
    labels = [
        *(Label(left - 6, y(tick), f"{tick}", "end") for tick in curve.ticks),
        Label(left, 8, curve.y_label, faint=True),
        Label((left + right) / 2, _CURVE_HEIGHT - 10, curve.x_label, "middle", faint=True),
        Label(left + 6, y(curve.input_px) - 8, curve.input_label, faint=True),
    ]
    parts = [
        _path("".join(f"M{left} {y(tick):.1f}H{right}" for tick in curve.ticks), "rf-gridline"),
        _path(f"M{left} {y(curve.input_px):.1f}H{right}", "rf-input"),
        _path(f"M{left} {bottom}H{right}M{left} {_CURVE_TOP}V{bottom}", "rf-axis"),
        _path(f"M{left} {y(curve.sizes[0]):.1f}{steps}", "rf-line"),
        marked,
        *(_text(label) for label in labels),
    ]
    return _svg(parts, _CURVE_HEIGHT, curve.sentence)


def _arrow(before: float, after: float) -> Markup:
    """From one share of the room to another; a dot alone where nothing grows."""
    x0, x1 = (_EDGE + _ROOM * share for share in (before, after))
    grown = _path(f"M{x0:.1f} 10H{x1:.1f}", "rf-arrow") + _path(f"M{x1:.1f} 10l-7 -4v8z", "rf-head")
    return Markup(
        '<svg viewBox="0 0 {} 20" class="rf-change" aria-hidden="true">{}{}'
        '<circle cx="{:.1f}" cy="10" r="3.5" class="rf-dot"/></svg>'
    ).format(
        _ROOM + 2 * _EDGE, _path(f"M{_EDGE} 10H{x0:.1f}", "rf-base"), grown if after > before else "", x0
    )


def _effect(change: WhatIf) -> str:
    before, after = pair_text(change.size_before), pair_text(change.size_after)
    grown = max(change.size_after) - max(change.size_before)
    sentence = f"{before} → {after} px (+{grown}): " if grown else f"stays {before} px: "
    return sentence + change.reason


def _path(d: str, style: str) -> Markup:
    return Markup('<path d="{}" class="{}"/>').format(d, style) if d else Markup("")


def _text(label: Label) -> Markup:
    style = f"rf-text{_ANCHORS[label.anchor]}{' rf-faint' if label.faint else ''}"
    # A text's y is its base line, a third of the letters' height below their middle.
    return Markup('<text x="{:g}" y="{:g}" class="{}">{}</text>').format(
        label.x, label.y + 4, style, label.text
    )


def _svg(parts: Sequence[Markup], height: float, label: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {:g}" class="rf-drawing" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, label, Markup("").join(parts)
    )
