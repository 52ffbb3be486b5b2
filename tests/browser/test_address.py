"""The page's address: it reproduces a view, and says what of it can't be had."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.parts import choose, open_part


def test_address_reproduces_the_view(new_page):
    page = new_page("?model=efficientnet_lite0&layer=blocks.2&view=energy&image=Temple")
    page.wait_for_selector("#activation img")
    expect(page.locator("#activation-caption")).to_contain_text("blocks.2.1.add")
    expect(page.locator("#activation-caption")).to_contain_text("energy")
    expect(page.locator("#status")).to_contain_text("640×427")
    choose(page, "Layer", "blocks.3.0.conv_dw")
    expect(page.locator("#activation-caption")).to_contain_text("blocks.3.0.conv_dw")
    page.wait_for_function("() => location.search.includes('layer=blocks.3.0.conv_dw')")

    again = new_page(page.url.partition("/?")[2] and "?" + page.url.partition("/?")[2])
    again.wait_for_selector("#activation img")
    expect(again.locator("#activation-caption")).to_have_text(
        page.locator("#activation-caption").inner_text()
    )


def test_address_holds_the_channel_and_refuses_one_that_the_layer_lacks(new_page):
    page = new_page("?layer=blocks.4.2.add&view=channel&channel=100")
    expect(page.locator("#activation-caption")).to_contain_text("channel 100 of 112")
    page.wait_for_function("() => location.search.includes('channel=100')")
    expect(page.locator("#channel input[type=number]")).to_have_value("100")
    page = new_page("?layer=blocks.0.0.conv_pw&view=channel&channel=16")
    expect(page.locator(".toast-body")).to_contain_text("is no whole number from 0 to 15")
    expect(page.locator("#activation-caption")).to_contain_text("channel 0 of 16")


@pytest.mark.parametrize(
    ("address", "where", "sentence"),
    [
        (
            "?tab=saliency&class=285&method=grad_cam&objective=loss&sign=absolute",
            "#saliency-caption",
            ("Grad-CAM of the cross-entropy loss of class 285", "the sign is left out"),
        ),
        (
            "?tab=two-classes&a=281&b=293&pair-method=hires_cam&pair-objective=probability",
            "#compare-caption",
            ("HiResCAM of the probability of class 281 (tabby) and of class 293 (cheetah)",),
        ),
    ],
)
def test_address_holds_how_a_class_is_explained(new_page, address, where, sentence):
    page = new_page(address)
    for words in sentence:
        expect(page.locator(where)).to_contain_text(words)
    expect(page.get_by_role("combobox", name="Layer of the map")).to_be_visible()
    # And it is written as it was read.
    for part in address[1:].split("&"):
        page.wait_for_function("part => location.search.slice(1).split('&').includes(part)", arg=part)


@pytest.mark.parametrize(
    "typos",
    [
        {
            "method=gradcam": ("'gradcam'", "choose one of gradient, grad_cam"),
            "pair-objective=los": ("'los'", "choose one of logit, loss"),
            "sign=plus": ("'plus'", "choose one of signed, absolute"),
            "tab=xx": ("'xx'", "choose one of activations, side-by-side"),
            "framing=foo": ("'foo'", "choose one of crop, stretch"),
            "a=243": ("'243'", "give b as well"),
            "layer=BLOCKS.4": ("'BLOCKS.4'", "did you mean 'blocks.4'? choose it from the list"),
            "class=cheeta": ("'cheeta'", "did you mean 'cheetah'"),
        },
        {"layer=zzz": ("'zzz'", "choose one from the list")},
        {"model=squeezenet1_1": ("offline", "squeezenet1_1-b8a52dc0.pth")},
    ],
)
def test_every_typo_of_an_address_is_said_in_words_for_the_page(new_page, typos):
    page = new_page("?" + "&".join(typos))
    said = page.get_by_test_id("toast-text")
    expect(said).to_have_count(len(typos))
    for words in typos.values():
        for word in words:
            expect(said.filter(has_text=words[0])).to_contain_text(word)
    for sentence in said.all_inner_texts():
        assert not any(call in sentence for call in ("explorer.", "model.labels", "?.")), sentence
    page.wait_for_selector("#activation img")


def test_what_an_address_gets_wrong_is_said(new_page):
    page = new_page("?layer=layr4&model=resnet81&tab=nowhere")
    page.wait_for_selector("#activation img")
    expect(page.get_by_text("layr4", exact=False).first).to_be_visible()
    expect(page.get_by_text("resnet81", exact=False).first).to_be_visible()
    expect(page.locator("#predictions")).to_contain_text("cheetah")


def test_a_tab_chosen_while_the_address_is_answered_stays(new_page, reload):
    page = new_page("?tab=network")
    expect(page.get_by_role("tab", name="Network")).to_have_attribute("aria-selected", "true")

    def slow(route):
        page.get_by_role("tab", name="Saliency").click()
        route.continue_()

    page.route("**/queue/join*", slow, times=1)
    reload(page)
    expect(page.locator("#saliency-caption")).to_contain_text("class 293 (cheetah)")
    expect(page.get_by_role("tab", name="Saliency")).to_have_attribute("aria-selected", "true")
    page.wait_for_function("new URLSearchParams(location.search).get('tab') === 'saliency'")


def test_classes_of_another_picture_leave_the_address(new_page, reload):
    page = new_page("?image=Lion&tab=saliency")
    expect(page.locator("#saliency-caption")).to_contain_text("class 291 (lion)")
    open_part(page, "Two classes")
    page.wait_for_function("new URLSearchParams(location.search).get('a') === '291'")
    # With another picture, chosen where neither tab is seen, both are chosen anew: so says the address, too.
    open_part(page, "Network")
    page.locator("#samples button").nth(0).click()
    page.wait_for_function("!['class', 'a', 'b'].some(n => new URLSearchParams(location.search).has(n))")
    reload(page)
    open_part(page, "Saliency")
    expect(page.locator("#saliency-caption")).to_contain_text("class 293 (cheetah)")
    page.wait_for_function("new URLSearchParams(location.search).get('class') === '293'")
