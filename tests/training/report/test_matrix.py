"""The confusion matrix is the same on screen and on paper: names, numbers, tints."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from training import confusion_figure, describe_confusion
from training.report.classes import SHORT, short_name
from training.report.matrix import DEEPEST, MATRIX_WORDS, MOST_NUMBERED, Matrix
from training.report.mistakes import confusion_words
from training.report.page.mistakes import draw_confusion
from training.report.predictions import Predictions

COUNTS = np.array([[75, 25, 0], [1, 96, 3], [0, 0, 0]])
LABELS = ("cat", "a class of very many letters", "dog")


def predictions(counts: np.ndarray, labels: tuple[str, ...]) -> Predictions:
    """Answers that are counted so."""
    pairs = [pair for pair in np.ndindex(*counts.shape) for _ in range(counts[pair])]
    true, taken = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    return Predictions(labels, true, np.eye(len(labels), dtype=np.float32)[taken])


def on_page(counts: np.ndarray, labels: tuple[str, ...]) -> ElementTree.Element:
    return ElementTree.fromstring(draw_confusion(predictions(counts, labels)))


def test_cells_are_tinted_by_the_root_of_their_share() -> None:
    tints = Matrix(LABELS, COUNTS).tints
    # 1 % is a tenth as deep as 100 %, and four times the share twice as deep.
    assert tints[1, 0] == pytest.approx(DEEPEST / 10)
    assert tints[0, 0] / tints[0, 1] == pytest.approx(3**0.5)
    assert (tints[2] == 0).all()  # a class without test images
    for said in (describe_confusion, confusion_words):
        assert MATRIX_WORDS in said(predictions(COUNTS, LABELS))
    assert "root" in MATRIX_WORDS


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_and_the_paper_draw_the_same_matrix(dark: bool) -> None:
    axes = confusion_figure(COUNTS, LABELS, dark=dark).axes[0]
    image = axes.images[0]
    pixels = image.to_rgba(image.get_array())
    drawing = on_page(COUNTS, LABELS)
    cells = {
        (int(g.attrib["data-row"]), int(g.attrib["data-column"])): g
        for g in drawing.iter("g")
        if "data-row" in g.attrib
    }
    numbers = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    for place, cell in cells.items():
        colour, percent = re.findall(r"srgb, (#\w+) (\d+)%", cell.find("rect").attrib["style"])[0]
        assert colour == to_hex(pixels[place][:3]).upper()
        assert int(percent) == pytest.approx(100 * pixels[place][3], abs=0.5)
        number = cell.find("text")
        assert (number.text if number is not None else "") == numbers.get(place, "")
    assert len(cells) == 9
    assert numbers == {(0, 0): "75", (0, 1): "25", (1, 0): "1", (1, 1): "96", (1, 2): "3"}
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names == [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "a class of ve…", "dog"]
    words = [text.text for text in drawing.iter("text")]
    assert {*names, axes.get_xlabel(), axes.get_ylabel()} <= set(words)


@pytest.mark.parametrize(("classes", "numbered"), [(MOST_NUMBERED, True), (MOST_NUMBERED + 1, False)])
def test_many_classes_are_a_picture_on_both(classes: int, numbered: bool) -> None:
    counts, labels = np.eye(classes, dtype=np.int64), tuple(f"class {n}" for n in range(classes))
    axes = confusion_figure(counts, labels).axes[0]
    assert len(axes.texts) == (classes if numbered else 0)
    assert len(axes.get_xticklabels()) == (classes if numbered else 0)
    words = [text.text for text in on_page(counts, labels).iter("text")]
    assert ("class 3" in words) == ("100" in words) == numbered


def test_a_name_is_shortened_only_where_it_is_long() -> None:
    assert short_name("x" * SHORT) == "x" * SHORT
    assert short_name("x" * (SHORT + 1)) == "x" * (SHORT - 1) + "…"
    assert short_name("x" * 99, 40) == "x" * 39 + "…"
