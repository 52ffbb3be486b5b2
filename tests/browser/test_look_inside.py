"""Look inside a network as a person does: in the browser, with the sheet in hand."""

from __future__ import annotations

import io
import os
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import explorer
from tests.browser.conftest import page_for_itself
from tests.browser.parts import choose, open_part

ROOT = Path(__file__).parents[2]


def pixels(page, selector: str) -> np.ndarray:
    """The picture that an image element shows, as the server sent it."""
    src = page.locator(f"{selector} img").first.get_attribute("src")
    with urllib.request.urlopen(src, timeout=20) as response:
        return np.asarray(Image.open(io.BytesIO(response.read())).convert("RGB"))


def source(page, selector: str) -> str:
    return page.locator(f"{selector} img").first.get_attribute("src")


def wait_for_another(page, selector: str, before: str) -> None:
    page.wait_for_function(
        "([s, before]) => { const i = document.querySelector(s + ' img');"
        " return i && i.src !== before && i.complete && i.naturalWidth > 0 }",
        arg=[selector, before],
    )


def upload(page, file: Path) -> None:
    page.locator("#image").get_by_role("button", name=re.compile("clear|remove", re.I)).click()
    page.locator("#image input[type=file]").set_input_files(str(file))


@pytest.fixture
def corner(tmp_path: Path) -> Path:
    """A picture wider than high, grey noise with a red square in its top left corner."""
    rng = np.random.default_rng(0)
    picture = np.repeat(rng.integers(90, 130, (240, 420, 1), dtype=np.uint8), 3, axis=2)
    picture[:40, :40] = (255, 0, 0)
    Image.fromarray(picture).save(tmp_path / "corner.png")
    return tmp_path / "corner.png"


@pytest.fixture(scope="module")
def opened(browser, app_url):
    """The app as it opens, for tests that look and change nothing but the tab."""
    with page_for_itself(browser, app_url) as page:
        page.wait_for_selector("#activation img")
        yield page


@pytest.fixture
def still(opened):
    """The same, with its first tab before one."""
    open_part(opened, "Activations")
    return opened


def test_opens_with_a_result_above_the_fold(still):
    page = still
    box = page.locator("#activation img").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 800
    assert box["height"] > 250
    expect(page.locator("#predictions")).to_contain_text("cheetah")
    expect(page.locator("#activation-caption")).to_contain_text("of the variance")
    assert page.get_by_role("heading", name="What does this layer respond to?").is_visible()


def test_upload_choose_a_layer_see_the_picture_change(page, corner):
    before = source(page, "#activation")
    upload(page, corner)
    wait_for_another(page, "#activation", before)
    expect(page.locator("#status")).to_contain_text("420×240")
    shown = pixels(page, "#activation")
    assert shown.shape == (240, 420, 3), "the picture keeps its own resolution and proportions"
    # The crop never reaches this corner: it stays red, in the same corner, in the same colour order.
    red, green, blue = shown[10, 10].astype(int)
    assert red > 200
    assert max(green, blue) < 60
    assert shown[-10, -10].astype(int).max() < 160

    before = source(page, "#activation")
    choose(page, "Layer", "blocks.1.0.conv_dw")
    wait_for_another(page, "#activation", before)
    expect(page.locator("#activation-caption")).to_contain_text("blocks.1.0.conv_dw")
    expect(page.locator("#activation-caption")).to_contain_text("96 × 56 × 56")


def test_film_strip_chooses_a_layer(page):
    before = source(page, "#activation")
    page.locator("#film-strip button").first.click()
    wait_for_another(page, "#activation", before)
    expect(page.get_by_role("combobox", name="Layer", exact=True)).to_have_value(re.compile("bn1"))


def test_every_view_says_what_it_is(page):
    for view, sentence in (
        ("One principal component", "PC1"),
        ("Mean of the first n channels", "mean of the first 10 of"),
        ("Largest channel (maximum)", "largest of"),
        ("Energy of all channels", "energy"),
        ("One channel", "channel 0 of"),
        ("Parts that add up (NMF)", "rebuild"),
    ):
        before = source(page, "#activation")
        page.get_by_role("combobox", name="View", exact=True).click()
        page.get_by_role("option", name=view, exact=True).click()
        wait_for_another(page, "#activation", before)
        expect(page.locator("#activation-caption")).to_contain_text(sentence)
        # Ticks with numbers, the lowest first.
        expect(page.locator("#activation-scale .ticks").first).to_have_text(re.compile(r"\d"))


