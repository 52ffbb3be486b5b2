"""What a chart shows on the page it shows on paper: the same lines, colours, limits, ticks and words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes as Panel
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from training import EpochResult, TrainConfig
from training.report.chart import Chart
from training.report.colours import run_colour
from training.report.comparison import Group, group_recorded
from training.report.curves import Quantity, Watched, compared_chart, histories_chart, watched_charts
from training.report.page.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_chart
from training.report.page.comparison import comparison_chart, comparison_table
from training.report.page.runs import class_bars
from training.report.paper import chart as paper
from training.report.paper.runs import accuracy_figure, classes_figure, runs_figure
from training.results import Progress

PLAIN, FLIPPED = TrainConfig(), TrainConfig(augmentation=("flip",))


def history(*tests: float, loss: float = 1.0) -> list[EpochResult]:
    """Ten points behind training, but in the first epoch, which is twenty ahead."""
    return [
        EpochResult(epoch, test + (0.1 if epoch > 1 else -0.2), test, loss / epoch, loss, 1.0, 9.0, 0.1, ())
        for epoch, test in enumerate(tests, 1)
    ]


CONFIGS = {"plain, seed 0": PLAIN, "plain, seed 1": replace(PLAIN, seed=1), "flip": FLIPPED}
HISTORIES = {
    "plain, seed 0": history(0.3, 0.5, 0.6),
    "plain, seed 1": history(0.4, 0.5, 0.7),
    "flip": history(0.3, 0.45, 0.55, 0.7, loss=float("inf")),
}


@pytest.fixture
def groups() -> list[Group]:
    return group_recorded(CONFIGS, HISTORIES)


def on_page(drawn: str) -> tuple[list[tuple[str, bool, list[tuple[float, float]]]], list[str]]:
    """(colour, dashed, points in shares of the axes' lengths) of each curve; all texts of the drawing."""
    figure = ElementTree.fromstring(drawn)
    curves = []
    for line in figure.iter("polyline"):
        spots = [
            (
                (float(x) - LEFT) / (WIDTH - LEFT - RIGHT),
                (HEIGHT - BOTTOM - float(y)) / (HEIGHT - TOP - BOTTOM),
            )
            for x, y in re.findall(r"([-\d.]+),([-\d.]+)", line.attrib["points"])
        ]
        curves.append((line.attrib["stroke"], "stroke-dasharray" in line.attrib, spots))
    return curves, [text.text or "" for text in figure.iter("text")]


def on_paper(axes: Panel) -> tuple[list[tuple[str, bool, list[tuple[float, float]]]], list[str]]:
    curves = []
    for line in axes.lines:
        ends, heights = axes.get_xlim(), axes.get_ylim()
        spots = [
            ((x - ends[0]) / (ends[1] - ends[0]), (y - heights[0]) / (heights[1] - heights[0]))
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]
        curves.append((to_hex(line.get_color()).upper(), line.get_linestyle() == "--", spots))
    axes.figure.draw_without_rendering()
    words = [tick.get_text() for axis in (axes.yaxis, axes.xaxis) for tick in axis.get_ticklabels()]
    return curves, [*words, axes.get_xlabel(), axes.get_ylabel()]


def assert_same(chart: Chart) -> None:
    figure = Figure()
    paper.draw_chart(axes := figure.add_subplot(), chart)
    (screen, words), (sheet, other_words) = on_page(draw_chart(chart)), on_paper(axes)
    assert len(screen) == len(sheet)
    for (colour, dashed, spots), (other_colour, other_dashed, places) in zip(screen, sheet, strict=True):
        assert (colour, dashed) == (other_colour, other_dashed)
        # Pixels of the screen are written with one digit behind the point.
        assert [coordinate for spot in spots for coordinate in spot] == pytest.approx(
            [coordinate for place in places for coordinate in place], abs=1e-3
        )
    assert sorted(words) == sorted(other_words)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    listed = [re.search(r"</svg>(.*?) <b>", item) for item in str(draw_chart(chart)).split("<li>")[1:]]
    assert legend == [found.group(1) for found in listed if found]


@pytest.mark.parametrize("quantity", ["accuracy", "loss", "gap"])
def test_comparisons_are_the_same_on_screen_and_on_paper(groups: Sequence[Group], quantity: Quantity) -> None:
    chart = compared_chart(groups, quantity)
    assert_same(chart)
    assert comparison_chart(groups, quantity) == draw_chart(chart)
    [axes] = runs_figure(CONFIGS, HISTORIES, (quantity,)).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == [curve.name for curve in chart.curves]
    assert (
        axes.get_ylabel()
        == {
            "accuracy": "accuracy (%)",
            "loss": "loss",
            "gap": "training minus test accuracy (points)",
        }[quantity]
    )


def test_one_run_and_several_are_the_same_on_screen_and_on_paper() -> None:
    assert_same(histories_chart(HISTORIES))
    now = Progress(4, 9, 30, 40, 0.65, 0.4, 100.0, 0.1, 5.0)
    shown = [Watched("a", HISTORIES["plain, seed 0"], now, 9), Watched("b", [], None, 9, hidden=True)]
    for chart in watched_charts([*shown, Watched("c", HISTORIES["flip"], None, 4)]):
        assert_same(chart)


def test_a_run_has_its_colour_wherever_it_stands(groups: Sequence[Group]) -> None:
    for place, group in enumerate(groups):
        colour = run_colour(place)
        assert f"background:{colour}" in comparison_table(groups).split("<tr>")[place + 2]
        drawn = {curve.colour for curve in compared_chart(groups, "gap").curves if curve.name == group.label}
        assert drawn == {colour}
    charts = watched_charts([Watched("w", [], None, 3, hidden=True), Watched("x", history(0.5), None, 3)])
    assert {curve.colour for chart in charts for curve in chart.curves} == {run_colour(1)}
    result = replace(history(0.5)[0], class_accuracy=(0.5, 0.25))
    assert class_bars(result, ["a", "b"]).count(f"background:{run_colour(0)}") == 2
    bars = classes_figure(1, [("a", 0.5), ("b", 0.25)], 2).axes[0].patches
    assert {to_hex(bar.get_facecolor()).upper() for bar in bars} == {run_colour(0)}
    lines = accuracy_figure(HISTORIES).axes[0].lines
    assert [line.get_color() for line in lines] == [run_colour(n // 2) for n in range(6)]


def test_the_gap_is_what_lies_between_the_means(groups: Sequence[Group]) -> None:
    [plain, flip] = compared_chart(groups, "gap").curves
    assert [value for _, value in plain.points] == pytest.approx([-0.2, 0.1, 0.1])
    assert plain.name == "plain (2 seeds)"
    assert len(flip.points) == 4
    chart = compared_chart(groups, "gap")
    assert chart.ticks[0] <= -0.2
    ahead = group_recorded({"a": PLAIN}, {"a": history(0.5, 0.6)[1:]})
    assert compared_chart(ahead, "gap").ticks[0] == 0  # no gap is always in sight
    assert [curve.name for curve in compared_chart(ahead, "gap").curves] == ["gap"]
    assert [curve.name for curve in compared_chart(ahead, "loss").curves] == ["train", "test"]


def test_the_table_says_the_same_on_screen_and_on_paper(groups: Sequence[Group]) -> None:
    from training.report.words import compare_histories

    listed = compare_histories(CONFIGS, HISTORIES, {}).splitlines()[1:]
    rows = comparison_table(groups).split("<tr>")[2:]
    for group, line, row in zip(groups, listed, rows, strict=True):
        cells = re.findall(r'class="number">(.*?)</td>', row)[:-1]
        assert " ".join(line.split()) == " ".join([group.label, *cells])
    # Means of 0.6 and 0.7 deviate by 0.1/√2; the same value twice has a deviation, too.
    assert "65.0 ± 7.1 %" in listed[0]
    assert "10.0 ± 0.0 points" in listed[0]
