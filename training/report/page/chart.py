"""Curves over epochs as SVG: axes labelled, legend with the last values, readable on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 10, 40
ACCENT = "var(--color-accent)"
# Okabe and Ito (2008), told apart with every common colour blindness; the first is the app's own.
COLORS = (ACCENT, "#D55E00", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#009E73")


@dataclass(frozen=True)
class Curve:
    """One line: ``points`` are (epoch, value), ``band`` how far each value spreads to both sides.

    ``growing``: the last point is of an epoch that still runs, and is drawn hollow.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    color: str = ACCENT
    dashed: bool = False
    band: tuple[float, ...] = ()
    growing: bool = False


@dataclass(frozen=True)
class Axes:
    """What is drawn against what: the last epoch to make room for, the unit, and fixed ends of the scale.

    ``percent``: values are shares. ``points``: they are differences of shares, in percentage points.
    """

    title: str
    last_epoch: int
    percent: bool = False
    points: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def times(self) -> int:
        """What the axis multiplies a value by."""
        return 100 if self.percent or self.points else 1

    @property
    def unit(self) -> str:
        """With a blank before it; empty for plain numbers."""
        return " points" if self.points else " %" if self.percent else ""

    def text(self, value: float) -> str:
        """A value with its unit: shares and their differences in hundredths, everything else to three digits."""
        text = f"{100 * value:.1f}" if self.unit else f"{value:.3g}"
        return f"{_signed(text)}{self.unit}"


def _signed(text: str) -> str:
    """A number with a minus sign, not a hyphen; nothing is less than 0 by being rounded to it."""
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