def test_grid_map_alone_and_before_after(page):
    page.get_by_role("radio", name="Map alone").check()
    expect(page.locator("#activation-scale")).to_be_visible()
    page.get_by_role("radio", name="Before / after").check()
    expect(page.locator("#activation-slider img").first).to_be_visible()
    page.get_by_role("combobox", name="View", exact=True).click()
    page.get_by_role("option", name="Grid of the strongest channels").click()
    expect(page.locator("#channel-grid img")).to_have_count(24)


def test_kept_colours_survive_another_picture(page, corner):
    scale = page.locator("#activation-scale .bars")
    page.get_by_role("checkbox", name="Keep these colours").check()
    expect(page.locator("#activation-caption")).to_contain_text("kept basis")
    numbers = scale.inner_text()
    before = source(page, "#activation")
    upload(page, corner)
    wait_for_another(page, "#activation", before)
    assert scale.inner_text() == numbers


def test_two_classes_three_maps(page, mosaic, tmp_path):
    Image.fromarray(mosaic).save(tmp_path / "two.png")
    before = source(page, "#activation")
    upload(page, tmp_path / "two.png")
    wait_for_another(page, "#activation", before)
    open_part(page, "Two classes")
    page.wait_for_selector("#compare-difference img")
    difference = source(page, "#compare-difference")
    choose(page, "Class A", "682", "obelisk")
    choose(page, "Class B", "293", "cheetah")
    wait_for_another(page, "#compare-difference", difference)
    caption = page.locator("#compare-caption")
    expect(caption).to_contain_text("682 (obelisk) rather than 293 (cheetah)")
    maps = [pixels(page, selector) for selector in ("#compare-a", "#compare-b", "#compare-difference")]
    assert all(shown.shape == (224, 224, 3) for shown in maps)
    assert len({shown.tobytes() for shown in maps}) == 3

    def redder(shown: np.ndarray, quarter: tuple[slice, slice]) -> float:
        return float((shown[quarter].astype(int) - mosaic[quarter])[..., [0, 2]].mean((0, 1)) @ (1, -1))

    # For A, red where the obelisk is; the difference turns blue at the cheetah.
    obelisk, cheetah = (slice(112), slice(112)), (slice(112, None), slice(112, None))
    assert min(redder(maps[0], obelisk), redder(maps[2], obelisk)) > 5
    assert redder(maps[2], cheetah) < -5


def test_one_class_twice_takes_the_old_maps_away(new_page):
    page = new_page("?tab=two-classes&a=1&b=1")
    page.wait_for_selector("#compare-caption .note")
    caption = page.locator("#compare-caption")
    expect(caption).to_have_text("Choose two different classes: both are 1 (goldfish).")
    expect(page.locator("#compare-a img")).to_have_count(0)
    choose(page, "Class B", "cheetah")
    page.wait_for_selector("#compare-difference img")
    expect(caption).to_contain_text(
        "Grad-CAM of the logit (score) of class 1 (goldfish) and of class 293 (cheetah)"
    )
    choose(page, "Class A", "cheetah")
    expect(caption).to_have_text("Choose two different classes: both are 293 (cheetah).")
    for place in ("a", "b", "difference"):
        expect(page.locator(f"#compare-{place} img")).to_have_count(0)
    expect(page.locator("#compare-scale .bars")).to_have_count(0)
    expect(page.locator(".toast-body")).to_have_count(0)


def test_saliency_of_a_class_chosen_by_name(page):
    open_part(page, "Saliency")
    page.wait_for_selector("#saliency img")
    expect(page.locator("#saliency-caption")).to_contain_text("class 293 (cheetah)")
    before = source(page, "#saliency")
    choose(page, "Class", "Egyptian cat")
    wait_for_another(page, "#saliency", before)
    expect(page.locator("#saliency-caption")).to_contain_text("class 285 (Egyptian cat)")
    page.get_by_role("radio", name="Loss").check()
    expect(page.locator("#saliency-caption")).to_contain_text("cross-entropy loss")


