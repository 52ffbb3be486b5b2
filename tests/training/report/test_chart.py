"""Curves are drawn where their numbers say, on axes that hold them, as well-formed SVG."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from training.report.chart import Axes, Chart, Curve, epoch_ticks, value_ticks
from training.report.page.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_chart

VALUES = st.floats(-1e6, 1e6) | st.floats(-1e150, 1e150)


def drawn(curves: list[Curve], axes: Axes) -> ElementTree.Element:
    return ElementTree.fromstring(draw_chart(Chart(tuple(curves), axes)))


def spots(line: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([-\d.]+),([-\d.]+)", line.attrib["points"])]


@given(VALUES, VALUES)
@example(0.0, 5e-324)
@example(-1e-305, 1e-305)
def test_value_ticks_are_round_and_enclose_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = value_ticks(low, high)
    steps = [b - a for a, b in pairwise(ticks)]
    assert 2 <= len(ticks) <= 8
    unseen = 1e-6 * max(1, high - low, abs(high) if low == high else 0)
    assert ticks[0] <= low + unseen
    assert ticks[-1] >= high - unseen
    assert min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-5)
    digits = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(digits - round_step) for round_step in (1, 2, 5)) < 1e-6


@given(st.integers(0, 1), st.integers(2, 100_000))
def test_epoch_ticks_are_few_whole_and_end_with_the_last(first: int, last: int) -> None:
    ticks = epoch_ticks(first, last)
    assert ticks[-1] == last
    assert ticks[0] in (first, last)
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 12


def test_ticks_of_usual_runs() -> None:
    assert epoch_ticks(1, 10) == list(range(1, 11))
    assert epoch_ticks(0, 4) == [0, 1, 2, 3, 4]
    assert epoch_ticks(1, 24) == [1, 5, 10, 15, 20, 24]
    assert value_ticks(0.31, 0.68) == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.booleans())
def test_points_lie_inside_and_keep_their_order(values: list[float], percent: bool) -> None:
    points = tuple((float(epoch), value) for epoch, value in enumerate(values, 1))
    figure = drawn([Curve("test", points)], Axes("accuracy", len(values), percent=percent))
    (line,) = figure.iter("polyline")
    found = spots(line)
    assert len(found) == len(values)
    for x, y in found:
        assert LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1
        assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1
    for (one, (_, y_one)), (other, (_, y_other)) in pairwise(zip(values, found, strict=True)):
        # Up on the screen is a smaller y; a tenth of a pixel is rounded away.
        assert (y_other - y_one) * (other - one) <= 0.11 * abs(other - one)
    assert [x for x, _ in found] == sorted(x for x, _ in found)


def test_axes_are_labelled_and_the_legend_has_the_last_values() -> None:
    curves = [
        Curve("a < b, train", ((1, 0.5), (2, 0.625)), dashed=True),
        Curve("test", ((1, 0.4), (2, 0.55))),
    ]
    figure = drawn(curves, Axes("accuracy", 10, percent=True))
    texts = [element.text for element in figure.iter("text")]
    assert {"epoch", "accuracy (%)", "10"} <= set(texts)
    items = ["".join(item.itertext()) for item in figure.iter("li")]
    assert items == ["a < b, train 62.5 %", "test 55.0 %"]
    dashes = ["stroke-dasharray" in line.attrib for line in figure.iter("polyline")]
    assert dashes == [True, False]
    titles = [element.text for element in figure.iter("title")]
    assert "test, epoch 2: 55.0 %" in titles


def test_differences_of_shares_are_points_with_minus_signs() -> None:
    gaps = Curve("plain", ((1, -0.0213), (2, 0.05), (3, -0.0001)))
    figure = drawn([gaps], Axes("training minus test accuracy", 3, points=True))
    assert "".join(next(figure.iter("li")).itertext()) == "plain 0.0 points"
    texts = [element.text for element in figure.iter("text")]
    assert "training minus test accuracy (points)" in texts
    assert "−2" in texts or "−4" in texts
    assert "plain, epoch 1: −2.1 points" in [element.text for element in figure.iter("title")]
    everything = [
        *texts,
        *(e.text for e in figure.iter("title")),
        next(figure.iter("svg")).attrib["aria-label"],
    ]
    assert not [text for text in everything if re.search(r"-\d", text)]


def test_a_running_epoch_is_hollow_and_named_so() -> None:
    figure = drawn([Curve("train", ((1, 2.0), (1.25, 1.5)), growing=True)], Axes("loss", 4))
    last = list(figure.iter("circle"))[-1]
    assert last.attrib["fill"] == "var(--background-fill-primary)"
    assert last.find("title").text == "train, within epoch 2: 1.5"


def test_the_band_reaches_one_spread_to_both_sides() -> None:
    figure = drawn([Curve("test", ((1, 0.4), (2, 0.5)), band=(0.1, 0.05))], Axes("accuracy", 2, percent=True))
    (band,) = figure.iter("polygon")
    (line,) = figure.iter("polyline")
    (x1, up1), (x2, up2), (x2_again, _), (x1_again, down1) = spots(band)
    (_, y1), (_, y2) = spots(line)
    assert (x1, x2) == (x1_again, x2_again)
    assert y1 - up1 == pytest.approx(down1 - y1, abs=0.2)
    assert (y1 - up1) / (y2 - up2) == pytest.approx(0.1 / 0.05, rel=0.05)


@pytest.mark.parametrize("loss", [2.3e30, 1e-12, 0.0, 1e300])
def test_a_loss_that_explodes_or_stands_still_is_drawn(loss: float) -> None:
    points = ((1.0, loss), (2.0, loss), (3.0, float("nan")))
    (line,) = drawn([Curve("train", points)], Axes("loss", 3)).iter("polyline")
    assert len(spots(line)) == 2
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in spots(line))


def test_without_a_curve_the_axes_stand_alone() -> None:
    figure = drawn([Curve("test", ())], Axes("loss", 10))
    assert not list(figure.iter("polyline"))
    assert "No epoch yet" in next(figure.iter("svg")).attrib["aria-label"]
