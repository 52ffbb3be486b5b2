"""Keeping results, ordering them, writing to them, handing them in: what a person does, in a real browser."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import expect
from pypdf import PdfReader

from explorer.session.steps import MAX_TEXT, Session, Step, save_session
from notebooks_export import open_session, perform
from notebooks_export.sheet.exercise_sheet import exercise_sheet
from tests.browser.parts import open_part
from tests.notebooks_export.samples import every_kind


def tab(page, name: str) -> None:
    open_part(page, name, exact=True)


def steps(page):
    return page.locator("#export-steps label")


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as found:
        page.locator("#export-ready a", has_text=name).or_(
            page.locator(f"#export-ready a[download='{name}']")
        ).first.click()
    return Path(found.value.path()).read_bytes()


def upload(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a session").click()
    chooser.value.set_files(str(path))


def field(page, elem_id: str):
    return page.locator(f"#{elem_id} textarea, #{elem_id} input").first


def test_keep_order_comment_hand_in(page) -> None:
    page.locator("#activation-pin").click()
    expect(page.get_by_text("step 1 in the Export tab")).to_be_visible()
    tab(page, "Saliency")
    page.wait_for_selector("#saliency img")
    page.locator("#saliency-pin").click()
    expect(page.get_by_text("step 2 in the Export tab")).to_be_visible()
    tab(page, "Two classes")
    page.wait_for_selector("#compare-difference img")
    page.locator("#compare-pin").click()
    expect(page.get_by_text("step 3 in the Export tab")).to_be_visible()

    tab(page, "Export")
    expect(steps(page)).to_have_count(3)
    steps(page).nth(2).click()
    expect(page.locator("#export-picture img")).to_be_visible()
    page.get_by_role("button", name="Up", exact=True).click()
    expect(steps(page).nth(1)).to_contain_text("2 · cheetah or")
    field(page, "export-step-title").fill("<b>Mine</b>")
    field(page, "export-comment").fill("What I say.")
    field(page, "export-comment").blur()
    expect(steps(page).nth(1)).to_have_text("2 · <b>Mine</b>")
    steps(page).nth(0).click()
    expect(field(page, "export-comment")).to_have_value("")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(steps(page)).to_have_count(2)

    field(page, "export-surname").fill("Müller")
    field(page, "export-number").fill("1234567")
    page.locator("#export-submit").click()
    expect(page.get_by_text("write 'Mueller'")).to_be_visible()
    expect(steps(page)).to_have_count(2)
    field(page, "export-surname").fill("Mueller")
    page.locator("#export-submit").click()
    page.wait_for_selector("#export-ready a")
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "Mueller-1234567.zip"))) as archive:
        session = open_session(archive.read("Mueller-1234567/session.zip"))
    assert [(step.title, step.comment) for step in session.steps] == [
        ("<b>Mine</b>", "What I say."),
        ("What speaks for cheetah", ""),
    ]
    # The notebook's code makes the pictures that were on screen; threads may move a colour by one.
    for kept, again in zip(session.steps, perform(session, anew=True).steps, strict=True):
        shown, made = (
            np.asarray(Image.open(io.BytesIO(s.picture)).convert("RGB"), np.int16) for s in (kept, again)
        )
        assert np.abs(shown - made).max() <= 2
        assert kept.text == again.text


def test_the_sheet_in_one_click_and_its_files(new_page) -> None:
    page = new_page("?tab=export")
    page.locator("#export-sheet").click()
    expect(steps(page)).to_have_count(len(exercise_sheet().steps), timeout=120_000)
    steps(page).filter(has_text="2.2 Two 4×4 layers").click()
    expect(page.locator("#export-shown")).to_contain_text("= 10")
    steps(page).filter(has_text="4.5 Both classes").click()
    expect(page.locator("#export-picture img")).to_be_visible()
    page.locator("#export-numbers").click()
    assert downloaded(page, "map-difference.npy").startswith(b"\x93NUMPY")
    page.locator("#export-files").click()
    expect(page.locator("#export-ready")).to_contain_text("report", timeout=120_000)
    assert downloaded(page, "report.pdf").startswith(b"%PDF")


def test_save_and_open_again(new_page, tmp_path) -> None:
    page = new_page("?tab=export")
    (tmp_path / "mine.zip").write_bytes(save_session(every_kind()))
    upload(page, tmp_path / "mine.zip")
    expect(steps(page)).to_have_count(len(every_kind().steps))
    page.locator("#export-save").click()
    page.wait_for_selector("#export-ready a")
    again = open_session(downloaded(page, "session.zip"))
    assert again == every_kind()
    (tmp_path / "bad.zip").write_bytes(b"no session")
    upload(page, tmp_path / "bad.zip")
    expect(page.get_by_text("is not a ZIP that can be read")).to_be_visible()
    expect(steps(page)).to_have_count(len(every_kind().steps))


def test_cancel_leaves_no_file_and_a_usable_page(new_page, app, tmp_path) -> None:
    """A report of some hundred pages takes longer to set than it takes to press Cancel."""
    words = ("word " * (MAX_TEXT // 5))[: MAX_TEXT - 1]
    long = tuple(Step("text", title=f"long {n}", text=words, comment=words) for n in range(60))
    (tmp_path / "long.zip").write_bytes(save_session(Session("Cancelled", long)))
    (tmp_path / "short.zip").write_bytes(save_session(Session("Finished", (Step("text", title="one"),))))
    made = set(reports(app))

    page = new_page("?tab=export")
    upload(page, tmp_path / "long.zip")
    expect(steps(page)).to_have_count(60)
    cancel = page.locator("#export-working ~ .cancel")
    expect(cancel).to_be_hidden()
    page.locator("#export-files").click()
    expect(page.locator("#export-working [role=progressbar]")).to_be_visible()
    cancel.click()
    expect(page.locator("#export-working [role=progressbar]")).to_have_count(0)
    expect(cancel).to_be_hidden()
    expect(page.locator("#export-ready")).to_be_hidden()
    assert set(reports(app)) == made

    # The session is still there, and what is asked for next is done.
    expect(steps(page)).to_have_count(60)
    expect(field(page, "export-title")).to_have_value("Cancelled")
    upload(page, tmp_path / "short.zip")
    expect(steps(page)).to_have_count(1)
    page.locator("#export-files").click()
    expect(page.locator("#export-ready")).to_contain_text("report", timeout=120_000)
    report = downloaded(page, "report.pdf")
    assert "Finished" in PdfReader(io.BytesIO(report)).pages[0].extract_text()
    assert [path.read_bytes() for path in set(reports(app)) - made] == [report]


def reports(app) -> list[Path]:
    """The PDFs that the program has put where pages may fetch them."""
    return list((app.log.parent / "gradio").rglob("*.pdf"))
