"""Run n has one colour, told from the next one's on a white page, on a dark one and by everybody."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import training
from explorer.tabs.components import theme
from training.report.colours import RUN_COLOURS, run_colour
from training.report.matrix import DEEPEST, TINT
from training.report.paper.chart import INK, INK_ON_DARK

WHITE, DARK = "#ffffff", "#0b0f19"
"""Paper and the light page; gradio's dark page."""


def linear(colour: str | tuple[float, ...]) -> np.ndarray:
    """sRGB to linear light."""
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    """Linear light to sRGB."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def contrast(one: str | tuple[float, ...], other: str | tuple[float, ...]) -> float:
    """WCAG 2.2's contrast ratio, from 1 to 21."""
    dark, light = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def test_the_first_runs_are_told_from_either_page_and_the_others_seen() -> None:
    # WCAG asks 3 of what isn't text.
    for background in (WHITE, DARK):
        assert min(contrast(colour, background) for colour in RUN_COLOURS[:4]) >= 3
        assert min(contrast(colour, background) for colour in RUN_COLOURS) >= 2


@pytest.mark.parametrize(
    "seen",
    [
        np.eye(3),
        # Viénot, Brettel and Mollon (1999): what is left of linear RGB without long- or medium-wave cones.
        np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
        np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
    ],
    ids=["everybody", "protanopes", "deuteranopes"],
)
def test_no_two_runs_look_alike(seen: np.ndarray) -> None:
    shown = [encoded(seen @ linear(colour)) for colour in RUN_COLOURS]
    # In some channel, a tenth of the way from black to full.
    assert min(np.abs(one - other).max() for one, other in combinations(shown, 2)) > 0.1


def test_runs_begin_again_after_the_last_colour() -> None:
    assert [run_colour(n) for n in range(8)] == [*RUN_COLOURS, *RUN_COLOURS[:2]]
    assert len(set(RUN_COLOURS)) == len(RUN_COLOURS)


def test_the_colour_of_buttons_and_bars_is_no_runs() -> None:
    accents = {value.lower() for name, value in vars(theme()).items() if name.startswith("primary_")}
    assert accents
    assert not accents & {colour.lower() for colour in RUN_COLOURS}


@pytest.mark.parametrize(("ink", "page"), [(INK, WHITE), (INK_ON_DARK, DARK)])
def test_words_can_be_read_on_the_deepest_tint(ink: str, page: str) -> None:
    mixed = DEEPEST * np.array(to_rgb(TINT)) + (1 - DEEPEST) * np.array(to_rgb(page))
    assert contrast(tuple(mixed), ink) >= 4.5
    assert contrast(page, ink) >= 4.5


def test_colours_of_runs_are_written_down_once() -> None:
    folder = Path(training.__file__).parent
    written = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if set(RUN_COLOURS) & set(re.findall(r"#[0-9A-F]{6}", path.read_text()))
    }
    assert written == {"report/colours.py"}
