"""The output size of a convolution on a number line: every position of the kernel, and what is left over."""

from __future__ import annotations

from markupsafe import Markup

from explorer.convolution.arithmetic import size_formula
from explorer.convolution.page.matrix import cell_box, cell_text
from explorer.convolution.size import SizeDerivation

_WIDTH_PX = 760
_LABELS_PX = 66  # left of the line: the number of the position
_ROWS_PX = 230  # for all positions together
_PIXEL_PX = 32  # the height of a pixel of the line
_TOP_PX = 40  # above the first position


def draw_number_line(derivation: SizeDerivation) -> Markup:
    """One row per position: dots for the pixels it reads, the rest that the floor drops greyed."""
    low, high = -derivation.padding, derivation.size + derivation.padding - 1
    cell = min(44.0, (_WIDTH_PX - _LABELS_PX) / derivation.padded)
    row = min(22.0, _ROWS_PX / derivation.output)
    height = _TOP_PX + derivation.output * row + 8
    parts = [_left_over(derivation, cell, height)]
    parts += [_pixel(derivation, at, _LABELS_PX + (at - low) * cell, cell) for at in range(low, high + 1)]
    parts += [_position(derivation, position, row, cell) for position in range(derivation.output)]
    return Markup(
        '<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" class="cv-line" '
        'aria-label="{label}">{content}</svg>'
    ).format(
        width=_LABELS_PX + derivation.padded * cell + 4,
        height=height,
        label=f"{derivation.output} positions of the kernel on {derivation.padded} pixels",
        content=Markup("").join(parts),
    )


def draw_derivation(derivation: SizeDerivation) -> Markup:
    """The steps from the numbers to the size, and the formula that they make up."""
    d = derivation
    line = Markup(
        '<li><span class="cv-title">{}</span><span class="cv-sums">{}</span><span class="cv-reason">{}</span></li>'
    )
    numbers = size_formula(d.size, d.kernel, d.stride, d.padding, d.dilation)
    return Markup(
        '<p class="cv-formula"><i>o</i> = ⌊(<i>n</i> + 2<i>p</i> − <i>d</i>(<i>k</i> − 1) − 1) / <i>s</i>⌋ + 1 '
        "<br/>= {} = <b>{}</b></p><ol class='cv-steps'>{}</ol>"
    ).format(
        numbers.rsplit(" = ", 1)[0],
        d.output,
        Markup("").join(line.format(step.title, step.arithmetic, step.reason) for step in d.steps),
    )


def line_caption(derivation: SizeDerivation) -> Markup:
    """What the number line shows, in words."""
    d = derivation
    rest = ""
    if d.padding:
        rest += f" Dashed pixels are padding, {d.padding} on either side."
    if d.left_over:
        rest += f" Grey on the right: {d.left_over} left over, which no position reaches."
    return Markup(
        "Each row is one position of the kernel, {} further than the one above: <b>{} outputs</b>.{}"
    ).format(d.stride, d.output, rest)


def _position(derivation: SizeDerivation, position: int, row: float, cell: float) -> Markup:
    """One position's number, the reach of the kernel there, and a dot on each pixel that it reads."""
    y = _TOP_PX + position * row + row / 2
    centres = [_LABELS_PX + (tap + derivation.padding + 0.5) * cell for tap in derivation.taps(position)]
    named = Markup('<text x="0" y="{:g}" class="cv-position">output {}</text>').format(y, position + 1)
    reach = Markup(
        '<line x1="{:g}" y1="{y:g}" x2="{:g}" y2="{y:g}" class="cv-reach" style="stroke-width:{:g}px"/>'
    ).format(centres[0], centres[-1], max(1.5, row / 4), y=y)
    dot = Markup('<circle cx="{:g}" cy="{:g}" r="{:g}" class="cv-tap"/>')
    dots = Markup("").join(dot.format(x, y, max(1.5, min(row, cell) / 3.2)) for x in centres)
    return (named if row >= 12 else Markup("")) + reach + dots


def _pixel(derivation: SizeDerivation, at: int, x: float, cell: float) -> Markup:
    inside = 0 <= at < derivation.size
    box = cell_box(x, 0, max(cell, 3), _PIXEL_PX, "" if inside else " cv-padded")
    if not inside or cell < 14:
        return box
    return box + cell_text(x + cell / 2, _PIXEL_PX / 2, str(at + 1), "")


def _left_over(derivation: SizeDerivation, cell: float, height: float) -> Markup:
    if not derivation.left_over:
        return Markup("")
    x = _LABELS_PX + (derivation.padded - derivation.left_over) * cell
    return Markup('<rect x="{:g}" y="0" width="{:g}" height="{:g}" class="cv-rest"/>').format(
        x, derivation.left_over * cell, height
    )
