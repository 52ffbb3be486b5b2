"""What a network is built of, in words and as a table of plain text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from explorer.layers.architecture import LayerSummary
from explorer.networks.load import LoadedModel

WIDTH = 92
"""Longest line: what fits between the margins of a page."""
LONGEST = 19_500
"""Characters of a table: what a step of a session holds, with room for the sentence before it."""

_HEAD = ("C × H × W", "Parameters", "Layer: kind(settings)")
_PAIR = re.compile(r"\((\d+), \1\)")


def describe_network(model: LoadedModel, rows: Sequence[LayerSummary]) -> str:
    """The network in a sentence, from the rows that :func:`explorer.architecture` gives."""
    kinds = [row.kind for row in rows]
    convolutions = sum(kind.startswith("Conv2d") for kind in kinds)
    linear = kinds.count("Linear")
    px = model.preprocess.crop_px
    return (
        f"{model.name} with weights {model.weights}: {model.parameters:,} trainable parameters in "
        f"{sum(row.kind != 'parameter' for row in rows)} steps, of which {convolutions} are convolutions and {linear} "
        f"fully connected. Input 3 × {px} × {px}, output {len(model.labels)} classes."
    )


def architecture_table(rows: Sequence[LayerSummary], longest: int = LONGEST) -> str:
    """A line for each layer in execution order: output shape, parameters, name, kind and settings; then the total.

    Settings are PyTorch's own words, but for pairs of equal numbers: ``kernel_size=3`` says what
    ``kernel_size=(3, 3)`` does. Lines are at most :data:`WIDTH` long; a layer takes more than one where it must.

    A table of more than ``longest`` characters leaves out layers in its middle, and says how many and with how
    many parameters; the total is always that of all.

    >>> print(architecture_table(architecture(model)).splitlines()[1])
    32 × 112 × 112         864  conv_stem: Conv2dSame(3, 32, kernel_size=3, stride=2,
    """
    count = sum(row.parameters for row in rows)
    shapes = max((len(_shape(row)) for row in rows), default=0)
    widths = (max(shapes, len(_HEAD[0])), max(len(f"{count:,}"), len(_HEAD[1])))
    lines = [_line(widths, _shape(row), _grouped(row.parameters), _named(row)) for row in rows]
    head, total = _line(widths, *_HEAD), _line(widths, "", f"{count:,}", "all layers")
    room = longest - len(head) - len(total) - 2 * WIDTH
    cut_from, cut_to = _cut([len(line) + 1 for line in lines], room)
    if cut_from < cut_to:
        hidden = rows[cut_from:cut_to]
        parameters = f"{sum(row.parameters for row in hidden):,}"
        lines[cut_from:cut_to] = [_line(widths, "…", parameters, f"({len(hidden)} more layers)")]
    return "\n".join([head, *lines, total])


def _cut(lengths: Sequence[int], room: int) -> tuple[int, int]:
    """The lines to leave out so that the others fit: none, or some from the middle on both sides."""
    first, last, taken = 0, len(lengths), 0
    while first < last:
        line = first if first <= len(lengths) - last else last - 1
        if taken + lengths[line] > room:
            return first, last
        taken += lengths[line]
        first, last = (first + 1, last) if line == first else (first, last - 1)
    return 0, 0


def _shape(row: LayerSummary) -> str:
    return " × ".join(map(str, row.shape)) if row.shape[0] else ""


def _named(row: LayerSummary) -> str:
    settings = _PAIR.sub(r"\1", row.settings)
    return f"{row.name}: {row.kind}({settings})"


def _grouped(count: int) -> str:
    return f"{count:,}" if count else ""


def _line(widths: tuple[int, int], shape: str, parameters: str, named: str) -> str:
    """A row; what is too long for a page's width goes on below its own column."""
    columns = f"{shape:>{widths[0]}}  {parameters:>{widths[1]}}  "
    return textwrap.fill(
        named,
        WIDTH,
        initial_indent=columns,
        subsequent_indent=" " * len(columns),
        break_on_hyphens=False,
    )
