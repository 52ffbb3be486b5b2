"""Where fields are drawn: on a picture that isn't square, against which pixels really move a unit."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explorer.activations.capture import capture_activations
from explorer.fields.display import on_image
from explorer.fields.effective import effective_receptive_field
from explorer.fields.growth import network_growth, stack_drawings
from explorer.fields.page.picture import draw_map, draw_picture
from explorer.fields.page.stack import draw_growth, draw_stack, draw_what_if
from explorer.fields.page.tables import draw_network_table, draw_stack_table
from explorer.fields.presets import presets
from explorer.fields.stack import StackLayer, conv, stack_fields
from explorer.fields.theoretical import (
    NetworkFields,
    ReceptiveField,
    network_fields,
    receptive_field,
    share_inside,
)
from explorer.fields.what_if import what_if
from explorer.fields.words import describe_effective_field, describe_network, describe_pixel, describe_unit
from explorer.images.geometry import Placement
from explorer.layers.listing import Layer
from explorer.networks.load import LoadedModel, load_model

HEIGHT, WIDTH = 300, 500


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("resnet18", weights=None, labels=["a", "b"])


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def parts(svg: str, style: str) -> list[dict[str, str]]:
    """The attributes of all elements of a class."""
    return [dict(e.attrib) for e in ElementTree.fromstring(svg).iter() if e.get("class") == style]


def box_of(svg: str, style: str) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) of the one rectangle of a class."""
    (rect,) = parts(svg, style)
    x, y, width, height = (float(rect[name]) for name in ("x", "y", "width", "height"))
    return y, x, y + height, x + width


@pytest.mark.parametrize("unit", [(9, 4), (3, 20)])
def test_the_box_holds_all_pixels_that_move_the_unit_and_hardly_more(
    model: LoadedModel, unit: tuple[int, int]
) -> None:
    pixels, layer = picture(), "layer2.0.conv2"  # no ReLU behind it hides what reaches it
    field = receptive_field(model, layer)
    placement = model.preprocess.placement(HEIGHT, WIDTH)
    svg = draw_picture(pixels, placement, "", box=on_image(field.box(*unit), placement))
    top, left, bottom, right = (round(edge) for edge in box_of(svg, "rf-inside"))
    assert 0 < top < bottom < HEIGHT
    assert 0 < left < right < WIDTH

    def value(image: np.ndarray) -> np.ndarray:
        return capture_activations(model, image, [layer])[layer].values[:, *unit]

    # Resizing to the network's input mixes neighbouring pixels: up to 3 px of this picture.
    elsewhere = np.zeros_like(pixels)
    kept = np.s_[top - 3 : bottom + 3, left - 3 : right + 3]
    elsewhere[kept] = pixels[kept]
    np.testing.assert_allclose(value(elsewhere), value(pixels), rtol=1e-4, atol=1e-5)
    for rows, columns in (
        (slice(top, top + 4), slice(left, right)),
        (slice(bottom - 4, bottom), slice(left, right)),
        (slice(top, bottom), slice(left, left + 4)),
        (slice(top, bottom), slice(right - 4, right)),
    ):
        changed = pixels.copy()
        changed[rows, columns] = 255 - changed[rows, columns]
        assert np.abs(value(changed) - value(pixels)).max() > 1e-5


def test_what_sticks_out_is_dashed_and_gets_room(model: LoadedModel) -> None:
    field = receptive_field(model, "layer2")
    placement = model.preprocess.placement(HEIGHT, WIDTH)
    box = on_image(field.box(0, 27), placement)
    svg = draw_picture(picture(), placement, "a corner", box=box)
    whole, inside = box_of(svg, "rf-beyond"), box_of(svg, "rf-inside")
    assert whole == pytest.approx([edge + 0.5 for edge in box], abs=0.01)
    top, _, _, right = placement.seen
    assert inside == pytest.approx([top, whole[1], whole[2], right], abs=0.01)
    x, y, width, height = (float(n) for n in ElementTree.fromstring(svg).attrib["viewBox"].split())
    assert y < whole[0] < 0  # room above for the dashes
    assert (x, x + width, y + height) == pytest.approx((0, WIDTH, HEIGHT), abs=0.01)
    drawn = (
        (inside[2] - inside[0]) * (inside[3] - inside[1]) / ((whole[2] - whole[0]) * (whole[3] - whole[1]))
    )
    assert share_inside(field.box(0, 27), 224, 224) == pytest.approx(drawn, abs=0.01)
    assert f"{1 - drawn:.0%}".replace("%", " %") in describe_unit(field, 0, 27, placement, 224)


