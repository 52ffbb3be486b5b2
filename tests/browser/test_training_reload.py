"""Images and recipe of the training lab after a reload, from the page's address."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.parts import open_part
from tests.training.samples import zip_of_pictures

WAIT_MS = 60_000


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return zip_of_pictures(tmp_path / "pets.zip", ("cats", "dogs", "fish"), 20, 30)


def choose(page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box, exact=True).click()
    page.get_by_role("option", name=option).click()


@pytest.mark.parametrize("times_slower", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_own_pictures_and_the_recipe_survive_a_reload(new_page, pets, times_slower, reload):
    page = new_page("?tab=training")
    rows = page.locator("#tr-data-table tbody tr")
    expect(rows).to_have_count(10, timeout=WAIT_MS)
    choose(page, "Data set", "Your own pictures, in one folder per class")
    page.get_by_label("Resized to, in pixels").fill("24")
    page.locator("#tr-data-file input[type=file]").set_input_files(pets)
    expect(page.locator("#tr-data-file")).to_contain_text("pets", timeout=WAIT_MS)
    page.get_by_role("button", name="Open these pictures").click()
    expect(rows).to_have_count(3, timeout=WAIT_MS)
    # Every fifth of a class is for testing.
    words = page.locator("#tr-data-words")
    expect(words).to_contain_text("24 training and 6 test images of 24×24 px")
    page.wait_for_function("new URLSearchParams(location.search).get('data')?.startsWith('own-')")
    assert "pets" not in page.url
    assert "%2F" not in page.url

    open_part(page, "2 · Train")
    choose(page, "Recipe", "The exercise sheet's, augmented and normalised")
    expect(page.get_by_role("checkbox", name="crop")).to_be_checked(timeout=WAIT_MS)
    page.get_by_role("checkbox", name="flip").uncheck()
    page.get_by_label("Epochs", exact=True).fill("7")
    choose(page, "Network to train", "Layer by layer: write your own")
    page.locator("#tr-layers textarea").fill("conv 4 3\nrelu\nglobalpool\nflatten\nlinear")
    # 4·(3·3·3 + 1) + 3·(4 + 1)
    parameters = f"{4 * (3 * 3 * 3 + 1) + 3 * (4 + 1)} trainable"
    expect(page.locator("#tr-parameters")).to_contain_text(parameters, timeout=WAIT_MS)
    page.wait_for_function("new URLSearchParams(location.search).get('layers')?.startsWith('conv 4')")

    # As on a slow computer, where updates that come one upon the other are lost if the page needs them all.
    processor = page.context.new_cdp_session(page)
    processor.send("Emulation.setCPUThrottlingRate", {"rate": times_slower})
    reload(page)
    expect(rows).to_have_count(3, timeout=WAIT_MS)
    processor.detach()  # at full speed again
    expect(words).to_contain_text("24 training and 6 test images of 24×24 px")
    expect(page.get_by_role("combobox", name="Data set")).to_have_value(
        "Your own pictures, in one folder per class"
    )
    expect(page.get_by_label("Resized to, in pixels")).to_have_value("24")
    open_part(page, "2 · Train")
    expect(page.locator("#tr-parameters")).to_contain_text(f"{parameters}", timeout=WAIT_MS)
    expect(page.locator("#tr-parameters")).to_contain_text("3 classes")
    expect(page.locator("#tr-layers textarea")).to_have_value("conv 4 3\nrelu\nglobalpool\nflatten\nlinear")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
    expect(page.get_by_role("checkbox", name="crop")).to_be_checked()
    expect(page.get_by_role("checkbox", name="flip")).not_to_be_checked()
    expect(page.get_by_role("radio", name="Mean 0.5, deviation 0.5")).to_be_checked()
    # The pairs that are shown are of these pictures, cropped.
    expect(page.locator("#tr-pairs img")).to_have_count(2)

    # Back at a usual value, a knob leaves the address.
    page.get_by_label("Epochs", exact=True).fill("10")
    page.wait_for_function("!new URLSearchParams(location.search).has('epochs')")


def test_what_an_address_asks_in_vain_is_said_and_left_out(new_page):
    page = new_page("?tab=training&data=own-0123456789abcdef&epochs=many&augmentation=flip,shear&seeds=5")
    rows = page.locator("#tr-data-table tbody tr")
    expect(rows).to_have_count(10, timeout=WAIT_MS)
    expect(rows.first).to_contain_text("circle")
    for sentence in ("no longer open", "Epochs 'many'", "is unknown ('shear')"):
        expect(page.get_by_test_id("toast-body").filter(has_text=sentence)).to_be_visible()
    open_part(page, "2 · Train")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("10")
    open_part(page, "More of the recipe", role="button")
    expect(page.locator("#tr-seeds textarea")).to_have_value("5")
    expect(page.get_by_role("checkbox", name="flip")).not_to_be_checked()


def test_a_data_set_that_is_not_here_is_not_downloaded_by_an_address(new_page):
    page = new_page("?tab=training&data=cifar10")
    expect(page.locator("#tr-data-table tbody tr").first).to_contain_text("circle", timeout=WAIT_MS)
    sentence = page.get_by_test_id("toast-body").filter(has_text="Data set 'cifar10' is not on this computer")
    expect(sentence).to_be_visible()
