"""What can't be done is said where it is seen, and the page goes on from where it was."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from explorer.session.steps import MAX_TITLE, Session, Step, save_session
from tests.browser.parts import open_part
from tests.browser.test_export_tab import field, steps, upload
from tests.browser.test_look_inside import choose, source, wait_for_another


def show_as(page, view: str) -> None:
    page.get_by_role("combobox", name="View", exact=True).click()
    page.get_by_role("option", name=view, exact=True).click()


def test_a_slider_follows_to_a_layer_with_fewer_channels(page) -> None:
    """gradio refuses every event with a slider beyond its end: the next picture would never come."""
    show_as(page, "One channel")
    slider = page.locator("#channel input[type=range]")
    expect(slider).to_have_attribute("max", "111")
    slider.press("End")
    expect(page.locator("#channel input[type=number]")).to_have_value("111")
    before = source(page, "#activation")
    choose(page, "Layer", "blocks.0.0.conv_pw")
    wait_for_another(page, "#activation", before)
    expect(page.locator("#activation-caption")).to_contain_text("channel 15 of")
    expect(page.locator("#channel input[type=number]")).to_have_value("15")
    before = source(page, "#activation")
    show_as(page, "Energy of all channels")
    wait_for_another(page, "#activation", before)
    before = source(page, "#activation")
    page.locator("#samples button").nth(1).click()
    wait_for_another(page, "#activation", before)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)


def test_kept_colours_stay_with_their_view(page) -> None:
    show_as(page, "Mean of the first n channels")
    expect(page.locator("#activation-caption")).to_contain_text("mean of the first 10")
    page.get_by_role("checkbox", name="Keep these colours").check()
    caption = page.locator("#activation-caption")
    expect(caption).to_contain_text("On the kept scale of blocks.4.2.add")
    show_as(page, "Energy of all channels")
    expect(caption).to_contain_text("belong to another view and aren't used here")


def test_a_text_that_is_no_stack_says_which_word_is_wrong(new_page) -> None:
    page = new_page("?tab=receptive-field")
    expect(page.locator("#rf-caption")).to_contain_text("The unit in row", timeout=30_000)
    open_part(page, "Build a stack")
    open_part(page, "As text, one layer a line", role="button")
    page.locator("#rf-text textarea").fill("conv nonsense")
    page.get_by_role("button", name="Use this text").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("'nonsense' as the kernel of layer 1")
    expect(page.locator("#rf-text textarea")).to_have_value("conv nonsense")


def test_refused_words_are_said_and_the_others_kept(new_page, tmp_path: Path) -> None:
    (tmp_path / "two.zip").write_bytes(
        save_session(Session("Two", (Step("text", title="one"), Step("text", title="two"))))
    )
    page = new_page("?tab=export")
    upload(page, tmp_path / "two.zip")
    expect(steps(page)).to_have_count(2)
    steps(page).nth(0).click()
    expect(field(page, "export-step-title")).to_have_value("one")
    # A title ends where there is no more room for it.
    field(page, "export-step-title").fill("N" * 300)
    expect(field(page, "export-step-title")).to_have_value("N" * MAX_TITLE)
    field(page, "export-step-title").fill("Mine")
    field(page, "export-comment").fill("a \x07 bell")
    field(page, "export-comment").blur()
    sentence = page.locator("#export-refused [role=alert]")
    expect(sentence).to_contain_text("holds the character U+0007, which can't be printed; remove it")
    expect(steps(page).nth(0)).to_have_text("1 · Mine")
    field(page, "export-comment").fill("A bell.")
    field(page, "export-comment").blur()
    expect(sentence).to_have_count(0)
    steps(page).nth(1).click()
    expect(field(page, "export-comment")).to_have_value("")
    steps(page).nth(0).click()
    expect(field(page, "export-comment")).to_have_value("A bell.")


def test_words_typed_while_those_before_are_on_their_way_are_kept(new_page, tmp_path: Path) -> None:
    (tmp_path / "two.zip").write_bytes(
        save_session(Session("Two", (Step("text", title="one"), Step("text", title="two"))))
    )
    page = new_page("?tab=export")
    upload(page, tmp_path / "two.zip")
    expect(steps(page)).to_have_count(2)
    steps(page).nth(0).click()
    expect(field(page, "export-step-title")).to_have_value("one")
    # On a slow line: the answer to the title comes when the comment has been answered.
    held = []

    def hold(route) -> None:
        answer = route.fetch()
        held.append((route, answer))
        if len(held) == 2:
            for asked, answered in reversed(held):
                asked.fulfill(response=answered)

    page.route("**/gradio_api/run/**", hold, times=2)
    field(page, "export-step-title").fill("Mine")
    field(page, "export-comment").fill("Quickly written.")
    field(page, "export-comment").blur()
    expect(steps(page).nth(0)).to_have_text("1 · Mine")
    steps(page).nth(1).click()
    expect(field(page, "export-step-title")).to_have_value("two")
    steps(page).nth(0).click()
    expect(field(page, "export-comment")).to_have_value("Quickly written.")


def test_what_another_session_replaced_can_be_brought_back(page, tmp_path: Path) -> None:
    page.locator("#activation-pin").click()
    expect(page.get_by_text("step 1 in the Export tab")).to_be_visible()
    open_part(page, "Export")
    expect(steps(page)).to_have_count(1)
    kept = steps(page).inner_text()
    (tmp_path / "two.zip").write_bytes(save_session(Session("Two", (Step("text"), Step("text")))))
    upload(page, tmp_path / "two.zip")
    expect(steps(page)).to_have_count(2)
    page.get_by_role("button", name="Back to the 1 step from before").click()
    expect(steps(page)).to_have_count(1)
    expect(steps(page)).to_have_text(kept)
    expect(page.get_by_role("button", name="Back to the 2 steps from before")).to_be_visible()
