"""The output size of a convolution on a number line: every position of the kernel, and what is left over."""

from __future__ import annotations

from explorer.convolution.arithmetic import size_formula
from explorer.convolution.size import SizeDerivation

_WIDTH_PX = 760
_LABELS_PX = 66  # left of the line: the number of the position
_ROWS_PX = 230  # for all positions together


def draw_number_line(derivation: SizeDerivation) -> str:
    """One row per position: dots for the pixels it reads, the rest that the floor drops greyed."""
    low, high = -derivation.padding, derivation.size + derivation.padding - 1
    cell = min(44.0, (_WIDTH_PX - _LABELS_PX) / derivation.padded)
    row = min(22.0, _ROWS_PX / derivation.output)
    parts = [_pixel(derivation, at, _LABELS_PX + (at - low) * cell, cell) for at in range(low, high + 1)]
    for position in range(derivation.output):
        y = 40 + position * row + row / 2
        centres = [_LABELS_PX + (tap - low + 0.5) * cell for tap in derivation.taps(position)]
        if row >= 12:
            parts.append(f'<text x="0" y="{y:g}" class="cv-position">output {position + 1}</text>')
        ends = f'x1="{centres[0]:g}" y1="{y:g}" x2="{centres[-1]:g}" y2="{y:g}"'
        parts.append(f'<line {ends} class="cv-reach" style="stroke-width:{max(1.5, row / 4):g}px"/>')
        radius = max(1.5, min(row, cell) / 3.2)
        parts += [f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="cv-tap"/>' for x in centres]
    height = 40 + derivation.output * row + 8
    width = _LABELS_PX + derivation.padded * cell + 4
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'class="cv-line" aria-label="{derivation.output} positions of the kernel on {derivation.padded} pixels">'
        f"{_left_over(derivation, cell, height)}{''.join(parts)}</svg>"
    )


def draw_derivation(derivation: SizeDerivation) -> str:
    """The steps from the numbers to the size, and the formula that they make up."""
    d = derivation
    lines = "".join(
        f'<li><span class="cv-title">{step.title}</span><span class="cv-sums">{step.arithmetic}</span>'
        f'<span class="cv-reason">{step.reason}</span></li>'
        for step in d.steps
    )
    numbers = size_formula(d.size, d.kernel, d.stride, d.padding, d.dilation)
    return (
        f'<p class="cv-formula"><i>o</i> = ⌊(<i>n</i> + 2<i>p</i> − <i>d</i>(<i>k</i> − 1) − 1) / <i>s</i>⌋ + 1 '
        f"<br/>= {numbers.rsplit(' = ', 1)[0]} = <b>{d.output}</b></p><ol class='cv-steps'>{lines}</ol>"
    )


def line_caption(derivation: SizeDerivation) -> str:
    """What the number line shows, in words."""
    d = derivation
    text = f"Each row is one position of the kernel, {d.stride} further than the one above: <b>{d.output} outputs</b>."
    if d.padding:
        text += f" Dashed pixels are padding, {d.padding} on either side."
    if d.left_over:
        text += f" Grey on the right: {d.left_over} left over, which no position reaches."
    return text


def _pixel(derivation: SizeDerivation, at: int, x: float, cell: float) -> str:
    inside = 0 <= at < derivation.size
    rect = (
        f'<rect x="{x + 1:g}" y="2" width="{max(cell - 2, 1):g}" height="28" rx="3" '
        f'class="cv-cell{"" if inside else " cv-padded"}"/>'
    )
    if not inside or cell < 14:
        return rect
    return rect + f'<text x="{x + cell / 2:g}" y="16" class="cv-text">{at + 1}</text>'


def _left_over(derivation: SizeDerivation, cell: float, height: float) -> str:
    if not derivation.left_over:
        return ""
    x = _LABELS_PX + (derivation.padded - derivation.left_over) * cell
    return (
        f'<rect x="{x:g}" y="0" width="{derivation.left_over * cell:g}" height="{height:g}" class="cv-rest"/>'
    )
