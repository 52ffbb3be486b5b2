"""The windows of a convolution as pictures: HTML with SVG, one call for one step."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from explorer.convolution.arithmetic import Convolution, Floats, Window
from explorer.convolution.display import kernel_name, size_text, window_at
from explorer.convolution.entry import format_number
from explorer.convolution.page.matrix import (
    cell_box,
    cell_style,
    cell_text,
    draw_matrix,
    figure,
    row_of,
    stack_channels,
    titled_parts,
)
from explorer.convolution.views import (
    MatrixView,
    input_views,
    output_view,
    output_views,
    planes,
    product_views,
)
from explorer.convolution.words import (
    PRODUCTS_TITLE,
    bias_added,
    factor,
    grey_caption,
    input_title,
    output_title,
    unread_reason,
)

_MOST_SPELT_PRODUCTS = 25  # up to 5×5 weights, "pixel × weight" is spelt out above each product
_GO = "click a cell to go to its window"


def draw_step(conv: Convolution, kernel_index: int, row: int, column: int) -> Markup:
    """One window: where it lies on the input, its products and sum, and the output cell that it fills."""
    window = window_at(conv, kernel_index, row, column)
    inputs, output = input_views(conv, window), output_view(conv, window, stepping=True)
    place = {"kernel": kernel_index, "row": row, "column": column}
    data = {"goto": "", **{name: str(index) for name, index in place.items()}}
    figures = [
        figure(_channels(inputs), input_caption(conv, inputs[0])),
        figure(draw_terms(window), terms_caption(window), "cv-terms"),
        figure(draw_matrix(output, hint=_GO, data=data), output_caption(conv, window, output)),
    ]
    return row_of(figures, "cv-step")


def draw_input(conv: Convolution, window: Window) -> Markup:
    """Every channel of the padded input, the window on those that its kernel reads."""
    return _channels(input_views(conv, window))


def draw_outputs(conv: Convolution, current: int) -> Markup:
    """All output maps of several kernels beside each other; a click goes to that kernel's window."""
    figures = []
    for index, view in enumerate(output_views(conv)):
        drawn = draw_matrix(view, hint=_GO, data={"goto": "", "kernel": str(index)}, small=True)
        caption = f"{kernel_name(index)}: {size_text(view.values)}"
        figures.append(figure(drawn, caption, "cv-current" if index == current else ""))
    return row_of(figures, "cv-outputs")


def draw_terms(window: Window) -> Markup:
    """The products of one window, channel by channel, and what becomes of their sum."""
    views = product_views(window)
    parts = zip(views, planes(window.patch), planes(window.kernel), strict=True)
    grids = [_products(view, patch, kernel) for view, patch, kernel in parts]
    drawn: Markup = grids[0]
    if len(grids) > 1:
        sums = [float(view.values.sum()) for view in views]
        titles = [
            f"channel {channel + 1}: {format_number(total)}"
            for channel, total in zip(window.channels, sums, strict=True)
        ]
        drawn = titled_parts(zip(titles, grids, strict=True))
    return Markup('<div class="cv-products">{}</div>{}').format(drawn, sum_table(window))


def sum_table(window: Window) -> Markup:
    """From the sum of the products over the bias to the output."""
    before = format_number(window.pre_activation)
    lines = [
        (f"Sum of {window.products.size} products", format_number(window.sum)),
        (f"Bias: {bias_added(window.sum, window.bias)}", before),
    ]
    if window.activation:
        lines.append((f"ReLU: max(0, {before})", format_number(window.output)))
    line = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    cells = Markup("").join(line.format(what, value) for what, value in lines)
    return Markup('<table class="cv-sum">{}</table>').format(cells)


def input_caption(conv: Convolution, view: MatrixView) -> Markup:
    """The input's size and what its frame means; how many pixels no window reads, and why."""
    text = Markup("<b>1 · {}</b>. The frame is what the kernel sees. {}").format(
        input_title(conv), grey_caption(view)
    )
    count = conv.unreached_count
    if not count:
        return text
    pixels = "1 grey pixel is" if count == 1 else f"{count} grey pixels are"
    return text + Markup(" <b>{} read by no window</b>: {}.").format(pixels, unread_reason(conv))


def terms_caption(window: Window) -> Markup:
    """What the products are, and what happens to them."""
    dim = " Dashed: padding." if window.padded.any() else ""
    return Markup("<b>2 · {}</b>, all added up, then the bias of {}.{}").format(
        PRODUCTS_TITLE, kernel_name(window.kernel_index), dim
    )


def output_caption(conv: Convolution, window: Window, view: MatrixView) -> Markup:
    """Where on the output map the window's result lands."""
    return Markup('<b>3 · {}</b>. <span aria-live="polite">It lands in row {}, column {}.</span> {}').format(
        output_title(conv, window.kernel_index),
        window.row + 1,
        window.column + 1,
        grey_caption(view) or "Click a cell to see its window.",
    )


def _channels(views: Sequence[MatrixView]) -> Markup:
    return stack_channels([draw_matrix(view, small=len(views) > 1) for view in views])


def _products(view: MatrixView, patch: Floats, kernel: Floats) -> Markup:
    """The products of one channel, cell by cell; small kernels show both factors."""
    spelt = kernel.size <= _MOST_SPELT_PRODUCTS
    factors = [
        [
            f"{format_number(float(pixel), 2)} × {factor(float(weight), 2)}"
            for pixel, weight in zip(*row, strict=True)
        ]
        for row in zip(patch, kernel, strict=True)
    ]
    longest = max(len(text) for row in (factors if spelt else view.texts) for text in row)
    width = max(44, longest * 7 + 8) if spelt else max(26, longest * 6 + 6)
    height, font = (40, 11) if spelt else (22, 10)
    parts = []
    for row, line in enumerate(view.texts):
        for column, text in enumerate(line):
            x, y, style = column * width, row * height, cell_style(view.marks(row, column))
            parts.append(cell_box(x, y, width, height, style))
            if spelt:
                parts.append(cell_text(x + width / 2, y + 13, factors[row][column], " cv-factors"))
            parts.append(cell_text(x + width / 2, y + (28 if spelt else 11), text, " cv-product"))
    rows, columns = kernel.shape
    return Markup(
        '<svg viewBox="-1 -1 {width} {height}" width="{width}" height="{height}" class="cv-matrix" role="img" '
        'style="font-size:{font}px" aria-label="{label}">{content}</svg>'
    ).format(
        width=columns * width + 2,
        height=rows * height + 2,
        font=font,
        label=view.label,
        content=Markup("").join(parts),
    )
