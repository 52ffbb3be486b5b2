"""The labs' colours can be read, by day and at night, and the page has them from where paper has them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import explorer
from explorer.convolution.palette import DARK, LIGHT, Palette, custom_properties

TABS = Path(explorer.__file__).parent / "tabs"
STYLES = sorted([*(TABS / "convolution").glob("*.css"), *(TABS / "fields").glob("*.css")])


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_everything_can_be_read(colours: Palette) -> None:
    grounds = ("ground", "cell", "lit", "lit_padding", "unread", "right", "wrong")
    assert {name: contrast(colours.ink, getattr(colours, name)) >= 7 for name in grounds} == dict.fromkeys(
        grounds, True
    )
    assert contrast(colours.accent, colours.ground) >= 4.5


def test_right_and_wrong_differ_in_print_without_colours() -> None:
    assert contrast(LIGHT.right, LIGHT.wrong) > 1.15


def test_style_sheets_use_the_properties_and_name_none_that_there_is_not() -> None:
    defined = set(re.findall(r"(--lab-[\w-]+):", custom_properties()))
    assert defined == {f"--lab-{field.name.replace('_', '-')}" for field in fields(Palette)}
    used = {name for file in STYLES for name in re.findall(r"var\((--lab-[\w-]+)\)", file.read_text())}
    assert used <= defined
    assert {"--lab-accent", "--lab-lit", "--lab-right", "--lab-wrong", "--lab-unit", "--lab-before"} <= used
