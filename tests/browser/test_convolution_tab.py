"""The convolution lab as a student uses it, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect

from explorer.practice.exercises import make_exercise
from tests.browser.parts import open_part

expect.set_options(timeout=15_000)  # for slow computers; what is there is found at once


@pytest.fixture
def lab(new_page: Any) -> Any:
    """The lab as it opens; the page fails if it reports an error or asks another host."""
    page = new_page("?tab=convolution")
    page.get_by_label("Input, row 1, column 1", exact=True).wait_for()
    return page


def output_size(page: Any) -> tuple[str | None, str | None]:
    output = page.locator("#cv-step svg[data-goto]")
    return output.get_attribute("data-rows"), output.get_attribute("data-columns")


def test_a_larger_stride_shrinks_the_output(lab: Any) -> None:
    output = lab.locator("#cv-step svg[data-goto]")
    assert output_size(lab) == ("4", "5")
    lab.get_by_label("Stride", exact=True).fill("2")
    expect(output).to_have_attribute("data-rows", "2")
    assert output_size(lab) == ("2", "3")
    expect(lab.locator("#cv-step")).to_contain_text("6 grey pixels are read by no window")
    lab.get_by_label("Padding", exact=True).fill("1")
    expect(output).to_have_attribute("data-rows", "3")
    assert output_size(lab) == ("3", "4")


def test_a_late_answer_doesnt_move_the_window_back(lab: Any) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if not held and isinstance(asked.get("event_data"), dict) and "column" in asked["event_data"]:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    expect(lab.locator("#cv-step")).to_contain_text("It lands in row 1, column 1")
    lab.route("**/gradio_api/run/**", hold)
    lab.locator(".cv-stepper").focus()
    lab.keyboard.press("ArrowRight")
    lab.wait_for_timeout(200)
    lab.keyboard.press("ArrowRight")
    lab.wait_for_timeout(300)
    (route, answer), *_ = held
    route.fulfill(response=answer)
    expect(lab.locator("#cv-step")).to_contain_text("It lands in row 1, column 3")
    lab.wait_for_timeout(500)
    expect(lab.locator("#cv-step")).to_contain_text("It lands in row 1, column 3")


def test_keys_clicks_slider_and_play_move_the_window(lab: Any) -> None:
    caption, index = lab.locator("#cv-step"), lab.locator("input[type=number][aria-label*='Window']")
    expect(caption).to_contain_text("It lands in row 1, column 1")
    lab.locator(".cv-stepper").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        lab.keyboard.press(key)
    expect(caption).to_contain_text("It lands in row 2, column 2")
    expect(index).to_have_value("7")
    lab.keyboard.press("End")
    expect(caption).to_contain_text("It lands in row 4, column 5")
    box = lab.locator("#cv-outputs svg[data-kernel='2']").bounding_box()
    lab.mouse.click(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3)
    expect(caption).to_contain_text("Output of w3, 4×5. It lands in row 2, column 4")
    index.fill("1")
    index.press("Enter")
    expect(caption).to_contain_text("It lands in row 1, column 1")
    lab.get_by_role("button", name="Play").click()
    # Any later window: the one after the next may already be on screen.
    expect(caption).to_contain_text(re.compile(r"It lands in row (1, column [3-5]|[2-4])"))
    lab.get_by_role("button", name="Pause").click()
    expect(lab.get_by_role("button", name="Play")).to_be_visible()


def test_a_bad_cell_is_named_and_stays_to_be_mended(lab: Any) -> None:
    cell = lab.get_by_label("Input, row 2, column 3", exact=True)
    alert, output = lab.get_by_role("alert"), lab.locator("#cv-step svg[data-goto]")
    cell.fill("seven")
    cell.press("Enter")
    expect(alert).to_contain_text("'seven' in row 2, column 3 of the input is not a number")
    expect(cell).to_have_value("seven")
    expect(cell).to_have_attribute("aria-invalid", "true")
    expect(output).to_have_attribute("data-rows", "4")
    cell.fill("7")
    cell.press("Enter")
    expect(alert).to_have_count(0)
    # The kernel w1 has its second one on that cell in the window of row 1, column 2: 0 + 7 − 1.
    expect(output.locator("text").nth(1)).to_have_text("6")
    lab.get_by_label("Stride", exact=True).fill("0")
    expect(alert).to_contain_text("Stride 0 is not a whole number from 1 up")
    lab.get_by_label("Stride", exact=True).fill("1.5")
    expect(alert).to_contain_text("Stride 1.5 is not a whole number from 1 up")
    lab.get_by_label("Stride", exact=True).fill("1")
    expect(alert).to_have_count(0)
    lab.get_by_label("w1, row 1, column 1", exact=False).first.fill("")
    lab.keyboard.press("Enter")
    expect(alert).to_contain_text("Row 1, column 1 of w1 is empty")


def test_matrices_grow_and_take_pasted_blocks(lab: Any) -> None:
    lab.get_by_label("Input: one row more", exact=True).click()
    expect(lab.locator("#cv-step svg[data-goto]")).to_have_attribute("data-rows", "5")
    lab.get_by_label("Input: one channel more", exact=True).click()
    expect(lab.get_by_label("Kernels, w3, channel 2, row 2, column 2", exact=True)).to_have_value("0")
    lab.get_by_label("Input: one channel less", exact=True).click()
    expect(lab.get_by_label("Kernels, w3, row 2, column 2", exact=True)).to_have_value("0")
    lab.get_by_label("Input, row 6, column 5", exact=True).focus()
    lab.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text", "1\\t2\\t3\\n4\\t5\\t6");
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }"""
    )
    expect(lab.get_by_label("Input, row 7, column 7", exact=True)).to_have_value("6")
    expect(lab.locator("#cv-step svg[data-goto]")).to_have_attribute("data-columns", "6")
    lab.get_by_label("Input as text", exact=True).click()
    area = lab.get_by_label("Input, one row a line", exact=True)
    area.fill("1 2 3\n4 5 6")
    area.blur()
    expect(lab.locator("#cv-step svg[data-goto]")).to_have_attribute("data-rows", "1")