def test_a_field_inside_needs_no_room_and_no_dashes(model: LoadedModel) -> None:
    placement = model.preprocess.placement(HEIGHT, WIDTH)
    box = on_image(receptive_field(model, "layer1").box(28, 28), placement)
    svg = draw_picture(picture(), placement, "", box=box)
    assert not parts(svg, "rf-beyond")
    assert ElementTree.fromstring(svg).attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"


def test_heat_lies_where_the_gradient_is(model: LoadedModel) -> None:
    """The middle of the heat on the picture is the middle of the box, as on the network's input."""
    placement = model.preprocess.placement(HEIGHT, WIDTH)
    found = effective_receptive_field(model, "layer1", [picture()], unit=(10, 40))
    svg = draw_picture(picture(), placement, "", box=on_image(found.box, placement), heat=found.values)
    image = list(ElementTree.fromstring(svg).iter("image"))[1].attrib
    alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["href"].partition(",")[2]))))[..., 3]
    rows, columns = alpha.nonzero()
    scale = float(image["height"]) / len(alpha)
    on_picture = (
        float(image["y"]) + rows.min() * scale,
        float(image["x"]) + columns.min() * scale,
        float(image["y"]) + (rows.max() + 1) * scale,
        float(image["x"]) + (columns.max() + 1) * scale,
    )
    # A random network's gradient reaches the border of its field nearly everywhere.
    assert on_picture == pytest.approx(box_of(svg, "rf-inside"), abs=2 * scale)
    assert "central half" in describe_effective_field(found)


def test_units_that_see_a_pixel_are_outlined_on_the_map(model: LoadedModel) -> None:
    cells = np.zeros((28, 28, 3), dtype=np.uint8)
    field = receptive_field(model, "layer2")
    seeing = field.units_seeing(100, 30)
    svg = draw_map(cells, "", seeing=seeing)
    assert box_of(svg, "rf-inside") == (seeing[0].start, seeing[1].start, seeing[0].stop, seeing[1].stop)
    sentence = describe_pixel(field, 1, 2, seeing)
    assert (
        f"{len(seeing[0])} × {len(seeing[1])} = {len(seeing[0]) * len(seeing[1])} of the 784 units"
        in sentence
    )
    marked = draw_map(cells, "", unit=(5, 9))
    assert box_of(marked, "rf-unit") == (5, 9, 6, 10)
    assert ElementTree.fromstring(marked).attrib["data-column"] == "9"
    assert "no unit sees it" in describe_pixel(field, 1, 2, None)
    assert "seen by no unit" in describe_pixel(field, 1, 2, (range(0), range(3)))


HOSTILE = """<script>"&'"""


def no_script(page: str) -> ElementTree.Element:
    root = ElementTree.fromstring(f"<page>{page}</page>")
    assert "script" not in {node.tag for node in root.iter()}
    return root


def test_what_others_typed_stays_text_on_pictures_and_maps() -> None:
    placement, pixels = Placement((1, 1), (0, 0), (0, 0, 20, 30)), np.zeros((20, 30, 3), dtype=np.uint8)
    drawn = draw_picture(
        pixels, placement, HOSTILE, box=(-3, 2, 9, 9), inner=(3, 3, 5, 5), pixel=(1, 2), heat=np.ones((4, 4))
    )
    page = no_script(drawn + draw_map(pixels, HOSTILE, unit=(1, 2)))
    assert [svg.get("aria-label") for svg in page.iter("svg")] == [HOSTILE, HOSTILE]


