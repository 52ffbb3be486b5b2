"""Several pictures with their captions as one: what a gallery on screen becomes on paper."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explorer.errors import ExplorerError

_GAP_PX = 8
_PAPER, _INK = (255, 255, 255), (31, 41, 55)
_SMALLEST_PX, _LARGEST_PX = 11, 24  # of letters; in between they grow with the pictures


def contact_sheet(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int) -> np.ndarray:
    """Pictures in rows of ``columns`` on white, each unchanged pixel for pixel, its caption below it.

    Args:
        pictures: RGB ``uint8`` ``(h, w, 3)``, of one size or several.
        captions: one for each; what is wider than its picture goes on in the next line.
        columns: at most so many side by side.

    Returns:
        RGB ``uint8`` ``(H, W, 3)``.

    Raises:
        ExplorerError: no picture, another number of captions, no column.
    """
    if not pictures or columns < 1 or len(pictures) != len(captions):
        value = f"a sheet of {len(pictures)} pictures, {len(captions)} captions and {columns} columns"
        raise ExplorerError(
            value, "can't be laid out", "give each picture a caption, and at least one column"
        )
    columns = min(columns, len(pictures))
    width = max(picture.shape[1] for picture in pictures)
    height = max(picture.shape[0] for picture in pictures)
    font = letters(min(max(width // 24, _SMALLEST_PX), _LARGEST_PX))
    lines = [_wrapped(caption, font, width) for caption in captions]
    below = max(map(len, lines)) * _line_px(font)
    rows = -(-len(pictures) // columns)
    size = (columns * (width + _GAP_PX) + _GAP_PX, rows * (height + below + _GAP_PX) + _GAP_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, picture in enumerate(pictures):
        left = _GAP_PX + place % columns * (width + _GAP_PX)
        top = _GAP_PX + place // columns * (height + below + _GAP_PX)
        sheet.paste(Image.fromarray(picture), (left, top))
        for number, line in enumerate(lines[place]):
            y = top + picture.shape[0] + number * _line_px(font)
            draw.text((left, y), line, fill=_INK, font=font)
    return np.asarray(sheet)


@cache
def letters(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: the same letters on every computer."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    # Basic layout: the finer one depends on a library that not every computer has.
    return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)


def _line_px(font: ImageFont.FreeTypeFont) -> int:
    return sum(font.getmetrics())


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    """Lines that fit: broken at a space where there is one, else anywhere, as layers' names need it."""
    lines, rest = [], " ".join(text.split())
    while rest:
        fits = len(rest)
        while fits > 1 and font.getlength(rest[:fits]) > width_px:
            fits -= 1
        if fits < len(rest) and (space := rest.rfind(" ", 0, fits + 1)) > 0:
            fits = space
        lines.append(rest[:fits])
        rest = rest[fits:].lstrip()
    return lines
