"""The receptive-field lab as a student uses it, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import expect

from explorer.fields.display import on_image
from explorer.fields.theoretical import receptive_field
from explorer.images.decode import read_image, sample_images
from explorer.networks.load import load_model
from tests.browser.conftest import page_for_itself
from tests.browser.parts import open_part
from tests.browser.test_look_inside import choose
from tests.training.samples import TINY, tiny_data
from training import train
from training.runs.folders import create

TEMPLE = "?tab=receptive-field&image=Temple"


@pytest.fixture
def lab(new_page: Any) -> Any:
    """The lab on the temple, a picture that isn't square; the page fails if it reports an error."""
    return opened(new_page(TEMPLE))


@pytest.fixture(scope="module")
def picture_lab(browser: Any, app_url: str) -> Iterator[Any]:
    """The same, for tests that choose a unit or a pixel before they look, and change nothing else."""
    with page_for_itself(browser, app_url + TEMPLE) as page:
        yield opened(page)


def opened(page: Any) -> Any:
    """The page with its first field on screen."""
    expect(page.locator("#rf-caption")).to_contain_text("The unit in row", timeout=30_000)
    return page


def shown_layer(page: Any) -> str:
    return page.locator("#rf-layer input").input_value().split("  ·")[0]


def rectangle(page: Any, selector: str) -> list[float]:
    """(top, left, bottom, right) of a rectangle of a drawing, in its own units."""
    rect = page.locator(selector)
    x, y, width, height = (float(rect.get_attribute(name)) for name in ("x", "y", "width", "height"))
    return [y, x, y + height, x + width]


def click_at(page: Any, selector: str, y: float, x: float) -> None:
    """Click a point of a drawing, given in its own units, as a person would: somewhere on the screen."""
    place = page.locator(selector).evaluate(
        """(svg, [y, x]) => {
            const p = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
            return [p.x, p.y];
        }""",
        [y, x],
    )
    page.mouse.click(*place)


def test_the_result_is_above_the_fold(picture_lab: Any) -> None:
    for selector in ("#rf-picture svg", "#rf-map svg", "#rf-caption"):
        box = picture_lab.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= 800


def test_a_click_on_a_map_cell_draws_its_box_where_it_belongs(picture_lab: Any) -> None:
    model = load_model("efficientnet_lite0", weights=None)
    height, width = read_image(sample_images()["Temple"]).shape[:2]
    assert height != width
    placement = model.preprocess.placement(height, width)
    field = receptive_field(model, shown_layer(picture_lab))
    for row, column in ((10, 20), (0, 5)):
        click_at(picture_lab, "#rf-map svg", row + 0.5, column + 0.5)
        expect(picture_lab.locator("#rf-caption")).to_contain_text(
            f"The unit in row {row}, column {column} of"
        )
        expected = [edge + 0.5 for edge in on_image(field.box(row, column), placement)]
        whole = ".rf-beyond" if row == 0 else ".rf-inside"
        assert rectangle(picture_lab, f"#rf-picture {whole}") == pytest.approx(expected, abs=0.1)
        assert rectangle(picture_lab, "#rf-map .rf-unit") == [row, column, row + 1, column + 1]
    inside = rectangle(picture_lab, "#rf-picture .rf-inside")
    assert inside[0] == placement.seen[0]  # cut where the network was given nothing
    expect(picture_lab.locator("#rf-caption")).to_contain_text("drawn dashed")


def test_arrow_keys_move_the_unit(picture_lab: Any) -> None:
    click_at(picture_lab, "#rf-map svg", 5.5, 5.5)
    expect(picture_lab.locator("#rf-caption")).to_contain_text("row 5, column 5")
    picture_lab.locator("#rf-map .rf-frame").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        picture_lab.keyboard.press(key)
    expect(picture_lab.locator("#rf-caption")).to_contain_text("row 6, column 7")


def test_a_click_on_a_pixel_shows_the_units_that_see_it(picture_lab: Any) -> None:
    model = load_model("efficientnet_lite0", weights=None)
    height, width = read_image(sample_images()["Temple"]).shape[:2]
    field = receptive_field(model, shown_layer(picture_lab))
    click_at(picture_lab, "#rf-picture svg", 213.5, 320.5)
    caption = picture_lab.locator("#rf-caption")
    expect(caption).to_contain_text(re.compile(r"The pixel in row 21\d, column 32\d of the picture"))
    y, x = (int(n) for n in re.findall(r"row (\d+), column (\d+)", caption.inner_text())[0])
    assert (abs(y - 213), abs(x - 320)) <= (2, 2)  # one pixel of the screen is about one of the picture
    cell = model.preprocess.placement(height, width).to_cell(y, x)
    rows, columns = field.units_seeing(round(cell[0]), round(cell[1]))
    assert rectangle(picture_lab, "#rf-map .rf-inside") == [
        rows.start,
        columns.start,
        rows.stop,
        columns.stop,
    ]
    click_at(picture_lab, "#rf-picture svg", 200.5, 10.5)
    expect(caption).to_contain_text("lies outside of what the network was given")


def test_the_effective_field_lies_inside_the_theoretical_one(lab: Any) -> None:
    lab.get_by_label("Effective, this picture").click()
    caption = lab.locator("#rf-caption")
    expect(caption).to_contain_text(re.compile(r"over 1 picture: \d+ % of it lies in the central half"))
    expect(lab.locator("#rf-picture .rf-inner")).to_have_count(1)
    expect(lab.locator("#rf-picture image")).to_have_count(2)
    lab.get_by_label("Effective, mean with the samples").click()
    expect(caption).to_contain_text("over 5 pictures", timeout=20_000)


