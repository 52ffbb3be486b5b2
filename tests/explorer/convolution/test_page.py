"""What the lab draws, read back from its SVG: numbers, marks, sizes, and the pixels of its pictures."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.convolution.arithmetic import convolve
from explorer.convolution.display import MOST_TEXT_CELLS
from explorer.convolution.page.alert import alert
from explorer.convolution.page.matrix import draw_matrix, figure, row_of, stack_channels
from explorer.convolution.page.number_line import draw_derivation, draw_number_line, line_caption
from explorer.convolution.page.whole_maps import draw_downsampling, draw_reading
from explorer.convolution.page.windows import draw_outputs, draw_step
from explorer.convolution.pooling import compare_downsampling
from explorer.convolution.presets import CLASSIC_KERNELS, picture, presets, with_classic_kernel
from explorer.convolution.reading import read_off
from explorer.convolution.size import derive_size
from explorer.convolution.snippet import as_python
from explorer.convolution.views import MatrixView
from explorer.errors import ExplorerError

SHEET = presets()["Exercise sheet: w1, w2, w3"]


def drawings(page: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def numbers(svg: ET.Element) -> np.ndarray:
    """The texts of a drawn matrix as numbers, in its rows and columns."""
    texts = [float((text.text or "").replace("−", "-")) for text in svg.iter("text")]
    return np.array(texts).reshape(int(svg.get("data-rows", 0)), int(svg.get("data-columns", 0)))


def with_class(svg: ET.Element, tag: str, name: str) -> list[ET.Element]:
    return [node for node in svg.iter(tag) if name in (node.get("class") or "").split()]


def cells_with(svg: ET.Element, name: str) -> np.ndarray:
    """(rows, columns) of booleans: which cells carry a class."""
    cells = with_class(svg, "rect", "cv-cell")
    marked = [name in (cell.get("class") or "").split() for cell in cells]
    return np.array(marked).reshape(int(svg.get("data-rows", 0)), -1)


def grey_and_alpha(svg: ET.Element) -> np.ndarray:
    (image,) = svg.iter("image")
    data = (image.get("href") or "").removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_step_shows_input_products_and_output() -> None:
    conv = SHEET.convolve()
    page = draw_step(conv, 1, 2, 3)
    drawn_input, products, output = drawings(page)
    np.testing.assert_array_equal(numbers(drawn_input), SHEET.x[0])
    lit = np.zeros((5, 6), dtype=bool)
    lit[2:4, 3:5] = True
    np.testing.assert_array_equal(cells_with(drawn_input, "cv-lit"), lit)
    shown = [float((t.text or "").replace("−", "-")) for t in with_class(products, "text", "cv-product")]
    assert shown == (SHEET.x[0][2:4, 3:5] * SHEET.kernels[1, 0]).ravel().tolist()
    np.testing.assert_array_equal(numbers(output), conv.output[1])
    assert output.get("data-kernel") == "1"
    (now,) = np.argwhere(cells_with(output, "cv-lit"))
    assert now.tolist() == [2, 3]
    assert "row 3, column 4" in page


def test_dilation_lights_the_taps_and_frames_their_span() -> None:
    conv = convolve(np.arange(49.0).reshape(7, 7), np.ones((3, 2)), dilation=(2, 3))
    drawn, *_ = drawings(draw_step(conv, 0, 1, 2))
    lit = np.argwhere(cells_with(drawn, "cv-lit")).tolist()
    assert lit == [[row, column] for row in (1, 3, 5) for column in (2, 5)]
    (frame,) = with_class(drawn, "rect", "cv-window")
    side = float(drawn.get("width", 0)) // 7
    size = [round(float(frame.get(name, 0)) / side) for name in ("y", "x", "height", "width")]
    assert size == [1, 2, 5, 4]


def test_padding_is_drawn_with_the_values_that_fill_it() -> None:
    x = np.arange(12.0).reshape(3, 4)
    conv = convolve(x, np.ones((2, 2)), padding=(1, 2), padding_mode="reflect")
    drawn, *_ = drawings(draw_step(conv, 0, 0, 0))
    np.testing.assert_array_equal(numbers(drawn), np.pad(x, ((1, 1), (2, 2)), mode="reflect"))
    padded = np.ones((5, 8), dtype=bool)
    padded[1:4, 2:6] = False
    np.testing.assert_array_equal(cells_with(drawn, "cv-padded"), padded)


def test_unread_pixels_are_struck_out_and_counted() -> None:
    conv = convolve(SHEET.x[0], SHEET.kernels[0, 0], stride=2, padding=0)
    page = draw_step(conv, 0, 0, 0)
    drawn, *_ = drawings(page)
    unread = np.zeros((5, 6), dtype=bool)
    unread[4] = True
    np.testing.assert_array_equal(cells_with(drawn, "cv-unread"), unread)
    assert len(with_class(drawn, "line", "cv-strike")) == 6
    assert "6 grey pixels are read by no window" in page
    gaps = draw_step(convolve(np.ones((5, 5)), np.ones((1, 1)), stride=2), 0, 0, 0)
    assert "16 in the gaps" in gaps
    assert "read by no window" not in draw_step(SHEET.convolve(), 0, 0, 0)


def test_every_channel_is_drawn_and_only_the_groups_own_is_lit() -> None:
    conv = presets()["Two channels in two groups"].convolve()
    first, second, products, _ = drawings(draw_step(conv, 1, 0, 0))
    assert not cells_with(first, "cv-lit").any()
    assert cells_with(second, "cv-lit").sum() == 4
    assert len(with_class(products, "text", "cv-product")) == 4
    both = presets()["Two channels, one kernel"].convolve()
    page = draw_step(both, 0, 1, 1)
    assert len(drawings(page)) == 5
    window = both.windows[0, 1, 1]
    for channel, products_of_one in enumerate(window.products, start=1):
        assert f"channel {channel}: {products_of_one.sum():g}".replace("-", "−") in page


def test_all_outputs_are_offered() -> None:
    conv = SHEET.convolve()
    maps = drawings(draw_outputs(conv, 0))
    for index, (drawn, values) in enumerate(zip(maps, conv.output, strict=True)):
        np.testing.assert_array_equal(numbers(drawn), values)
        assert drawn.get("data-kernel") == str(index)


def test_large_matrices_become_pictures_at_true_values() -> None:
    x = picture(32)
    assert x.size > MOST_TEXT_CELLS
    (drawn,) = drawings(draw_matrix(MatrixView(x, "A picture")))
    pixels = grey_and_alpha(drawn)
    assert pixels.shape[:2] == (32, 32)
    scale = 255 / (x.max() - x.min())
    np.testing.assert_allclose(pixels[..., 0], (x - x.min()) * scale, atol=0.51)
    assert not list(drawn.iter("text"))


def test_signed_pictures_have_zero_in_the_middle_and_say_so() -> None:
    conv = with_classic_kernel("Sobel, vertical edges", picture()).convolve()
    row, column = (int(i) for i in np.argwhere(conv.maps[0] == 0)[0])
    page = draw_step(conv, 0, 31, 31)
    pixels = grey_and_alpha(drawings(page)[2])
    assert abs(int(pixels[row, column, 0]) - 127.5) <= 1
    most = f"{np.abs(conv.maps).max():g}"
    assert f"Black is −{most}, mid-grey is 0, white is {most}." in page


def test_pictures_of_the_three_ways_share_one_scale() -> None:
    ways = compare_downsampling(with_classic_kernel("Sharpen", picture()).convolve(), 2)
    most = np.abs(ways[0].before).max()
    drawn = drawings(draw_downsampling(ways, 2))
    for way, after in zip(ways, drawn[1::2], strict=True):
        expected = (way.output / most + 1) / 2 * 255
        np.testing.assert_allclose(grey_and_alpha(after)[..., 0], expected, atol=0.51)


HOSTILE = """<script>"&'"""


