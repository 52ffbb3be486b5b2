"""The windows of a convolution as pictures: HTML with SVG, one call for one step."""

from __future__ import annotations

import numpy as np

from explorer.convolution.arithmetic import Convolution, Floats, Window
from explorer.convolution.display import MOST_TEXT_CELLS, grey_range, kernel_name, size_text, window_at
from explorer.convolution.entry import format_number
from explorer.convolution.page.matrix import Box, Drawing, draw_matrix, figure, row_of

_MOST_SPELT_PRODUCTS = 25  # up to 5×5 weights, "pixel × weight" is spelt out above each product


def draw_step(conv: Convolution, kernel_index: int, row: int, column: int) -> str:
    """One window: where it lies on the input, its products and sum, and the output cell that it fills."""
    window = window_at(conv, kernel_index, row, column)
    figures = [
        figure(draw_input(conv, window), input_caption(conv)),
        figure(draw_terms(window), terms_caption(window), "cv-terms"),
        figure(draw_output(conv, window), output_caption(conv, window)),
    ]
    return row_of(figures, "cv-step")


def draw_input(conv: Convolution, window: Window | None) -> str:
    """Every channel of the padded input, the window on those that its kernel reads."""
    (top, left), (_, height, width) = conv.padding, conv.channels.shape
    padded = np.ones(conv.padded.shape[1:], dtype=bool)
    padded[top : top + height, left : left + width] = False
    unread = np.zeros_like(padded)
    unread[top : top + height, left : left + width] = conv.unreached
    drawings = []
    for channel, plane in enumerate(conv.padded):
        reads = window is not None and channel in window.channels
        name = f"Input, channel {channel + 1}" if len(conv.padded) > 1 else "Input"
        drawings.append(
            Drawing(
                plane,
                f"{name}, {height} by {width}",
                lit=_taps(window, conv) if reads and window is not None else None,
                padded=padded if top or left else None,
                unread=unread if conv.unreached_count else None,
                boxes=_window_boxes(conv, window) if reads and window is not None else (),
                small=len(conv.padded) > 1,
            )
        )
    return stack_channels([draw_matrix(drawing) for drawing in drawings])


def draw_output(conv: Convolution, window: Window, *, small: bool = False) -> str:
    """The window's output map: its own cell outlined, the later ones faint. Clicks on it choose a window."""
    values = conv.maps[window.kernel_index]
    later = np.arange(values.size).reshape(values.shape) > window.row * values.shape[1] + window.column
    now = np.zeros(values.shape, dtype=bool)
    now[window.row, window.column] = True
    height, width = values.shape
    drawing = Drawing(
        values,
        f"Output of {kernel_name(window.kernel_index)}, {height} by {width}; click a cell to go to its window",
        lit=now,
        faint=later,
        boxes=(Box(window.row, window.column, 1, 1, "cv-window"),),
        data={
            "goto": "",
            "kernel": str(window.kernel_index),
            "row": str(window.row),
            "column": str(window.column),
        },
        small=small,
    )
    return draw_matrix(drawing)


def draw_outputs(conv: Convolution, current: int) -> str:
    """All output maps of several kernels beside each other; a click goes to that kernel's window."""
    figures = []
    for index, values in enumerate(conv.maps):
        height, width = values.shape
        drawing = Drawing(
            values,
            f"Output of {kernel_name(index)}, {height} by {width}; click a cell to go to its window",
            lit=values > 0,
            data={"goto": "", "kernel": str(index)},
            small=True,
        )
        mark = "cv-current" if index == current else ""
        figures.append(figure(draw_matrix(drawing), f"{kernel_name(index)}: {size_text(values)}", mark))
    return row_of(figures, "cv-outputs")


def draw_terms(window: Window) -> str:
    """The products of one window, channel by channel, and what becomes of their sum."""
    patches, kernels = _three_axes(window.patch), _three_axes(window.kernel)
    grids = [
        draw_products(patch, kernel, window.padded) for patch, kernel in zip(patches, kernels, strict=True)
    ]
    if len(grids) > 1:
        sums = (patches * kernels).sum(axis=(1, 2))
        titles = [
            f"channel {channel + 1}: {format_number(float(total))}"
            for channel, total in zip(window.channels, sums, strict=True)
        ]
        grids = [
            f'<div class="cv-part"><span>{title}</span>{grid}</div>'
            for title, grid in zip(titles, grids, strict=True)
        ]
    return f'<div class="cv-products">{"".join(grids)}</div>{sum_table(window)}'