def test_a_row_of_the_table_leads_to_its_layer_on_the_picture(lab: Any) -> None:
    open_part(lab, "In this network")
    expect(lab.locator("#rf-summary")).to_contain_text("efficientnet_lite0 on 224 × 224 px")
    lab.locator("#rf-table tr[data-layer='conv_stem']").click()
    expect(lab.locator("#rf-caption")).to_contain_text("of conv_stem sees 3 × 3 px")
    expect(lab.locator("#rf-layer input")).to_have_value(re.compile("^conv_stem  ·"))


def test_any_network_of_the_catalogue_without_its_weights(lab: Any) -> None:
    open_part(lab, "In this network")
    lab.locator("#rf-network input").fill("resnet18")
    lab.get_by_role("option", name="resnet18", exact=True).click()
    expect(lab.locator("#rf-summary")).to_contain_text("sees 435 px; neighbours look 32 px apart")
    row = lab.locator("#rf-table tr[data-layer='layer1.1.relu_1']")
    assert row.locator("td").all_inner_texts()[2:6] == ["56×56", "43", "4", "0"]


def test_a_stack_is_built_changed_and_mended(lab: Any) -> None:
    open_part(lab, "Build a stack")
    result, message = lab.locator("#rf-result"), lab.get_by_role("alert")
    expect(result).to_contain_text("7×7 pixels")
    stride = lab.get_by_label("Layer 1, stride", exact=True)
    stride.fill("2")
    stride.press("Enter")
    expect(result).to_contain_text(f"{3 + 2 * 2 + 2 * 2}×11 pixels")
    lab.get_by_label("Remove layer 3", exact=True).click()
    expect(result).to_contain_text("7×7 pixels")
    expect(lab.get_by_label("Layer 3, kernel", exact=True)).to_have_count(0)
    kernel = lab.get_by_label("Layer 2, kernel", exact=True)
    for typed, says in (("seven", "'seven' as the kernel of layer 2"), ("", "empty"), ("0", "kernel 0")):
        kernel.fill(typed)
        kernel.press("Enter")
        expect(message).to_contain_text(says)
        expect(kernel).to_have_value(typed)
        expect(kernel).to_have_attribute("aria-invalid", "true")
        expect(result).to_contain_text("7×7 pixels")
    kernel.fill("5")
    kernel.press("Enter")
    expect(message).to_have_count(0)
    expect(result).to_contain_text("11×11 pixels")
    lab.get_by_label("One more layer like layer 2, behind it", exact=True).click()
    expect(result).to_contain_text(f"{3 + 2 * 4 + 2 * 4}×19 pixels")


def test_presets_and_what_if(lab: Any) -> None:
    open_part(lab, "Build a stack")
    lab.locator("#rf-preset input").click()
    lab.get_by_role("option", name="Sheet: two 4×4, stride 2").click()
    result = lab.locator("#rf-result")
    expect(result).to_contain_text("10×10 pixels")
    expect(result).to_contain_text("1 + (4−1)·1·1 + (4−1)·1·2 = 10")
    expect(lab.get_by_label("Layer 2, stride", exact=True)).to_have_value("2")
    lab.get_by_role("button", name="Apply: dilation 1 → 2 in layer 1").click()
    expect(result).to_contain_text("13×13 pixels")
    expect(lab.get_by_label("Layer 1, dilation", exact=True)).to_have_value("2")
    expect(lab.locator("#rf-preset input")).to_have_value("Your own")
    open_part(lab, "As text, one layer a line", role="button")
    text = lab.locator("#rf-text textarea")
    expect(text).to_have_value("conv 4 s2 p0 d2  # conv1\nconv 4 s2 p0 d1  # conv2")
    text.fill("conv 1x7\nconv 7x1")
    lab.get_by_role("button", name="Use this text").click()
    expect(result).to_contain_text("7×7 pixels")
    expect(lab.get_by_label("Layer 2, kernel", exact=True)).to_have_value("7x1")


def test_the_endpoints_answer_other_programs(app_url: str) -> None:
    client = Client(app_url, verbose=False)
    listed = client.predict("resnet18", "layer1", api_name="/receptive_field")
    assert listed["size"] == [43, 43]
    listed = client.predict("conv 3\nconv 3\nconv 3", None, api_name="/receptive_field_of_stack")
    assert listed["size"] == [7, 7]
    with pytest.raises(AppError, match="stride 0 is out of range"):
        client.predict("conv 3 s0", None, api_name="/receptive_field_of_stack")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(new_page: Any, dark: bool) -> None:
    page = opened(new_page("?tab=receptive-field", width=390, height=844, dark=dark))
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_network_without_maps_has_no_field_and_says_so(app: Any, new_page: Any) -> None:
    config = replace(TINY, epochs=1, network="flatten, linear")
    root = app.log.parent / "data" / "runs"
    list(train(config, create(config, root, "no-maps"), data=tiny_data()))
    try:
        page = opened(new_page("?tab=receptive-field"))
        choose(page, "Network", "no-maps")
        expect(page.locator("#rf-caption")).to_contain_text("no layer with positions", timeout=30_000)
        expect(page.locator("#rf-picture svg")).to_have_count(0)
        expect(page.locator("#rf-map svg")).to_have_count(0)
    finally:
        shutil.rmtree(root / "no-maps")
