"""Curves over epochs as SVG: axes labelled, legend with the last values, readable on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from training.report.chart import EPOCH_LABEL, Axes, Chart, Curve, Spot

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 10, 40
_FIGURE = Markup(
    '<figure class="tr-chart"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{title} by epoch. {values}">'
    "{axes}{curves}</svg>{legend}</figure>"
)
_GRID_LINE = Markup('<line class="tr-grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
_VALUE = Markup('<text class="tr-tick" x="{x}" y="{y:.1f}" text-anchor="end">{text}</text>')
_EPOCH_LINE = Markup('<line class="tr-axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y1}" y2="{y2}"/>')
_EPOCH = Markup('<text class="tr-tick" x="{x:.1f}" y="{y}" text-anchor="middle">{epoch}</text>')
_FRAME = Markup(
    '<path class="tr-axis" d="M{left} {top}V{bottom}H{right}"/>'
    '<text x="{middle:g}" y="{below}" text-anchor="middle">{epoch}</text>'
    '<text transform="translate(11 {height:g}) rotate(-90)" text-anchor="middle">{label}</text>'
)
_BAND = Markup('<polygon points="{points}" fill="{colour}" opacity="0.18"/>')
_LINE = Markup('<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
# A long run has thousands: written this way, a circle takes half the time of "format".
_CIRCLE = Markup(
    '<circle cx="%.1f" cy="%.1f" r="%s" fill="%s" stroke="%s"><title>%s, %s: %s%s</title></circle>'
)
_DASH = Markup(' stroke-dasharray="5 4"')
_LEGEND = Markup("<figcaption><ul>{}</ul></figcaption>")
_LEGEND_LINE = Markup(
    '<li><svg viewBox="0 0 22 8" width="22" height="8" aria-hidden="true"><line x1="0" x2="22" y1="4" y2="4" '
    'stroke="{colour}" stroke-width="2.5"{dash}/></svg>{name} <b>{value}</b></li>'
)


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


def draw_chart(chart: Chart) -> Markup:
    """A figure with its legend. Without any curve the axes stand alone."""
    axes, scale = chart.axes, _Scale(chart.epochs, chart.limits)
    drawn = [curve for curve in chart.curves if curve.points]
    values = "; ".join(f"{curve.name} {axes.text(curve.points[-1][1])}" for curve in drawn)
    return _FIGURE.format(
        width=WIDTH,
        height=HEIGHT,
        title=axes.title,
        values=values or "No epoch yet",
        axes=_draw_axes(scale, chart),
        curves=Markup("").join(_draw_curve(chart, curve, scale) for curve in drawn),
        legend=_legend(chart.curves, axes),
    )


def _draw_axes(scale: _Scale, chart: Chart) -> Markup:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick, text in zip(chart.ticks, chart.tick_texts, strict=True):
        parts.append(_GRID_LINE.format(left=LEFT, right=right, y=scale.y(tick)))
        parts.append(_VALUE.format(x=LEFT - 6, y=scale.y(tick), text=text))
    for epoch in chart.epoch_ticks:
        parts.append(_EPOCH_LINE.format(x=scale.x(epoch), y1=bottom, y2=bottom + 4))
        parts.append(_EPOCH.format(x=scale.x(epoch), y=bottom + 13, epoch=epoch))
    frame = _FRAME.format(
        left=LEFT,
        top=TOP,
        bottom=bottom,
        right=right,
        middle=(LEFT + right) / 2,
        below=HEIGHT - 6,
        epoch=EPOCH_LABEL,
        height=(TOP + bottom) / 2,
        label=chart.axes.label,
    )
    return Markup("").join([*parts, frame])


def _draw_curve(chart: Chart, curve: Curve, scale: _Scale) -> Markup:
    spots = chart.spots(curve)
    places = [(scale.x(spot.epoch), scale.y(spot.middle)) for spot in spots]
    line = _LINE.format(points=_points(places), colour=curve.colour, dash=_DASH if curve.dashed else "")
    band = _draw_band(spots, curve.colour, scale) if curve.band else Markup("")
    circles = []
    for number, (spot, (x, y)) in enumerate(zip(spots, places, strict=True)):
        last = number == len(spots) - 1
        hollow = curve.growing and last
        radius = 3.5 if last else 2.5
        fill = "var(--background-fill-primary)" if hollow else curve.colour
        where = f"within epoch {math.ceil(spot.epoch)}" if hollow else f"epoch {spot.epoch:g}"
        spread = f" ± {chart.axes.text(spot.spread)}" if curve.band else ""
        text = chart.axes.text(spot.value)
        circles.append(_CIRCLE % (x, y, radius, fill, curve.colour, curve.name, where, text, spread))
    return Markup("<g>{}</g>").format(Markup("").join([band, line, *circles]))


def _draw_band(spots: Sequence[Spot], colour: str, scale: _Scale) -> Markup:
    upper = [(scale.x(spot.epoch), scale.y(spot.upper)) for spot in spots]
    lower = [(scale.x(spot.epoch), scale.y(spot.lower)) for spot in reversed(spots)]
    return _BAND.format(points=_points(upper + lower), colour=colour)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _legend(curves: Sequence[Curve], axes: Axes) -> Markup:
    return _LEGEND.format(
        Markup("").join(
            _LEGEND_LINE.format(
                colour=curve.colour,
                dash=_DASH if curve.dashed else "",
                name=curve.name,
                value=axes.text(curve.points[-1][1]) if curve.points else "–",
            )
            for curve in curves
        )
    )