def test_slow_method_shows_progress_and_can_be_cancelled(page):
    open_part(page, "Saliency")
    page.wait_for_selector("#saliency img")
    caption = page.locator("#saliency-caption").inner_text()
    page.get_by_role("combobox", name="Method", exact=True).click()
    page.get_by_role("option", name="Occlusion").click()
    page.wait_for_selector(".working")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".working")).to_have_count(0)
    page.wait_for_timeout(1000)
    expect(page.locator(".working")).to_have_count(0)
    assert page.locator("#saliency-caption").inner_text() == caption
    # And the page goes on working.
    page.get_by_role("combobox", name="Method", exact=True).click()
    page.get_by_role("option", name="Grad-CAM").click()
    expect(page.locator("#saliency-caption")).to_contain_text("Grad-CAM of")


def test_layers_side_by_side_with_shapes(page):
    open_part(page, "Side by side")
    page.wait_for_selector("#several img")
    expect(page.locator("#several-shapes")).to_contain_text("112 × 14 × 14")
    assert page.locator("#several img").count() >= 4
    before = source(page, "#several")
    page.get_by_role("checkbox", name="One colour scale for all").check()
    wait_for_another(page, "#several", before)


def test_captions_of_layers_lie_below_their_maps(still):
    open_part(still, "Side by side")
    still.wait_for_selector("#several img")
    for thumbnail in still.locator("#several .thumbnail-lg").all():
        picture = thumbnail.locator("img").bounding_box()
        assert (
            picture["y"] + picture["height"] <= thumbnail.locator(".caption-label").bounding_box()["y"] + 0.5
        )


def test_network_is_listed_with_parameters(still):
    open_part(still, "Network")
    expect(still.locator("#network-summary")).to_contain_text("4,652,008")
    expect(still.locator("#network-layers")).to_contain_text("conv_stem")