def test_what_others_typed_stays_text_in_stacks_and_changes() -> None:
    page = no_script(draw_stack(stack_drawings((conv(3, name=HOSTILE),))["Field"]))
    assert any(text.text == f"{HOSTILE} · conv 3" for text in page.iter("text"))
    changes = [replace(each, knob=HOSTILE, change=HOSTILE, reason=HOSTILE) for each in what_if((conv(3),), 0)]
    page = no_script(draw_what_if(changes))
    assert "".join(page.itertext()).count(HOSTILE) == 3 * len(changes)
    assert {button.get("aria-label") for button in page.iter("button")} == {f"Apply: {HOSTILE}"}
    field = ReceptiveField(HOSTILE, (3, 3), (1, 1), (0, 0), (4, 4), (3, 3))
    curve = network_growth(NetworkFields(HOSTILE, 9, (layer(HOSTILE),), (field,)), HOSTILE)
    no_script(draw_growth(replace(curve, sentence=HOSTILE, x_label=HOSTILE, y_label=HOSTILE)))


def test_what_others_typed_stays_text_in_tables() -> None:
    page = no_script(draw_stack_table(stack_fields((conv(3, name=HOSTILE),))))
    assert next(page.iter("td")).text == HOSTILE
    field = ReceptiveField(HOSTILE, (9, 9), (1, 1), (0, 0), (4, 4), (3, 3), mixed_by=HOSTILE)
    page = no_script(draw_network_table(NetworkFields(HOSTILE, 9, (layer(HOSTILE),), (field,)), HOSTILE))
    row = [cell.text for cell in page.iter("td")]
    assert (row[0], row[1], row[-1]) == (HOSTILE, HOSTILE, f"and everything, through {HOSTILE}")
    assert [tr.get("data-layer") for tr in page.iter("tr")] == [None, HOSTILE]


def layer(name: str) -> Layer:
    return Layer(name=name, kind=HOSTILE, shape=(1, 4, 4))


@pytest.mark.parametrize("name", presets())
def test_a_stack_is_drawn_with_its_numbers(name: str) -> None:
    preset = presets()[name]
    svg = draw_stack(stack_drawings(preset.layers, (preset.input_px,) * 2)["Field"])
    root = ElementTree.fromstring(svg)
    fields = stack_fields(preset.layers)
    sentence = " ".join("".join(text.itertext()) for text in root.iter() if text.tag == "text")
    for field in fields:
        if field.growth[0]:
            assert f"{field.size[0]} px" in sentence
    if fields[-1].size[0] <= 48:
        # One lit unit on top, the whole field at the bottom, each map's part between them.
        assert len(parts(svg, "rf-cell rf-lit")) >= fields[-1].size[0] + 1
    else:
        widths = [float(rect["width"]) for rect in parts(svg, "rf-grown")]
        sizes = [f.size[0] for f in fields if f.growth[0]]
        assert np.allclose(np.array(widths) / widths[-1], np.array(sizes) / sizes[-1], atol=0.002)


def test_gaps_of_a_dilated_window_stay_unlit() -> None:
    svg = draw_stack(stack_drawings((StackLayer("conv", (3, 3), dilation=(2, 2)),))["Field"])
    assert len(parts(svg, "rf-cell rf-lit")) == 3 + 1


def test_arrows_go_from_the_field_as_it_is_to_what_it_would_be() -> None:
    changes = what_if((conv(4, stride=2), conv(4, stride=2)), 1)
    drawn = ElementTree.fromstring(draw_what_if(changes))
    rows = ["".join(row.itertext()) for row in drawn.iter("tr")]
    assert [row.split()[0][:4] for row in rows] == ["Dept", "Kern", "Stri", "Dila", "Pool"]
    assert "10 → 14 px (+4)" in rows[1]  # two taps more, 2 px each
    assert "stays 10 px" in rows[2]  # the last layer: nothing behind it moves apart
    assert [b.get("data-apply") for b in drawn.iter("button")] == ["0", "1", "2", "3", "4"]


def test_a_networks_growth_and_what_is_said_of_it(model: LoadedModel) -> None:
    network = network_fields(model)
    maps = [f for layer, f in zip(network.layers, network.fields, strict=True) if layer.is_map]
    ElementTree.fromstring(draw_growth(network_growth(network, "layer2.0.conv1")))
    sentence = describe_network(network)
    assert "sees 435 px; neighbours look 32 px apart" in sentence
    first_larger = next(f.layer for f in maps if f.size[0] > 224)
    assert f"From {first_larger} on, a field is larger than the whole input" in sentence