def test_a_wrong_cell_is_marked_and_its_window_shown(lab: Any) -> None:
    exercise = make_exercise()
    answer = [[f"{value:g}" for value in row] for row in exercise.solution]
    answer[1][2] = "9"
    open_part(lab, "Practice")
    for row, line in enumerate(answer, start=1):
        for column, text in enumerate(line, start=1):
            lab.get_by_label(f"Your answer, row {row}, column {column}", exact=True).fill(text)
    lab.get_by_role("button", name="Check my answer").click()
    total = exercise.solution.size
    expect(lab.locator("#cv-result")).to_contain_text(f"{total - 1} of {total} cells right")
    wrong = lab.get_by_label("Your answer, row 2, column 3: wrong", exact=True)
    expect(wrong).to_have_value("9")
    expect(lab.locator("#cv-answer input.right")).to_have_count(total - 1)
    window = exercise.window(1, 2)
    assert window is not None
    expect(lab.locator("#cv-behind")).to_contain_text(f"Row 2, column 3: 9 should be {window.output:g}")
    expect(lab.locator("#cv-behind .cv-sum")).to_contain_text(f"{window.sum:g}")
    with lab.expect_download() as download:
        lab.get_by_role("button", name="Answer sheet").or_(lab.get_by_text("Answer sheet")).first.click()
    assert download.value.suggested_filename == "answer-sheet.md"


def test_the_other_sections_follow_the_lab(lab: Any) -> None:
    lab.get_by_label("Stride", exact=True).fill("2")
    expect(lab.locator("#cv-step svg[data-goto]")).to_have_attribute("data-rows", "2")
    open_part(lab, "Output size")
    expect(lab.locator("#cv-size")).to_contain_text("⌊(6 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 3")
    lab.get_by_role("spinbutton", name=re.compile("Dilation d")).fill("3")
    lab.keyboard.press("Enter")
    expect(lab.locator("#cv-size")).to_contain_text("3·(2 − 1) + 1 = 4")
    expect(lab.get_by_label("Take the numbers from")).to_have_value("my own numbers")
    open_part(lab, "Read it off")
    expect(lab.locator("#cv-reading")).to_contain_text("of 6 cells fire")
    open_part(lab, "Stride and pooling")
    expect(lab.locator("#cv-downsampling")).to_contain_text("4×5 → 2×3")


def test_an_own_picture_is_convolved_and_a_broken_one_changes_nothing(lab: Any, tmp_path: Path) -> None:
    step = lab.locator("#cv-step")
    picture, broken = tmp_path / "mine.png", tmp_path / "broken.png"
    Image.new("RGB", (120, 60), (200, 30, 30)).save(picture)
    broken.write_text("not a picture")
    for file, listed in ((picture, step), (broken, lab.get_by_test_id("toast-body"))):
        with lab.expect_file_chooser() as chooser:
            lab.get_by_role("button", name="Use my picture").click()
        chooser.value.set_files(file)
        expect(listed).to_contain_text("Input 32×64" if file == picture else "broken.png")
    expect(step).to_contain_text("Input 32×64")
    expect(lab.get_by_label("Start from")).to_have_value("Edges (Laplace)")


def test_the_endpoints_answer_other_programs(app_url: str) -> None:
    client = Client(app_url, verbose=False)
    x, kernel = [[1, 0, 0], [0, 1, 0]], [[1, 0], [0, 1]]
    answer = client.predict(x, kernel, -1, activation="relu", api_name="/convolve")
    assert answer["output"] == [[1, 0]]
    assert [w["sum"] for w in answer["windows"]] == [2, 0]
    exercise = make_exercise(7, 2)
    cells = [[f"{value:g}" for value in row] for row in exercise.solution]
    cells[0][0] = "99"
    marked = client.predict("\n".join(" ".join(row) for row in cells), 7, 2, api_name="/mark_exercise")
    assert (marked["right"], marked["total"]) == (5, 6)
    assert marked["cells"][0]["verdict"] == "wrong"
    assert "ReLU" in marked["cells"][0]["arithmetic"]
    with pytest.raises(AppError, match=r"[Uu]se 1 or more"):
        client.predict(x, kernel, stride=0, api_name="/convolve")
    with pytest.raises(AppError, match=r"[Uu]se fewer"):
        client.predict([[0] * 100] * 100, kernel, api_name="/convolve")
    documented = client.view_api(return_format="dict")["named_endpoints"]["/convolve"]["parameters"]
    assert [p["parameter_name"] for p in documented][:4] == ["x", "kernel", "bias", "stride"]
