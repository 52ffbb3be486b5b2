"""The receptive-field lab without a browser: endpoints, what a click means, errors that keep the entries."""

from __future__ import annotations

from html import unescape
from typing import Any

import gradio as gr
import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.fields.page.tables import draw_network_table
from explorer.fields.presets import presets
from explorer.fields.report import units_seeing
from explorer.fields.stack import conv
from explorer.fields.theoretical import ReceptiveField, catalogue_fields
from explorer.images.geometry import Placement
from explorer.tabs.fields import api as api
from explorer.tabs.fields.builder import result_of, rows_of, table_of
from explorer.tabs.fields.image import Pick, Scene, fitted, pointed
from explorer.workbench import Selection

LOOK = Selection("resnet18", "a picture", "digest", "crop")


def scene(units: tuple[int, int] = (7, 9), stride: float = 32.0, layer: str = "layer4") -> Scene:
    field = ReceptiveField(layer, (435, 435), (stride, stride), (0.0, 0.0), units, (435, 435))
    placement = Placement((2.0, 2.0), (0.5, 100.5), (0, 100, 448, 548))
    return Scene(LOOK, field, np.zeros((448, 700, 3), dtype=np.uint8), placement, 224)


def test_the_endpoint_gives_a_layers_field_and_a_units_box() -> None:
    listed = api.receptive_field("resnet18", "layer4")
    assert (listed["size"], listed["stride"], listed["start"]) == ([435, 435], [32, 32], [0, 0])
    assert (listed["units"], listed["input_px"], listed["is_global"]) == ([7, 7], 224, False)
    unit = api.receptive_field("resnet18", "conv1", 2, 5)
    assert unit["centre"] == [4, 10]
    assert unit["box"] == [0.5, 6.5, 7.5, 13.5]
    assert unit["share_inside"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resnet19", "layer4"), ("'resnet19' is not in the catalogue", "'resnet18'")),
        (("resnet18", "layr4"), ("'layr4' is not in resnet18", "'layer4'")),
        (("resnet18", "layer4", 7, 0), ("nit (7, 0) is not in", "7×7 units", "row from 0 to 6")),
        (("vit_h_14", "encoder"), ("million parameters is larger than the 150 million",)),
    ],
)
def test_the_endpoint_says_what_is_wrong(arguments: tuple[Any, ...], says: tuple[str, ...]) -> None:
    with pytest.raises(gr.Error) as raised:
        api.receptive_field(*arguments)
    for words in says:
        assert words in unescape(raised.value.message)


def test_the_endpoint_for_stacks_answers_the_sheet() -> None:
    listed = api.receptive_field_of_stack("conv 4 s2\nconv 4 s2", 32)
    assert listed["size"] == [10, 10]
    assert listed["sum"] == "1 + (4−1)·1·1 + (4−1)·1·2 = 10"
    assert [layer["units"] for layer in listed["layers"]] == [[15, 15], [6, 6]]
    assert api.receptive_field_of_stack("conv 3")["layers"][0]["units"] is None
    with pytest.raises(gr.Error, match="stride 0 is out of range"):
        api.receptive_field_of_stack("conv 3 s0")


@pytest.mark.parametrize("side", [0, -3, 1.5, 1e9])
def test_a_side_that_no_picture_has_is_refused(side: float) -> None:
    with pytest.raises(ExplorerError, match="whole number from 1 to"):
        api.square(side)


def test_a_click_means_the_unit_or_the_pixel_under_it() -> None:
    here = scene()
    assert pointed(here, "map", 6.99, 3.01) == Pick("unit", 6, 3, "layer4", (192.0, 96.0))
    assert pointed(here, "picture", 0.2, 699.9) == Pick("pixel", 0, 699)
    # Beyond the border, where the drawing is hatched: the nearest there is.
    assert (pointed(here, "map", -4, 50).row, pointed(here, "map", -4, 50).column) == (0, 8)
    assert pointed(here, "picture", -20, 900) == Pick("pixel", 0, 699)


def test_another_layer_keeps_the_place_that_was_looked_at() -> None:
    coarse, fine = scene(), scene(units=(28, 36), stride=8.0, layer="layer2")
    chosen = pointed(coarse, "map", 3.5, 2.5)
    same_place = fitted(chosen, fine)
    assert (same_place.row, same_place.column) == (3 * 4, 2 * 4)
    assert same_place.centre == chosen.centre
    assert fitted(same_place, coarse) == chosen
    assert fitted(None, coarse).row == 3
    pixel = Pick("pixel", 447, 699)
    assert fitted(pixel, coarse) == pixel
    assert fitted(Pick("pixel", 500, 0), coarse).what == "unit"  # a pixel that the new picture hasn't


def test_a_pixel_that_the_network_never_saw_has_no_units() -> None:
    here = scene()
    assert units_seeing(here.field, here.placement, 10, 99) is None
    assert units_seeing(here.field, here.placement, 10, 100) == (range(7), range(7))
    assert units_seeing(here.field, here.placement, 10, 548) is None


def test_the_builders_answer_has_both_axes_where_they_differ() -> None:
    square = result_of(presets()["Sheet: two 4×4, stride 2"].layers, 32)
    assert "10×10 pixels" in square
    assert "The last map has 6 × 6 units" in square
    assert "width =" not in square
    long = result_of((conv((1, 7)), conv((3, 1))), None)
    assert "3×7 pixels" in long
    assert "height = 1 + (3−1)·1·1 = 3" in long
    assert "width = 1 + (7−1)·1·1 = 7" in long
    assert "4 + (4 − 1)·1·2 = 10" in table_of(presets()["Sheet: two 4×4, stride 2"].layers, 32)


def test_what_no_editor_sends_is_refused() -> None:
    for value in (None, {}, {"rows": 3}, {"rows": ["conv"]}):
        with pytest.raises(ExplorerError, match="reload the page"):
            rows_of(value)


def test_the_table_lists_every_layer_and_says_what_mixes() -> None:
    network = catalogue_fields("mobilenet_v3_small")
    html = draw_network_table(network, "features.0.0")
    assert html.count("<tr") == 1 + len(network.layers)
    assert html.count('aria-current="true"') == 1
    mixed = [f for f in network.fields if f.is_global]
    assert html.count("and everything, through") == len(mixed) > 0
