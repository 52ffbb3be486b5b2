"""What a network is built of, in words and as a table of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.architecture import LayerSummary
from explorer.models import LoadedModel

LONGEST = 19_000
"""Characters of a table: what a step of a session holds, with room for the sentence before it."""


def describe_network(model: LoadedModel, rows: Sequence[LayerSummary]) -> str:
    """The network in a sentence."""
    kinds = [row.kind for row in rows]
    convolutions = sum(kind.startswith("Conv2d") for kind in kinds)
    linear = kinds.count("Linear")
    px = model.preprocess.crop_px
    return (
        f"{model.name} with weights {model.weights}: {model.parameters:,} trainable parameters in "
        f"{sum(row.kind != 'parameter' for row in rows)} steps, of which {convolutions} are convolutions and {linear} "
        f"fully connected. Input 3 × {px} × {px}, output {len(model.labels)} classes."
    )


def table_text(rows: Sequence[LayerSummary], longest: int = LONGEST) -> str:
    """A line for each layer in execution order: output shape, parameters, name, kind and settings; then the total.

    A table of more than ``longest`` characters leaves out layers in its middle, and says how many and with how
    many parameters; the total is always that of all.
    """
    lines = [_line(_shape(row), f"{row.parameters:,}" if row.parameters else "", _named(row)) for row in rows]
    head = _line("Output C × H × W", "Parameters", "Layer: kind(settings)")
    total = _line("", f"{sum(row.parameters for row in rows):,}", "all layers")
    left = longest - len(head) - len(total) - 120
    cut_from, cut_to = _cut([len(line) + 1 for line in lines], left)
    if cut_from < cut_to:
        hidden = rows[cut_from:cut_to]
        parameters = f"{sum(row.parameters for row in hidden):,}"
        lines[cut_from:cut_to] = [_line("…", parameters, f"({len(hidden)} more layers)")]
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
    return f"{row.name}: {row.kind}({row.settings})"


def _line(shape: str, parameters: str, named: str) -> str:
    return f"{shape:>18}  {parameters:>11}  {named}"
