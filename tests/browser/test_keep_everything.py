"""Keep on every result of the screens that look inside a network: what is kept is what was on screen."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from notebooks_export import open_session, perform
from tests.browser.parts import SLOW, keep
from tests.browser.test_export_tab import downloaded, steps, tab
from tests.browser.test_look_inside import choose, pixels, source, wait_for_another


def shown(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.int16)


def test_channels_vectors_kept_colours_layers_and_the_network(new_page) -> None:
    page = new_page("?layer=blocks.3.2.add")
    page.wait_for_selector("#activation img", timeout=SLOW)
    # The colours of the first picture, kept for another one.
    page.locator("#keep input").check()
    before = source(page, "#activation")
    page.locator("#samples img").nth(1).click()
    wait_for_another(page, "#activation", before)
    expect(page.locator("#activation-caption")).to_contain_text("colours of a kept basis", timeout=SLOW)
    lion = pixels(page, "#activation")
    keep(page, "activation-pin", 1)
    page.get_by_role("combobox", name="View", exact=True).click()
    page.get_by_role("option", name="Grid of the strongest channels").click()
    page.wait_for_selector("#channel-grid img", timeout=SLOW)
    tile = pixels(page, "#channel-grid")
    keep(page, "activation-pin", 2)
    choose(page, "Layer", "classifier")
    expect(page.locator("#activation-scale ol li")).to_have_count(12, timeout=SLOW)
    strongest = page.locator("#activation-scale ol li .name").first.inner_text().split(" ")[0]
    keep(page, "activation-pin", 3)
    tab(page, "Side by side")
    page.wait_for_selector("#several img", timeout=SLOW)
    several = pixels(page, "#several")
    keep(page, "several-pin", 4)
    tab(page, "Network")
    expect(page.locator("#network-layers tr").first).to_be_visible(timeout=SLOW)
    total = page.locator("#network-layers tr").last.locator("th").last.inner_text()
    keep(page, "network-pin", 5)

    tab(page, "Export")
    expect(steps(page)).to_have_count(5)
    page.locator("#export-save").click()
    page.wait_for_selector("#export-ready a", timeout=SLOW)
    session = open_session(downloaded(page, "session.zip"))
    colours, grid, vector, layers, network = session.steps
    assert colours.arguments["basis_image"] == "sample:Cheetah"
    assert colours.arguments["image"] != "sample:Cheetah"
    # Pictures beyond a size are shown as JPEG, and kept as they are.
    assert np.abs(shown(colours.picture) - lion).mean() < 4
    assert np.array_equal(shown(grid.picture)[8 : 8 + len(tile), 8 : 8 + tile.shape[1]], tile)
    assert strongest in vector.text.splitlines()[1]
    assert np.abs(shown(layers.picture)[8 : 8 + len(several), 8 : 8 + several.shape[1]] - several).mean() < 4
    assert total in network.text.splitlines()[-1]
    # The notebook's code makes all of it again; threads may move a colour by one.
    for kept, again in zip(session.steps, perform(session, anew=True).steps, strict=True):
        assert kept.text == again.text
        assert bool(kept.picture) == bool(again.picture)
        if kept.picture:
            assert np.abs(shown(kept.picture) - shown(again.picture)).max() <= 2


def test_the_button_is_busy_until_the_result_is_kept(new_page) -> None:
    page = new_page("")
    page.wait_for_selector("#activation img", timeout=SLOW)
    button, held = page.locator("#activation-pin"), []
    page.route("**/queue/join*", lambda route: route.continue_() if held else held.append(route))
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    assert button.evaluate("part => getComputedStyle(part, '::after').content") == '" …"'
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.get_by_text(": step 1 in the Export tab")).to_be_visible(timeout=SLOW)
    expect(button).not_to_have_attribute("aria-busy", "true")
