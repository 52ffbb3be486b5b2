"""How a field grows through layers: a cone of units for short stacks, bars for long ones, arrows for changes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor

from explorer.fields.stack import KIND_NAMES, StackField, StackLayer, pair_text, stack_fields, taps
from explorer.fields.theoretical import ReceptiveField
from explorer.fields.what_if import WhatIf

MOST_CONE_PX = 48
MOST_CONE_LAYERS = 8
_WIDTH = 560
_NAMES = 132  # px at the left for names, and at the right for numbers
_NUMBERS = 84


def draw_stack(layers: Sequence[StackLayer], axis: int, input_px: int | None = None) -> str:
    """One axis of a stack: every unit and connection while they can be told apart, else one bar per layer."""
    fields = stack_fields(layers)
    if fields[-1].size[axis] <= MOST_CONE_PX and len(layers) <= MOST_CONE_LAYERS:
        return _cone(layers, fields, axis)
    return _bars(fields, axis, input_px)


def _cone(layers: Sequence[StackLayer], fields: Sequence[StackField], axis: int) -> str:
    """Rows of units, the input at the bottom: what one unit of the last map reads, map by map."""
    seen = taps(layers, axis)
    starts = [0.0, *(f.start[axis] for f in fields)]
    jumps = [1, *(f.stride[axis] for f in fields)]
    low, high = seen[0][0] - 1.5, seen[0][-1] + 1.5
    scale = (_WIDTH - _NAMES - _NUMBERS) / (high - low)
    step, rows = 46, len(seen)
    height = rows * step + 8

    def x(level: int, unit: int) -> float:
        return _NAMES + (starts[level] + jumps[level] * unit - low) * scale

    def y(level: int) -> float:
        return 8 + (rows - 1 - level) * step + 11

    lines, units = [], []
    for level in range(1, rows):
        layer = layers[level - 1]
        for unit in seen[level]:
            first = unit * layer.stride[axis] - layer.padding[axis]
            for tap in range(layer.kernel[axis]):
                below = first + tap * layer.dilation[axis]
                lines.append(
                    f"M{x(level, unit):.1f} {y(level) + 11}L{x(level - 1, below):.1f} {y(level - 1) - 11}"
                )
    for level in range(rows):
        side = min(22.0, 0.82 * jumps[level] * scale)
        first = ceil((low - starts[level]) / jumps[level])
        last = floor((high - starts[level]) / jumps[level])
        for unit in range(first, last + 1):
            style = "rf-cell rf-lit" if unit in seen[level] else "rf-cell"
            units.append(
                f'<rect x="{x(level, unit) - side / 2:.1f}" y="{y(level) - 11:g}" width="{side:.1f}" '
                f'height="22" rx="2" class="{style}"/>'
            )
    texts = [_row_text(y(level), *_row_words(fields, level, axis)) for level in range(rows)]
    sentence = f"One unit behind {len(layers)} layers sees {fields[-1].size[axis]} input pixels"
    return _svg(
        f'<path d="{"".join(lines)}" class="rf-taps"/>{"".join(units)}{"".join(texts)}', height, sentence
    )


def _bars(fields: Sequence[StackField], axis: int, input_px: int | None) -> str:
    """A bar as long as the field behind each layer that enlarges it, its own part in colour."""
    growing = [f for f in fields if f.growth[axis]] or list(fields[-1:])
    widest = max(fields[-1].size[axis], input_px or 0)
    room = _WIDTH - _NAMES - _NUMBERS
    middle, scale, step = _NAMES + room / 2, room / widest, 20
    height = (len(growing) + 1) * step
    parts = []
    if input_px:
        left, right = middle - input_px * scale / 2, middle + input_px * scale / 2
        parts.append(f'<path d="M{left:.1f} 0V{height}M{right:.1f} 0V{height}" class="rf-input"/>')
    for row, field in enumerate(growing):
        y = row * step + 4
        long, short = field.size[axis] * scale, (field.size[axis] - field.growth[axis]) * scale
        parts.append(_bar(middle, y, long, "rf-grown") + _bar(middle, y, short, "rf-before"))
        name = field.layer.name or KIND_NAMES[field.layer.kind]
        parts.append(_row_text(y + 6, name, f"{field.size[axis]} px", f"+{field.growth[axis]}"))
    if input_px:
        sentence = f"the input: {input_px} px"
        parts.append(
            f'<text x="{middle:g}" y="{height - 6}" class="rf-text rf-middle rf-faint">{sentence}</text>'
        )
    sentence = f"The field grows from {growing[0].size[axis]} to {fields[-1].size[axis]} px over {len(fields)} layers"
    return _svg("".join(parts), height, sentence)


def draw_what_if(changes: Sequence[WhatIf]) -> str:
    """An arrow per change, from the field as it is to what it would be; buttons carry the change's number."""
    most = max(max(c.size_after) for c in changes)
    least = max(changes[0].size_before)
    room, left = 300, 6
    rows = []
    for number, change in enumerate(changes):
        before, after = max(change.size_before), max(change.size_after)
        x0, x1 = (left + room * size / max(most, least) for size in (before, after))
        arrow = (
            f'<path d="M{x0:.1f} 10H{x1:.1f}" class="rf-arrow"/>'
            f'<path d="M{x1:.1f} 10l-7 -4v8z" class="rf-head"/>'
            if after > before
            else ""
        )
        drawn = (
            f'<svg viewBox="0 0 {room + 2 * left} 20" class="rf-change" aria-hidden="true">'
            f'<path d="M{left} 10H{x0:.1f}" class="rf-base"/>{arrow}'
            f'<circle cx="{x0:.1f}" cy="10" r="3.5" class="rf-dot"/></svg>'
        )
        rows.append(
            f"<tr><td><b>{escape(change.knob.capitalize())}</b><span>{escape(change.change)}</span></td>"
            f"<td>{drawn}<span>{escape(_effect(change))}</span></td>"
            f'<td><button type="button" data-apply="{number}" aria-label="Apply: {escape(change.change)}">Apply'
            "</button></td></tr>"
        )
    return f'<table class="rf-what-if">{"".join(rows)}</table>'