@pytest.mark.parametrize("kind", ["tif", "ppm"])
def test_a_picture_that_no_browser_draws_is_shown_all_the_same(page, tmp_path, kind):
    grey = np.linspace(0, 65535, 240 * 320).reshape(240, 320).astype(np.uint16)
    eight = Image.fromarray((grey // 257).astype(np.uint8))
    (Image.fromarray(grey) if kind == "tif" else eight).save(tmp_path / f"scan.{kind}")
    before = source(page, "#activation")
    upload(page, tmp_path / f"scan.{kind}")
    wait_for_another(page, "#activation", before)
    page.wait_for_function("() => document.querySelector('#image img')?.naturalWidth === 320")
    shown = pixels(page, "#image")
    assert shown[0, 0].max() < 3
    assert shown[-1, -1].min() > 252
    expect(page.locator("#status")).to_contain_text("320×240")


def test_bad_picture_is_refused_and_nothing_is_lost(page, tmp_path):
    bad = tmp_path / "holiday.jpg"
    bad.write_text("this is no picture")
    before = source(page, "#activation")
    upload(page, bad)
    expect(page.get_by_text("is not a picture that can be read", exact=False).first).to_be_visible()
    expect(page.locator("#predictions")).to_contain_text("cheetah")
    assert source(page, "#activation") == before
    expect(page.locator("#image img")).to_be_visible()
    # gradio would put it into all that the refused step might have changed, for screen readers to find.
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


def test_choosing_the_same_again_and_clearing_the_picture_empties_nothing(page):
    choose(page, "Network", "efficientnet_lite0")
    page.locator("#image").get_by_role("button", name=re.compile("clear|remove", re.I)).click()
    page.wait_for_timeout(1500)
    expect(page.locator("#predictions")).to_contain_text("cheetah")
    expect(page.locator("#status")).to_contain_text("256×256")
    expect(page.get_by_role("combobox", name="Network", exact=True)).to_have_value(
        re.compile("efficientnet_lite0")
    )
    page.locator("#film-strip button").first.click()
    expect(page.locator("#activation-caption")).to_contain_text("bn1")


def test_network_that_cannot_be_had_leaves_the_old_one(page):
    choose(page, "Network", "squeezenet1_1")
    expect(page.get_by_text("squeezenet1_1-b8a52dc0.pth", exact=False).first).to_be_visible()
    expect(page.get_by_role("combobox", name="Network", exact=True)).to_have_value(
        re.compile("efficientnet_lite0")
    )
    expect(page.locator("#predictions")).to_contain_text("cheetah")


def test_tabs_that_nobody_sees_ask_the_server_nothing(new_page):
    asked = []
    page = new_page()
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)

    def asked_by(action, place: str) -> int:
        expect(page.locator(place)).to_have_count(1)
        asked.clear()
        action()
        page.wait_for_timeout(1500)
        return len(asked)

    expect(page.locator("#activation img")).to_have_count(1)
    opened_with = source(page, "#activation")  # the address of a picture is made from its content
    # What is looked at, the epochs of its network, the open tab's part.
    samples = list(explorer.sample_images())
    lion, cheetah = (page.locator("#samples button").nth(samples.index(name)) for name in ("Lion", "Cheetah"))
    assert asked_by(lion.click, "#activation img") <= 3
    assert source(page, "#activation") != opened_with
    # Its lists, and what it shows.
    assert asked_by(lambda: open_part(page, "Saliency"), "#activation img") <= 2
    expect(page.locator("#saliency-caption")).to_contain_text("lion")
    # What changed meanwhile is seen by who comes back.
    assert asked_by(cheetah.click, "#saliency img") <= 4
    open_part(page, "Activations")
    expect(page.locator("#activation img")).to_have_attribute("src", opened_with)


@pytest.mark.parametrize("tab", ["saliency", "receptive-field", "network", "training", "export"])
def test_a_page_that_opens_comes_to_rest(new_page, tab):
    asked = []
    page = new_page()
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.goto(page.url.partition("?")[0] + f"?image=Temple&tab={tab}")
    page.wait_for_function("document.querySelector('#status')?.innerText.includes('640×427')")
    seen = -1
    while len(asked) != seen:  # nothing new for two seconds
        seen = len(asked)
        assert seen <= 20
        page.wait_for_timeout(2000)


def test_two_people_see_their_own(new_page, corner):
    mine, theirs = new_page(), new_page("?image=Lion")
    for page in (mine, theirs):
        page.wait_for_selector("#activation img")
    upload(mine, corner)
    expect(mine.locator("#status")).to_contain_text("420×240")
    theirs.locator("#film-strip button").first.click()
    expect(theirs.locator("#activation-caption")).to_contain_text("bn1")
    expect(theirs.locator("#predictions")).to_contain_text("lion")
    mine.wait_for_function("document.querySelector('#activation img').naturalWidth === 420")
    assert pixels(theirs, "#activation").shape == (256, 256, 3)
    assert pixels(mine, "#activation").shape == (240, 420, 3)


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` as WCAG 2 defines it."""
    parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_by_day_and_by_night(new_page, dark):
    """Nothing scrolls sideways, the colours are those that the phone asks for, an empty box can be seen."""
    page = new_page(width=390, height=844, dark=dark)
    page.wait_for_selector("#activation img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#film-strip button").first.click()
    expect(page.locator("#activation-caption")).to_contain_text("bn1")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(n) for n in re.findall(r"\d+", background)[:3])
    assert (brightness < 150) == dark
    border, panel = page.locator("#keep input").evaluate(
        "box => [getComputedStyle(box).borderColor, getComputedStyle(box.closest('.block')).backgroundColor]"
    )
    low, high = sorted(map(luminance, (border, panel)))
    assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.1, 1.4.11


def test_everything_has_a_name(still):
    """Every picture has a text in its place, every control a name, the page a language."""
    assert still.locator("html").get_attribute("lang") == "en"
    for name in ("Activations", "Side by side", "Saliency", "Two classes", "Network"):
        open_part(still, name)
        still.wait_for_timeout(300)
        assert still.locator("img:visible:not([alt])").count() == 0
        assert still.locator("#tabs img:visible[alt='']").count() == 0
        nameless = still.evaluate(
            "() => [...document.querySelectorAll('button, input, textarea, select')].filter(e => e.offsetParent"
            " && e.type !== 'file' && !(e.getAttribute('aria-label') || e.title || e.innerText || e.labels?.length"
            " || e.getAttribute('aria-labelledby') || e.querySelector('img[alt]')?.alt))"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert nameless == []


def test_screenshot_for_the_readme(still):
    """The README's picture is what a browser really shows; it is renewed when asked for."""
    still.wait_for_timeout(500)
    shot = still.screenshot(type="png")
    shown = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    assert shown.shape == (800, 1280, 3)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 5000, "a page with pictures on it"
    if os.environ.get("UPDATE_SCREENSHOT"):
        (ROOT / "screenshot.png").write_bytes(shot)