def draw_products(patch: Floats, kernel: Floats, padded: np.ndarray) -> str:
    """The products of one channel, cell by cell; small kernels show both factors."""
    spelt = kernel.size <= _MOST_SPELT_PRODUCTS
    texts = [format_number(float(v), 2) for v in (patch * kernel).ravel()]
    factors = [
        f"{format_number(float(pixel), 2)} × {_signed(float(weight))}"
        for pixel, weight in zip(patch.ravel(), kernel.ravel(), strict=True)
    ]
    longest = max(len(text) for text in factors) if spelt else max(len(text) for text in texts)
    width = max(44, longest * 7 + 8) if spelt else max(26, longest * 6 + 6)
    height, font = (40, 11) if spelt else (22, 10)
    parts = []
    for index, (row, column) in enumerate(np.ndindex(*kernel.shape)):
        style = " cv-padded" if padded[row, column] else ""
        style += " cv-lit" if patch[row, column] * kernel[row, column] else ""
        x, y = column * width, row * height
        middle = f'x="{x + width / 2:g}"'
        parts.append(
            f'<rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" rx="3" class="cv-cell{style}"/>'
        )
        if spelt:
            parts.append(f'<text {middle} y="{y + 13}" class="cv-text cv-factors">{factors[index]}</text>')
        product = 28 if spelt else 11
        parts.append(f'<text {middle} y="{y + product}" class="cv-text cv-product">{texts[index]}</text>')
    rows, columns = kernel.shape
    return (
        f'<svg viewBox="-1 -1 {columns * width + 2} {rows * height + 2}" width="{columns * width + 2}" '
        f'height="{rows * height + 2}" class="cv-matrix" role="img" style="font-size:{font}px" '
        f'aria-label="Products of pixels and weights">{"".join(parts)}</svg>'
    )


def sum_table(window: Window) -> str:
    """From the sum of the products over the bias to the output."""
    total, before = format_number(window.sum), format_number(window.pre_activation)
    sign = "−" if window.bias < 0 else "+"
    lines = [
        (f"Sum of {window.products.size} products", total),
        (f"Bias: {total} {sign} {format_number(abs(window.bias))}", before),
    ]
    if window.activation:
        lines.append((f"ReLU: max(0, {before})", format_number(window.output)))
    cells = "".join(f"<tr><th scope='row'>{what}</th><td>{value}</td></tr>" for what, value in lines)
    return f'<table class="cv-sum">{cells}</table>'


def input_caption(conv: Convolution) -> str:
    height, width = conv.channels.shape[1:]
    text = f"<b>1 · Input {height}×{width}</b>"
    if conv.padding != (0, 0):
        text += f", padded with {conv.padding_mode} to {size_text(conv.padded[0])}"
    text += ". The frame is what the kernel sees."
    if conv.padded[0].size > MOST_TEXT_CELLS:
        text += " " + grey_caption(conv.padded)
    return text + unread_caption(conv)


def unread_caption(conv: Convolution) -> str:
    """How many pixels no window reads, and why; empty where there are none."""
    count, border = conv.unreached_count, int(conv.unreached_border.sum())
    if not count:
        return ""
    reasons = []
    if border:
        reasons.append(f"{border} at the border, where no whole stride fits any more (the floor)")
    if count > border:
        reasons.append(f"{count - border} in the gaps that stride and dilation leave")
    pixels = "1 grey pixel is" if count == 1 else f"{count} grey pixels are"
    return f" <b>{pixels} read by no window</b>: {', '.join(reasons)}."


def terms_caption(window: Window) -> str:
    name = kernel_name(window.kernel_index)
    dim = " Dashed: padding." if window.padded.any() else ""
    return f"<b>2 · Pixel times weight</b>, all added up, then the bias of {name}.{dim}"


def output_caption(conv: Convolution, window: Window) -> str:
    values = conv.maps[window.kernel_index]
    text = (
        f"<b>3 · Output of {kernel_name(window.kernel_index)}, {size_text(values)}</b>. "
        f'<span aria-live="polite">It lands in row {window.row + 1}, column {window.column + 1}.</span>'
    )
    return text + (
        " " + grey_caption(values) if values.size > MOST_TEXT_CELLS else " Click a cell to see its window."
    )


def grey_caption(values: Floats) -> str:
    """What black and white stand for."""
    low, high = (format_number(v, 2) for v in grey_range(values))
    middle = ", mid-grey is 0" if low.startswith("−") else ""
    return f"Black is {low}{middle}, white is {high}."


def _taps(window: Window, conv: Convolution) -> np.ndarray:
    lit = np.zeros(conv.padded.shape[1:], dtype=bool)
    rows, columns = np.array(window.rows) + conv.padding[0], np.array(window.columns) + conv.padding[1]
    lit[np.ix_(rows, columns)] = True
    return lit


def _window_boxes(conv: Convolution, window: Window) -> tuple[Box, ...]:
    top, left = window.rows[0] + conv.padding[0], window.columns[0] + conv.padding[1]
    height, width = window.rows[-1] - window.rows[0] + 1, window.columns[-1] - window.columns[0] + 1
    frame = Box(top, left, height, width, "cv-window" if conv.dilation == (1, 1) else "cv-window cv-spread")
    if conv.padding == (0, 0):
        return (frame,)
    rows, columns = conv.channels.shape[1:]
    return Box(conv.padding[0], conv.padding[1], rows, columns, "cv-true"), frame


def _three_axes(values: Floats) -> Floats:
    return values.reshape(-1, *values.shape[-2:])


def _signed(value: float) -> str:
    text = format_number(value, 2)
    return f"({text})" if value < 0 else text


def stack_channels(drawings: list[str]) -> str:
    """The drawings of several channels with their numbers; a single one stays alone."""
    if len(drawings) == 1:
        return drawings[0]
    parts = "".join(
        f'<div class="cv-part"><span>channel {number}</span>{drawing}</div>'
        for number, drawing in enumerate(drawings, start=1)
    )
    return f'<div class="cv-stack">{parts}</div>'