def texts_and_tags(page: str) -> tuple[str, set[str], list[str]]:
    """All text of a page, the names of its elements, and the values of its attributes."""
    root = ET.fromstring(f"<page>{page}</page>")
    values = [value for node in root.iter() for value in node.attrib.values()]
    return "".join(root.itertext()), {node.tag for node in root.iter()}, values


def test_what_others_typed_stays_text_in_matrices_and_figures() -> None:
    view = MatrixView(np.zeros((1, 1)), HOSTILE)
    drawn = draw_matrix(view, hint=HOSTILE, data={"name": HOSTILE})
    page = row_of([figure(drawn, HOSTILE, HOSTILE), stack_channels([drawn, drawn])], HOSTILE)
    text, tags, values = texts_and_tags(page)
    assert HOSTILE in text
    assert "script" not in tags
    assert {HOSTILE, f"{HOSTILE}; {HOSTILE}", f"cv-row {HOSTILE}", f"cv-figure {HOSTILE}"} <= set(values)


def test_what_others_typed_stays_text_in_alerts() -> None:
    text, tags, _ = texts_and_tags(alert(ExplorerError(HOSTILE, "is no number", HOSTILE), HOSTILE))
    assert text.count(HOSTILE) == 3
    assert "script" not in tags


def test_what_others_typed_stays_text_in_windows() -> None:
    """A padding mode is the one text in a convolution."""
    plain = convolve(np.ones((2, 2)), [[1]], padding=1)
    conv = replace(plain, padding_mode=HOSTILE)  # type: ignore[arg-type]
    vars(conv)["padded"] = plain.padded  # no convolution has such a mode
    text, tags, _ = texts_and_tags(draw_step(conv, 0, 0, 0) + draw_outputs(conv, 0))
    assert f"padded with {HOSTILE} to" in text
    assert "script" not in tags


