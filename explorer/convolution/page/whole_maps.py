"""Views on a whole convolution: reading it off, and making it smaller by stride or by pooling."""

from __future__ import annotations

import numpy as np

from explorer.convolution.arithmetic import Convolution, Floats, Mask
from explorer.convolution.display import grey_range, kernel_name, size_text
from explorer.convolution.entry import format_number
from explorer.convolution.page.matrix import Drawing, draw_matrix, figure, row_of
from explorer.convolution.page.windows import grey_caption
from explorer.convolution.pooling import Downsampling
from explorer.convolution.reading import Reading

_MOST_LISTED_CELLS = 4  # 2^4 patches can be looked at; 2^9 can't


def draw_reading(reading: Reading, conv: Convolution, kernel_index: int) -> str:
    """The stencil, the table of counts, the input with every match marked, and what comes out."""
    fires = reading.fires_on(conv.padded[0], stride=conv.stride, dilation=conv.dilation)
    stencil = Drawing(reading.stencil.astype(float), "The kernel as a stencil", lit=reading.stencil)
    marked = Drawing(
        conv.padded[0],
        f"Input with the {int(fires.sum())} windows that fire marked",
        links=_matches(reading, conv, fires),
    )
    output = Drawing(
        np.maximum(conv.pre_activation.reshape(conv.maps.shape)[kernel_index], 0), "Output", lit=fires
    )
    name = kernel_name(kernel_index)
    figures = [
        figure(
            draw_matrix(stencil) + counts_table(reading),
            f"<b>1 · {name} as a stencil.</b> Count the ones it shows.",
        ),
        figure(
            draw_matrix(marked),
            "<b>2 · Look for the pattern</b> in the input: each match is joined by a line.",
        ),
        figure(
            draw_matrix(output), f"<b>3 · Write it down.</b> {int(fires.sum())} of {fires.size} cells fire."
        ),
    ]
    return row_of(figures, "cv-thirds") + draw_patches(reading)


def counts_table(reading: Reading) -> str:
    """How many ones are counted, and what bias and ReLU make of it."""
    lines = "".join(
        f'<tr class="{"cv-fires" if count.fires else ""}"><td>{count.ones}</td>'
        f"<td>{format_number(count.pre_activation)}</td><td>{format_number(count.output)}</td></tr>"
        for count in reading.counts
    )
    bias = ("− " if reading.bias < 0 else "+ ") + format_number(abs(reading.bias))
    head = f"<tr><th scope='col'>ones</th><th scope='col'>{bias}</th><th scope='col'>ReLU</th></tr>"
    return f'<table class="cv-table">{head}{lines}</table>'


def draw_patches(reading: Reading) -> str:
    """Every patch of zeros and ones, those on which the kernel fires first; nothing for larger kernels."""
    if reading.stencil.size > _MOST_LISTED_CELLS:
        return ""
    patches = reading.patches()
    firing = sum(fires for _, fires in patches)
    drawn = "".join(
        f'<span class="cv-patch {"cv-fires" if fires else ""}">{_mini(patch, reading.stencil)}</span>'
        for patch, fires in patches
    )
    caption = (
        f"All {len(patches)} patches of zeros and ones. It fires on the {firing} framed ones; "
        "pale cells don't count."
    )
    return figure(f'<div class="cv-patches">{drawn}</div>', caption)


def draw_downsampling(ways: tuple[Downsampling, ...], factor: int) -> str:
    """Stride, max-pooling and average-pooling side by side: what they keep, and what they make of it."""
    figures = []
    for way in ways:
        height, width = way.before.shape
        before = Drawing(
            way.before,
            f"The map at stride 1, {height} by {width}, with what {way.name} keeps",
            lit=way.kept,
            faint=~way.kept,
            small=True,
        )
        output = Drawing(
            way.output,
            f"{way.name}: {size_text(way.output)}",
            small=True,
            grey=before.as_picture,
            limits=grey_range(way.before),
        )
        arrow = '<span class="cv-arrow" aria-hidden="true">↓</span>'
        scale = f" {grey_caption(way.before)}" if before.as_picture else ""
        caption = f"<b>{way.name}</b>: {size_text(way.before)} → {size_text(way.output)}.{scale}"
        figures.append(figure(draw_matrix(before) + arrow + draw_matrix(output), caption, "cv-way"))
    return (
        row_of(figures)
        + downsampling_table(ways)
        + f'<p class="cv-note">{_downsampling_note(ways, factor)}</p>'
    )


def downsampling_table(ways: tuple[Downsampling, ...]) -> str:
    """The costs of the three ways, line by line."""
    total = ways[0].before.size
    lines = [
        ("Output", [size_text(way.output) for way in ways]),
        ("Values that decide it", [f"{way.kept_count} of {total}" for way in ways]),
        (
            "Multiplications",
            [f"{way.multiplications:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") for way in ways],
        ),
        ("Then, for the pooling", [_pooling_cost(way) for way in ways]),
    ]
    head = "".join(f"<th scope='col'>{way.name}</th>" for way in ways)
    body = "".join(
        f"<tr><th scope='row'>{what}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for what, cells in lines
    )
    return f'<table class="cv-table cv-wide"><tr><td></td>{head}</tr>{body}</table>'


def _downsampling_note(ways: tuple[Downsampling, ...], factor: int) -> str:
    strided, pooled = ways[0], ways[1]
    saved = pooled.multiplications / strided.multiplications
    text = (
        f"All three compress the map. Stride {factor} never computes what it leaves out: {saved:.3g} times fewer "
        "multiplications here. Pooling computes every value first, then keeps the largest or the mean, so a "
        "pattern still counts when it moves by a pixel."
    )
    if strided.output.shape != pooled.output.shape:
        text += (
            f" The sizes differ: {size_text(pooled.before)} does not fall into whole {factor}×{factor} blocks, "
            "and pooling drops the rest (the floor), while the strided window still fits there."
        )
    return text


def _pooling_cost(way: Downsampling) -> str:
    if way.comparisons:
        return f"{way.comparisons} comparisons"
    return f"{way.additions} additions, {way.divisions} divisions" if way.additions else "nothing"


def _matches(reading: Reading, conv: Convolution, fires: Mask) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For every window that fires, the ones of the input that it counts."""
    links = []
    for row, column in np.argwhere(fires):
        top, left = int(row) * conv.stride[0], int(column) * conv.stride[1]
        taps = np.argwhere(reading.stencil) * conv.dilation
        under = [(top + int(i), left + int(j)) for i, j in taps]
        links.append(tuple(cell for cell in under if conv.padded[0][cell] == 1))
    return tuple(link for link in links if link)


def _mini(patch: Floats, stencil: Mask) -> str:
    """A patch in miniature: ones filled, what lies under the kernel's zeros pale."""
    side = 11
    cells = "".join(
        f'<rect x="{column * side}" y="{row * side}" width="{side - 1}" height="{side - 1}" '
        f'class="cv-mini{" cv-one" if patch[row, column] else ""}{"" if stencil[row, column] else " cv-free"}"/>'
        for row, column in np.ndindex(*patch.shape)
    )
    height, width = (side * n for n in patch.shape)
    text = "; ".join(" ".join(str(int(v)) for v in line) for line in patch)
    return f'<svg width="{width}" height="{height}" role="img" aria-label="{text}">{cells}</svg>'
