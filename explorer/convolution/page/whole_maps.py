"""Views on a whole convolution: reading it off, and making it smaller by stride or by pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from explorer.convolution.arithmetic import Convolution, Floats, Mask
from explorer.convolution.display import kernel_name, size_text
from explorer.convolution.entry import format_number
from explorer.convolution.page.matrix import draw_matrix, figure, row_of
from explorer.convolution.pooling import Downsampling
from explorer.convolution.reading import Reading
from explorer.convolution.views import MatrixView, downsampling_views
from explorer.convolution.words import grey_caption, pooling_cost, signed, way_sizes

_MOST_LISTED_CELLS = 4  # 2^4 patches can be looked at; 2^9 can't
_MINI_PX = 11


def draw_reading(reading: Reading, conv: Convolution, kernel_index: int) -> Markup:
    """The stencil, the table of counts, the input with every match marked, and what comes out."""
    fires = reading.fires_on(conv.padded[0], stride=conv.stride, dilation=conv.dilation)
    count = int(fires.sum())
    stencil = MatrixView(reading.stencil.astype(float), "The kernel as a stencil", lit=reading.stencil)
    marked = MatrixView(
        conv.padded[0],
        f"Input with the {count} windows that fire marked",
        links=_matches(reading, conv, fires),
    )
    output = MatrixView(
        np.maximum(conv.pre_activation.reshape(conv.maps.shape)[kernel_index], 0), "Output", lit=fires
    )
    figures = [
        figure(
            draw_matrix(stencil) + counts_table(reading),
            Markup("<b>1 · {} as a stencil.</b> Count the ones it shows.").format(kernel_name(kernel_index)),
        ),
        figure(
            draw_matrix(marked),
            Markup("<b>2 · Look for the pattern</b> in the input: each match is joined by a line."),
        ),
        figure(
            draw_matrix(output),
            Markup("<b>3 · Write it down.</b> {} of {} cells fire.").format(count, fires.size),
        ),
    ]
    return row_of(figures, "cv-thirds") + draw_patches(reading)


def counts_table(reading: Reading) -> Markup:
    """How many ones are counted, and what bias and ReLU make of it."""
    line = Markup('<tr class="{}"><td>{}</td><td>{}</td><td>{}</td></tr>')
    lines = Markup("").join(
        line.format(
            "cv-fires" if count.fires else "",
            count.ones,
            format_number(count.pre_activation),
            format_number(count.output),
        )
        for count in reading.counts
    )
    head = Markup("<tr><th scope='col'>ones</th><th scope='col'>{}</th><th scope='col'>ReLU</th></tr>")
    return Markup('<table class="cv-table">{}{}</table>').format(head.format(signed(reading.bias)), lines)


def draw_patches(reading: Reading) -> Markup:
    """Every patch of zeros and ones, those on which the kernel fires first; nothing for larger kernels."""
    if reading.stencil.size > _MOST_LISTED_CELLS:
        return Markup("")
    patches = reading.patches()
    firing = sum(fires for _, fires in patches)
    patch = Markup('<span class="cv-patch {}">{}</span>')
    drawn = Markup("").join(
        patch.format("cv-fires" if fires else "", _mini(grid, reading.stencil)) for grid, fires in patches
    )
    caption = (
        f"All {len(patches)} patches of zeros and ones. It fires on the {firing} framed ones; "
        "pale cells don't count."
    )
    return figure(Markup('<div class="cv-patches">{}</div>').format(drawn), caption)


def draw_downsampling(ways: Sequence[Downsampling], factor: int) -> Markup:
    """Stride, max-pooling and average-pooling side by side: what they keep, and what they make of it."""
    figures = []
    for way in ways:
        before, output = downsampling_views(way)
        drawn = Markup('{}<span class="cv-arrow" aria-hidden="true">↓</span>{}').format(
            draw_matrix(before, small=True), draw_matrix(output, small=True)
        )
        caption = Markup("<b>{}</b>: {}. {}").format(way.name, way_sizes(way), grey_caption(before))
        figures.append(figure(drawn, caption, "cv-way"))
    remark = Markup('<p class="cv-note">{}</p>').format(_downsampling_remark(ways, factor))
    return row_of(figures) + downsampling_table(ways) + remark


def downsampling_table(ways: Sequence[Downsampling]) -> Markup:
    """The costs of the ways, line by line."""
    total = ways[0].before.size
    lines = [
        ("Output", [size_text(way.output) for way in ways]),
        ("Values that decide it", [f"{way.kept_count} of {total}" for way in ways]),
        ("Multiplications", [f"{way.multiplications:,}" for way in ways]),
        ("Then, for the pooling", [", ".join(pooling_cost(way)) or "nothing" for way in ways]),
    ]
    head = Markup("").join(Markup("<th scope='col'>{}</th>").format(way.name) for way in ways)
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th>{}</tr>").format(
            what, Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
        )
        for what, cells in lines
    )
    return Markup('<table class="cv-table cv-wide"><tr><td></td>{}</tr>{}</table>').format(head, body)


def _downsampling_remark(ways: Sequence[Downsampling], factor: int) -> str:
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


def _matches(reading: Reading, conv: Convolution, fires: Mask) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For every window that fires, the ones of the input that it counts."""
    links = []
    for row, column in np.argwhere(fires):
        top, left = int(row) * conv.stride[0], int(column) * conv.stride[1]
        taps = np.argwhere(reading.stencil) * conv.dilation
        under = [(top + int(i), left + int(j)) for i, j in taps]
        links.append(tuple(cell for cell in under if conv.padded[0][cell] == 1))
    return tuple(link for link in links if link)


def _mini(patch: Floats, stencil: Mask) -> Markup:
    """A patch in miniature: ones filled, what lies under the kernel's zeros pale."""
    cell = Markup('<rect x="{}" y="{}" width="{side}" height="{side}" class="cv-mini{}{}"/>')
    cells = Markup("").join(
        cell.format(
            column * _MINI_PX,
            row * _MINI_PX,
            " cv-one" if patch[row, column] else "",
            "" if stencil[row, column] else " cv-free",
            side=_MINI_PX - 1,
        )
        for row, column in np.ndindex(*patch.shape)
    )
    height, width = (_MINI_PX * n for n in patch.shape)
    text = "; ".join(" ".join(str(int(v)) for v in line) for line in patch)
    return Markup('<svg width="{}" height="{}" role="img" aria-label="{}">{}</svg>').format(
        width, height, text, cells
    )