def test_what_others_typed_stays_text_in_whole_maps() -> None:
    """Names of the ways are the one text there."""
    ways = [replace(way, name=HOSTILE) for way in compare_downsampling(SHEET.convolve(), 2)]
    text, tags, values = texts_and_tags(draw_downsampling(ways, 2))
    assert text.count(HOSTILE) == 3 * 2  # captions, and heads of the table
    assert sum(HOSTILE in value for value in values) == 3 * 2  # labels of both drawings
    assert "script" not in tags
    reading = read_off(SHEET.kernels[0, 0], -1)
    assert "script" not in texts_and_tags(draw_reading(reading, SHEET.convolve(), 0))[1]


def test_the_number_line_has_no_text_but_its_own() -> None:
    derivation = derive_size(6, 2, 2)
    page = draw_number_line(derivation) + draw_derivation(derivation) + line_caption(derivation)
    assert texts_and_tags(page)[1] <= {
        *("page", "svg", "rect", "text", "line", "circle", "p", "i", "b", "br", "ol", "li", "span")
    }


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_every_preset_can_be_stepped_through(preset: Any) -> None:
    conv = preset.convolve()
    for index in (0, len(conv.windows) // 2, len(conv.windows) - 1):
        window = conv.windows[index]
        page = draw_step(conv, window.kernel_index, window.row, window.column)
        assert len(drawings(page)) >= 3
    assert conv.output.std() > 0


@pytest.mark.parametrize("name", CLASSIC_KERNELS)
def test_classic_kernels_do_what_they_promise_on_even_ground(name: str) -> None:
    """A constant picture stays itself under blur and sharpen, and vanishes under the edge kernels."""
    output = with_classic_kernel(name, np.full((6, 7), 90.0)).convolve().output
    np.testing.assert_allclose(output, 90 if "Blur" in name or "Sharpen" in name else 0, atol=1e-9)


def test_sobel_finds_the_edge_it_is_named_after() -> None:
    step = np.zeros((6, 6))
    step[:, 3:] = 10
    vertical = with_classic_kernel("Sobel, vertical edges", step).convolve().output[0]
    assert vertical[:, 2:4].min() > 0
    assert not with_classic_kernel("Sobel, horizontal edges", step).convolve().output.any()


def test_reading_off_marks_exactly_the_matches() -> None:
    conv = SHEET.convolve()
    page = draw_reading(read_off(SHEET.kernels[0, 0], -1), conv, 0)
    stencil, marked, output, *patches = drawings(page)
    links = with_class(marked, "g", "cv-link")
    assert len(links) == int((conv.output[0] > 0).sum())
    np.testing.assert_array_equal(cells_with(output, "cv-lit"), conv.output[0] > 0)
    np.testing.assert_array_equal(cells_with(stencil, "cv-lit"), SHEET.kernels[0, 0] == 1)
    assert len(patches) == 16
    assert page.count("cv-patch cv-fires") == 4


def test_downsampling_shows_what_each_way_keeps() -> None:
    ways = compare_downsampling(SHEET.convolve(), 2)
    page = draw_downsampling(ways, 2)
    drawn = drawings(page)
    for way, before, after in zip(ways, drawn[::2], drawn[1::2], strict=True):
        np.testing.assert_array_equal(cells_with(before, "cv-lit"), way.kept)
        np.testing.assert_allclose(numbers(after), way.output, atol=0.005)
    assert "4×5 does not fall into whole 2×2 blocks" in page


@pytest.mark.parametrize("numbers_", [(6, 2, 1, 0, 1), (7, 3, 2, 1, 2), (32, 3, 1, 8, 5), (5, 2, 2, 0, 1)])
def test_the_number_line_has_a_dot_for_every_pixel_read(numbers_: tuple[int, ...]) -> None:
    derivation = derive_size(*numbers_)
    (drawn,) = drawings(draw_number_line(derivation))
    cells = [
        float(c.get("x", 0)) + float(c.get("width", 0)) / 2 for c in with_class(drawn, "rect", "cv-cell")
    ]
    dots = [float(dot.get("cx", 0)) for dot in with_class(drawn, "circle", "cv-tap")]
    assert len(cells) == derivation.padded
    expected = [derivation.taps(position) for position in range(derivation.output)]
    found = [round((dot - cells[0]) / (cells[1] - cells[0])) - derivation.padding for dot in dots]
    assert found == [tap for taps in expected for tap in taps]
    assert bool(with_class(drawn, "rect", "cv-rest")) == bool(derivation.left_over)
    assert f"<b>{derivation.output}</b>" in draw_derivation(derivation)


@pytest.mark.parametrize(
    "preset", list(presets().values())[:2] + list(presets().values())[-4:], ids=lambda p: p.name
)
def test_the_python_shown_computes_the_same(
    preset: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explorer, "convolve", convolve, raising=False)
    monkeypatch.chdir(tmp_path)
    conv = preset.convolve()
    np.save("input.npy", conv.x)
    namespace: dict[str, Any] = {}
    exec(as_python(conv), namespace)
    np.testing.assert_array_equal(namespace["conv"].output, conv.output)
    assert namespace["conv"].size_formula == conv.size_formula
    assert capsys.readouterr().out
