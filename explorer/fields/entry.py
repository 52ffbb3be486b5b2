"""Stacks of layers as people type them: cells of a table, or one line of text per layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from explorer.errors import ExplorerError
from explorer.fields.stack import MOST_LAYERS, Pair, StackLayer, StackLayerKind, pair_text

COLUMNS = ("kernel", "stride", "padding", "dilation")
_KINDS: dict[str, StackLayerKind] = {
    "conv": "conv",
    "maxpool": "max_pool",
    "avgpool": "avg_pool",
    "max_pool": "max_pool",
    "avg_pool": "avg_pool",
}
_WORDS: dict[StackLayerKind, str] = {"conv": "conv", "max_pool": "maxpool", "avg_pool": "avgpool"}
_DEFAULTS = {"stride": "1", "padding": "0", "dilation": "1"}
_WHOLE = re.compile(r"[+\-−]?\d{1,6}")
_LINE = "write a line such as 'conv 3 s2 p1 d1' or 'maxpool 2 s2', one per layer"


def read_cells(rows: Sequence[Mapping[str, str]]) -> tuple[StackLayer, ...]:
    """A stack from rows of typed cells: ``kind``, ``kernel``, ``stride``, ``padding``, ``dilation``, ``name``.

    A cell holds a whole number, or two for height × width: ``1x7``.

    Raises:
        ExplorerError: names the layer, the cell and what was typed.
    """
    return tuple(_read_row(row, number) for number, row in enumerate(rows, start=1))


def cells(layers: Iterable[StackLayer]) -> list[dict[str, str]]:
    """The rows of cells that :func:`read_cells` reads back."""
    return [
        {"kind": layer.kind, "name": layer.name}
        | {column: pair_text(getattr(layer, column)).replace("×", "x") for column in COLUMNS}
        for layer in layers
    ]


def read_lines(text: str) -> tuple[StackLayer, ...]:
    """A stack from text, one layer a line: ``conv 3 s2 p1 d1``, ``maxpool 2 s2``, ``conv 1x7 p0x3``.

    After kind and kernel come stride (s), padding (p) and dilation (d) in any order; what is left out is 1, 0
    and 1, and for a pooling a stride as wide as its window. ``#`` starts a name.

    Raises:
        ExplorerError: names the line.

    >>> [layer.settings for layer in read_lines("conv 7 s2 p3\\nmaxpool 3 s2 p1")]
    ['conv 7×7, stride 2, padding 3', 'max-pool 3×3, stride 2, padding 1']
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LAYERS:
        raise ExplorerError(
            f"a stack of {len(lines)} layers", "is too long to follow", f"use at most {MOST_LAYERS}"
        )
    return read_cells([_read_line(line, number) for number, line in enumerate(lines, start=1)])


def lines(layers: Sequence[StackLayer]) -> str:
    """The text that :func:`read_lines` reads back."""
    written = []
    for row, layer in zip(cells(layers), layers, strict=True):
        numbers = [f"{column[0]}{row[column]}" for column in COLUMNS[1:]]
        name = f"  # {layer.name}" if layer.name else ""
        written.append(" ".join([_WORDS[layer.kind], row["kernel"], *numbers]) + name)
    return "\n".join(written)


def _read_line(line: str, number: int) -> dict[str, str]:
    numbers, _, name = line.partition("#")
    words = numbers.split()
    if len(words) < 2 or words[0].lower() not in _KINDS:
        raise ExplorerError(
            f"line {number}, {line.strip()!r}", "does not begin with a layer and its kernel", _LINE
        )
    kind = _KINDS[words[0].lower()]
    row = {"kind": kind, "name": name.strip(), "kernel": words[1], **_DEFAULTS}
    if kind != "conv":
        row["stride"] = words[1]
    letters = {column[0]: column for column in COLUMNS[1:]}
    for word in words[2:]:
        if word[0].lower() not in letters:
            raise ExplorerError(f"{word!r} in line {number}", "is neither s, p nor d with a number", _LINE)
        row[letters[word[0].lower()]] = word[1:]
    return row


def _read_row(row: Mapping[str, str], number: int) -> StackLayer:
    where = f"of layer {number}"
    kind = _KINDS.get(str(row.get("kind", "")))
    if kind is None:
        raise ExplorerError(
            f"kind {row.get('kind')!r} {where}", "is unknown", f"choose one of {', '.join(_WORDS.values())}"
        )
    pairs = {column: _read_pair(str(row.get(column, "")), f"{column} {where}") for column in COLUMNS}
    try:
        return StackLayer(kind, **pairs, name=str(row.get("name", ""))[:40])
    except ExplorerError as error:
        raise ExplorerError(f"in layer {number}, {error.value}", error.rule, error.remedy) from error


def _read_pair(typed: str, what: str) -> Pair:
    parts = [part.strip() for part in re.split("[x×]", typed.strip().lower())]
    if parts == [""]:
        raise ExplorerError(f"the {what}", "is empty", "write a whole number, or two for height x width: 1x7")
    if len(parts) > 2 or not all(_WHOLE.fullmatch(part) for part in parts):
        remedy = "write one such as 3, or two for height x width: 1x7"
        raise ExplorerError(f"{typed.strip()[:40]!r} as the {what}", "is not a whole number", remedy)
    numbers = [int(part.replace("−", "-")) for part in parts]
    return numbers[0], numbers[-1]
