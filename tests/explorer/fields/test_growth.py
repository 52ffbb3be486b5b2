"""How fields grow: what is laid out once is drawn on page and paper, and its numbers are right."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from explorer.convolution.palette import LIGHT
from explorer.fields.growth import MOST_CONE_LAYERS, WIDTH, network_growth, stack_drawings
from explorer.fields.page.stack import draw_growth, draw_stack
from explorer.fields.paper.growth import network_fields_figure, stack_fields_figure
from explorer.fields.presets import presets
from explorer.fields.stack import conv, max_pool, stack_fields
from explorer.fields.theoretical import NetworkFields, catalogue_fields

SHORT = (conv(3), max_pool(2), conv(3))
LONG = presets()["AlexNet"].layers


def on_page(svg: str, tag: str, style: str) -> list[dict[str, str]]:
    return [
        dict(e.attrib)
        for e in ElementTree.fromstring(svg).iter(tag)
        if style in (e.get("class") or "").split()
    ]


def boxes_of(axes, colour: str) -> np.ndarray:
    """(x, y, width, height) of all rectangles of a colour on paper."""
    (boxes,) = [c for c in axes.collections if len(c.get_facecolor())]
    extents = [path.get_extents() for path in boxes.get_paths()]
    found = [
        (e.x0, e.y0, e.width, e.height)
        for e, filled in zip(extents, boxes.get_facecolor(), strict=True)
        if to_hex(filled) == colour
    ]
    return np.array(found)


def numbers_of(rects: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(rect[name]) for name in ("x", "y", "width", "height")] for rect in rects])


def test_a_short_stack_is_a_cone_of_what_is_seen() -> None:
    drawing = stack_drawings(SHORT)["Field"]
    # Three of the pooling's units, two below each of them, three below each of those side by side: 6 + 2.
    seen, rows = [1, 3, 6, 8], sorted({r.y for r in drawing.rectangles})
    assert [sum(r.y == y and r.kind == "seen" for r in drawing.rectangles) for y in rows] == seen
    assert len(drawing.taps) == 1 * 3 + 3 * 2 + 6 * 3
    assert [label.text for label in drawing.labels] == [
        *("input", "8 px", "seen"),
        *("layer 1 · conv 3", "3 px", "+2"),
        *("layer 2 · max-pool 2", "4 px", "+1"),
        *("layer 3 · conv 3", "8 px", "+4"),
    ]


def test_a_long_stack_is_a_bar_for_each_layer_that_enlarges_the_field() -> None:
    drawing = stack_drawings(LONG, (224, 224))["Field"]
    fields = stack_fields(LONG)
    sizes = [f.size[0] for f in fields]
    widths = {kind: [r.width for r in drawing.rectangles if r.kind == kind] for kind in ("grown", "before")}
    assert np.array(widths["grown"]) / widths["grown"][-1] == pytest.approx(np.array(sizes) / sizes[-1])
    assert widths["before"][1:] == pytest.approx(widths["grown"][:-1])
    first, last = drawing.input_edges
    assert (last - first) / widths["grown"][-1] == pytest.approx(224 / sizes[-1])
    assert len(LONG) == len(widths["grown"]) == MOST_CONE_LAYERS  # as many as a cone may have, but larger


@pytest.mark.parametrize("layers", [SHORT, LONG, (conv(3, dilation=2), conv(2, stride=3))])
def test_page_and_paper_draw_the_same_stack(layers: tuple) -> None:
    [drawing] = stack_drawings(layers, (64, 64)).values()
    svg, [axes] = draw_stack(drawing), stack_fields_figure(layers, (64, 64)).axes
    styles = {"rf-lit": LIGHT.unit, "rf-grown": LIGHT.accent, "rf-before": LIGHT.before}
    drawn = 0
    for style, colour in styles.items():
        page, paper = numbers_of(on_page(svg, "rect", style)), boxes_of(axes, colour)
        assert np.allclose(page, paper, atol=0.06)
        drawn += len(page)
    assert drawn
    root = ElementTree.fromstring(svg)
    assert [text.text for text in root.iter("text")] == [text.get_text() for text in axes.texts]
    (taps,) = [c for c in axes.collections if not len(c.get_facecolor())]
    assert sum(path.get("d", "").count("L") for path in on_page(svg, "path", "rf-taps")) == len(
        taps.get_segments()
    )
    assert len(axes.lines) == len(drawing.input_edges)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {drawing.height:g}"


def test_height_and_width_are_drawn_where_they_differ() -> None:
    figure = stack_fields_figure([conv((1, 7)), conv((3, 1))])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Height", "Width"]
    seen = [[text.get_text() for text in axes.texts][1] for axes in figure.axes]
    assert seen == ["3 px", "7 px"]


def test_hundreds_of_layers_fit_on_a_page() -> None:
    figure = stack_fields_figure([conv(3)] * 200)
    assert figure.get_size_inches()[1] <= 9
    [axes] = figure.axes
    assert len(boxes_of(axes, LIGHT.accent)) == 200


def test_the_growth_of_a_network_on_page_and_paper() -> None:
    network = catalogue_fields("alexnet")
    sizes = [
        max(f.local_size) for layer, f in zip(network.layers, network.fields, strict=True) if layer.is_map
    ]
    chosen = next(layer.name for layer in network.layers[3:] if layer.is_map)
    curve = network_growth(network, chosen)
    [axes] = network_fields_figure(network).axes
    assert list(axes.lines[0].get_ydata()) == sizes
    assert axes.lines[1].get_ydata()[0] == network.input_px
    assert list(axes.get_yticks()) == list(curve.ticks)
    svg = draw_growth(curve)
    [line] = on_page(svg, "path", "rf-line")
    heights = [float(step.partition("V")[2]) for step in line["d"].split("H")[1:]]
    zero, top = (22 + (200 - 34 - 22) * share for share in (1, 0))
    assert (zero - np.array(heights)) / (zero - top) * curve.top == pytest.approx(sizes, abs=curve.top / 1000)
    [dot] = on_page(svg, "circle", "rf-dot")
    assert float(dot["cy"]) == pytest.approx(heights[curve.chosen], abs=0.06)
    texts = [text.text for text in ElementTree.fromstring(svg).iter("text")]
    assert texts[: len(curve.ticks)] == [str(tick) for tick in curve.ticks]
    assert {curve.x_label, curve.y_label, curve.input_label} <= set(texts)
    assert (axes.get_xlabel(), axes.get_ylabel()) == (curve.x_label, curve.y_label)
    assert [text.get_text() for text in axes.texts] == [curve.input_label]


def test_a_network_without_maps_has_no_curve() -> None:
    curve = network_growth(NetworkFields("flat", 32, (), ()))
    assert curve.sizes == ()
    assert draw_growth(curve) == ""
    assert network_fields_figure(NetworkFields("flat", 32, (), ())).axes


@given(st.integers(1, 10**6))
def test_ticks_are_few_and_round(most: int) -> None:
    curve = network_growth(NetworkFields("flat", most, (), ()))
    step = curve.ticks[1]
    assert step in {number * 10**power for power in range(7) for number in (1, 2, 5)}
    assert curve.ticks == tuple(range(0, most + 1, step))
    assert len(curve.ticks) <= 6


def test_names_are_as_long_as_there_is_room_for() -> None:
    names = [
        stack_drawings([replace(conv(3), name=name)])["Field"].labels[3].text
        for name in ("a", "b" * 20, "c" * 30)
    ]
    assert names == ["a · conv 3", "b" * 20, "c" * 20 + "…"]
