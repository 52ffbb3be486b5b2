"""The legend of a map in three colours: its colours are the map's, on the page and on paper."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import explorer
from explorer.activations.legend import component_scales
from explorer.images.overlay import colourise, overlay
from explorer.tabs.components import component_bars
from notebooks_export.kinds.numbers import scales
from notebooks_export.paper.colour_bars import _scale
from tests.explorer.activations.test_on_paper import activation

METHODS = ("pca", "nmf")


@pytest.fixture(scope="module", params=METHODS)
def view(request: pytest.FixtureRequest) -> explorer.Reduction:
    """A map in three colours with positions where one component is at its highest, the others at their lowest."""
    values = np.random.default_rng(0).gamma(1.0, size=(6, 5, 7)).astype(np.float32)
    found = explorer.reduce(activation(values), request.param)
    corners = np.array(
        [[high if i == j else low for j, (low, high) in enumerate(found.limits)] for i in range(3)]
    )
    lowest = [[low for low, _ in found.limits]]
    return replace(found, values=np.concatenate([corners, lowest]).astype(np.float32)[None])


def test_a_components_maximum_has_the_legends_end_colour(view: explorer.Reduction) -> None:
    painted = colourise(view.values, view.limits)[0]
    page = re.findall(
        r"linear-gradient\(90deg,rgb\((.*?)\),rgb\((.*?)\)\)", component_bars(component_scales(view))
    )
    paper = [_scale(bar) for bar in scales(view, view.limits)]
    assert len(page) == len(paper) == 3
    for number, (scale, gradient, bar) in enumerate(zip(component_scales(view), page, paper, strict=True)):
        assert painted[number].tolist() == list(scale.colour)
        assert gradient == ("0,0,0", ",".join(map(str, scale.colour)))
        low, high = scale.limits
        assert bar.to_rgba(high, bytes=True)[:3] == tuple(scale.colour)
        assert bar.to_rgba(low, bytes=True)[:3] == (0, 0, 0)
        assert scale.label.endswith(f", {['red', 'green', 'blue'][number]}")
        # The words mean what everybody means by them, but for green, which to browsers is a darker one.
        word = "lime" if scale.label.endswith("green") else scale.label.rpartition(" ")[2]
        assert scale.colour_unit == to_rgb(word)
    assert painted[3].tolist() == [0, 0, 0]


def test_half_way_is_half_as_bright(view: explorer.Reduction) -> None:
    """In between, too, map and legend agree."""
    middle = np.array([[[(low + high) / 2 for low, high in view.limits]]], np.float32)
    [[painted]] = colourise(middle, view.limits)
    for number, bar in enumerate(scales(view, view.limits)):
        legend = bar_colour(bar)
        assert abs(int(painted[number]) - legend[number]) <= 1


def bar_colour(bar: object) -> tuple[int, ...]:
    scale = _scale(bar)
    return tuple(int(v) for v in scale.to_rgba(sum(bar.limits) / 2, bytes=True)[:3])


def test_over_the_picture_as_well(view: explorer.Reduction) -> None:
    """At full opacity the cells' own pixels have the legend's colours."""
    picture = np.zeros((60, 60, 3), np.uint8)
    placed = replace(view, placement=explorer.Placement((20.0, 15.0), (10.0, 7.0), (0, 0, 60, 60)))
    shown = overlay(picture, placed, alpha=1.0)
    for number, scale in enumerate(component_scales(view)):
        assert shown[10, 7 + 15 * number].tolist() == list(scale.colour)


@pytest.mark.parametrize(("method", "first"), [("pca", "PC1, red"), ("nmf", "part 1, red")])
def test_page_and_paper_say_the_same(method: str, first: str) -> None:
    values = np.random.default_rng(1).gamma(1.0, size=(6, 5, 7)).astype(np.float32)
    view = explorer.reduce(activation(values), method)  # type: ignore[arg-type]
    labels = [scale.label for scale in component_scales(view)]
    assert labels[0] == first
    assert re.findall(r'class="label">(.*?)<', component_bars(component_scales(view))) == labels
    assert [bar.label for bar in scales(view, view.limits)] == labels
    assert [bar.label for bar in scales(view, view.limits, label="conv1")] == [
        f"conv1: {one}" for one in labels
    ]


def test_what_does_not_vary_has_no_scale() -> None:
    two = explorer.reduce(
        activation(np.random.default_rng(2).normal(size=(2, 4, 4)).astype(np.float32)), "pca"
    )
    assert [scale.label for scale in component_scales(two)] == ["PC1, red", "PC2, green"]
    kept = component_scales(two, [(0.0, 1.0), (2.0, 2.0), (0.0, 3.0)])
    assert [(scale.label, scale.limits) for scale in kept] == [
        ("PC1, red", (0.0, 1.0)),
        ("PC3, blue", (0.0, 3.0)),
    ]