def draw_growth(fields: Sequence[ReceptiveField], input_px: int, chosen: str = "") -> str:
    """The local field of every map of a network, in execution order, beside the side of its input."""
    sizes = [max(f.local_size) for f in fields]
    top, height, left = max(*sizes, input_px) * 1.04, 190, 44
    room = _WIDTH - left - 8

    def x(i: float) -> float:
        return left + room * i / max(1, len(sizes) - 1)

    def y(px: float) -> float:
        return 8 + (height - 30) * (1 - px / top)

    line = "".join(f"{'L' if i else 'M'}{x(i):.1f} {y(size):.1f}" for i, size in enumerate(sizes))
    marks = "".join(
        f'<circle cx="{x(i):.1f}" cy="{y(max(f.local_size)):.1f}" r="4.5" class="rf-dot"/>'
        for i, f in enumerate(fields)
        if f.layer == chosen
    )
    parts = (
        f'<path d="M{left} {y(input_px):.1f}H{_WIDTH - 8}" class="rf-input"/>'
        f'<text x="{_WIDTH - 10}" y="{y(input_px) - 5:.1f}" class="rf-text rf-end rf-faint">the input: '
        f"{input_px} px</text>"
        f'<path d="M{left} {y(0):.1f}H{_WIDTH - 8}M{left} 8V{y(0):.1f}" class="rf-axis"/>'
        f'<path d="{line}" class="rf-line"/>{marks}'
        f'<text x="{left - 6}" y="14" class="rf-text rf-end">{max(sizes)}</text>'
        f'<text x="{left - 6}" y="{y(0):.1f}" class="rf-text rf-end">0 px</text>'
        f'<text x="{left}" y="{height - 4}" class="rf-text rf-faint">first layer</text>'
        f'<text x="{_WIDTH - 8}" y="{height - 4}" class="rf-text rf-end rf-faint">last map</text>'
    )
    sentence = f"Field sizes of {len(sizes)} maps, from {sizes[0]} to {max(sizes)} px, input {input_px} px"
    return _svg(parts, height, sentence)


def _effect(change: WhatIf) -> str:
    before, after = pair_text(change.size_before), pair_text(change.size_after)
    grown = max(change.size_after) - max(change.size_before)
    sentence = f"{before} → {after} px (+{grown}): " if grown else f"stays {before} px: "
    return sentence + change.reason


def _row_words(fields: Sequence[StackField], level: int, axis: int) -> tuple[str, str, str]:
    if level == 0:
        return "input", f"{fields[-1].size[axis]} px seen", ""
    field = fields[level - 1]
    name = field.layer.name or f"layer {level}"
    short = f"{KIND_NAMES[field.layer.kind]} {pair_text(field.layer.kernel)}"
    return f"{name} · {short}", f"{field.size[axis]} px", f"+{field.growth[axis]}"


def _row_text(y: float, name: str, size: str, grown: str) -> str:
    grown = f' <tspan class="rf-faint">{grown}</tspan>' if grown else ""
    return (
        f'<text x="0" y="{y + 4:g}" class="rf-text">{escape(_short(name))}</text>'
        f'<text x="{_WIDTH}" y="{y + 4:g}" class="rf-text rf-end">{size}{grown}</text>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:20]}…"


def _bar(middle: float, y: float, long: float, style: str) -> str:
    return (
        f'<rect x="{middle - long / 2:.1f}" y="{y}" width="{long:.1f}" height="13" rx="2" class="{style}"/>'
    )


def _svg(content: str, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" class="rf-drawing" role="img" aria-label="{escape(label)}">'
        f"{content}</svg>"
    )