@dataclass(frozen=True)
class _Scale:
    """From data to pixels of the drawing."""

    epochs: tuple[float, float]
    values: tuple[float, float]

    def x(self, epoch: float) -> float:
        low, high = self.epochs
        return LEFT + (epoch - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.values
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def draw_chart(curves: Sequence[Curve], axes: Axes) -> str:
    """A figure with its legend. Without any curve the axes stand alone."""
    ticks = value_ticks(*_span(curves, axes))
    scale = _Scale((0.0 if _starts_early(curves) else 1.0, max(2.0, axes.last_epoch)), (ticks[0], ticks[-1]))
    sentence = "; ".join(f"{curve.name} {axes.text(curve.points[-1][1])}" for curve in curves if curve.points)
    drawn = "".join(_draw_curve(curve, scale, axes) for curve in curves if curve.points)
    return (
        f'<figure class="tr-chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(axes.title)} by epoch. {escape(sentence or "No epoch yet")}">'
        f"{_draw_axes(scale, ticks, axes)}{drawn}</svg>{_legend(curves, axes)}</figure>"
    )


def value_ticks(low: float, high: float, parts: int = 5) -> list[float]:
    """Round numbers (steps of 1, 2 or 5 times a power of ten) that begin at or below ``low`` and end at or above
    ``high``."""
    # Values that hardly differ get room around them: equal ones have no span, and huge ones no digits left for it.
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        room = max(0.5, 0.1 * abs(low))
        low, high = low - room, high + room
    rough = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def epoch_ticks(first: int, last: int, most: int = 10) -> list[int]:
    """At most ``most`` + 1 whole epochs, in steps of 1, 2 or 5 times a power of ten, with the last one."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    step = next(step for step in steps if (last - first) / step <= most)
    ticks = [epoch for epoch in range(first, last + 1) if epoch % step == 0 or epoch == first]
    # The last epoch is what one looks for; a neighbour that its number would touch steps back.
    return [tick for tick in ticks if last - tick >= max(1, 0.6 * step)] + [last]


def _span(curves: Sequence[Curve], axes: Axes) -> tuple[float, float]:
    values = [
        value + sign * spread
        for curve in curves
        for (_, value), spread in zip(curve.points, curve.band or (0.0,) * len(curve.points), strict=True)
        for sign in (-1, 1)
        if math.isfinite(value)
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if axes.percent and not axes.points:  # no room above 100 % or below 0
        low, high = max(0.0, low), min(1.0, high)
    return (axes.low if axes.low is not None else low), (axes.high if axes.high is not None else high)


def _starts_early(curves: Sequence[Curve]) -> bool:
    return any(curve.points and curve.points[0][0] < 1 for curve in curves)


def _draw_axes(scale: _Scale, ticks: Sequence[float], axes: Axes) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    digits = max(0, -math.floor(math.log10((ticks[1] - ticks[0]) * axes.times) + 1e-9))
    parts = []
    for tick in ticks:
        y = scale.y(tick)
        text = f"{axes.times * tick:.{digits}f}"
        text = _signed(f"{tick:.0e}".replace("e+", "e") if len(text) > 6 else text)
        parts.append(f'<line class="tr-grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tr-tick" x="{LEFT - 6}" y="{y:.1f}" text-anchor="end">{text}</text>')
    for epoch in epoch_ticks(int(scale.epochs[0]), int(scale.epochs[1])):
        x = scale.x(epoch)
        parts.append(f'<line class="tr-axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(
            f'<text class="tr-tick" x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{epoch}</text>'
        )
    parts.append(f'<path class="tr-axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    middle = (TOP + bottom) / 2
    unit = f"{axes.title} ({axes.unit.strip()})" if axes.unit else axes.title
    parts.append(f'<text x="{(LEFT + right) / 2:g}" y="{HEIGHT - 6}" text-anchor="middle">epoch</text>')
    parts.append(
        f'<text transform="translate(11 {middle:g}) rotate(-90)" text-anchor="middle">{escape(unit)}</text>'
    )
    return "".join(parts)


def _draw_curve(curve: Curve, scale: _Scale, axes: Axes) -> str:
    low, high = scale.values
    points = [(e, v) for e, v in curve.points if math.isfinite(v)]
    spots = [(scale.x(e), scale.y(min(max(v, low), high))) for e, v in points]
    parts = [_draw_band(curve, scale)] if curve.band else []
    dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{curve.color}" stroke-width="2"{dash}/>')
    for number, ((epoch, value), (x, y)) in enumerate(zip(points, spots, strict=True)):
        hollow = curve.growing and number == len(spots) - 1
        where = f"within epoch {math.ceil(epoch)}" if hollow else f"epoch {epoch:g}"
        spread = f" ± {axes.text(curve.band[number])}" if curve.band else ""
        fill = "var(--background-fill-primary)" if hollow else curve.color
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.5 if hollow or number == len(spots) - 1 else 2.5}" '
            f'fill="{fill}" stroke="{curve.color}"><title>{escape(curve.name)}, {where}: '
            f"{axes.text(value)}{spread}</title></circle>"
        )
    return f"<g>{''.join(parts)}</g>"


def _draw_band(curve: Curve, scale: _Scale) -> str:
    pairs = list(zip(curve.points, curve.band, strict=True))
    low, high = scale.values
    upper = [(e, min(v + spread, high)) for (e, v), spread in pairs]
    lower = [(e, max(v - spread, low)) for (e, v), spread in reversed(pairs)]
    outline = " ".join(f"{scale.x(e):.1f},{scale.y(v):.1f}" for e, v in upper + lower)
    return f'<polygon points="{outline}" fill="{curve.color}" opacity="0.18"/>'


def _legend(curves: Sequence[Curve], axes: Axes) -> str:
    items = []
    for curve in curves:
        dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
        value = axes.text(curve.points[-1][1]) if curve.points else "–"
        items.append(
            f'<li><svg viewBox="0 0 22 8" width="22" height="8" aria-hidden="true"><line x1="0" x2="22" y1="4" y2="4" '
            f'stroke="{curve.color}" stroke-width="2.5"{dash}/></svg>{escape(curve.name)} <b>{value}</b></li>'
        )
    return f"<figcaption><ul>{''.join(items)}</ul></figcaption>"
