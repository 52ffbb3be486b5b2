"""A user's words as Markdown that shows them as typed: line by line, markup without effect, formulas set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from notebooks_export.paper.formulas import is_formula

_MARKDOWN = re.compile(r"(\\(?=[()\[\]]))|[\\`*_{}\[\]<>#$~^|&@!]")
_LINE_START = re.compile(r"^(\s*)(?=[-+=:])")
_LIST = re.compile(r"^(\s*\(?(?:\d+|[A-Za-z]|[ivxlcdmIVXLCDM]+))(?=[.)])")
_ADDRESS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.")
_DISPLAYED = re.compile(r"\$\$([^$]+)\$\$(?!\$)")
_INLINE = re.compile(r"\$((?=\S)[^$\n]*(?<=\S))\$(?![\w$])")
_PRICE = re.compile(r"\d[^\\]*\s[A-Za-z]{2}[^\\]*")
_FIXED = "\N{NO-BREAK SPACE}"


def plain(text: str) -> str:
    """Markdown that shows ``text`` as it is, with its line breaks and indentation: markup in it does nothing."""
    return _paragraphs([(_of_lines(text), False)])


def with_formulas(text: str) -> str:
    """As :func:`plain`, but ``$…$`` and ``$$…$$`` are mathematics where they hold a formula.

    As in pandoc, no space follows the first dollar sign and none comes before the last; so that prices stay words,
    no letter or digit touches the pair from outside, and an amount with words after it is none.
    """
    return _paragraphs(_pieces(_of_lines(text)))


def _of_lines(text: str) -> str:
    """With one way to end a line."""
    return "\n".join(text.splitlines())


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(words, False) and (a formula with its dollar signs, True), in order."""
    done, at = 0, text.find("$")
    while at >= 0:
        found = None
        if not re.match(r"[\w\\$]", text[at - 1 : at]):
            found = _DISPLAYED.match(text, at) or _INLINE.match(text, at)
        if found and is_formula(found[1]) and not _PRICE.fullmatch(found[1]):
            yield text[done:at], False
            yield " ".join(found[0].split()), True
            done = found.end()
        at = text.find("$", max(done, at + 1))
    yield text[done:], False


def _paragraphs(pieces: Iterable[tuple[str, bool]]) -> str:
    lines = [""]
    for piece, formula in pieces:
        if formula:
            lines[-1] += piece
            continue
        first, *others = piece.split("\n")
        lines[-1] += _escaped(first, starts=not lines[-1])
        lines += [_escaped(line, starts=True) for line in others]
    text = "\n".join(line.rstrip() for line in lines)
    paragraphs = (part.strip("\n") for part in re.split(r"\n{2,}", text))
    # A displayed formula stands on a line of its own without a break before and after it.
    return "\n\n".join(re.sub(r"(?<!\$\$)\n(?!\$\$)", "\\\\\n", part) for part in paragraphs if part)


def _escaped(line: str, *, starts: bool) -> str:
    # Jupyter reads \\( and \\[ as the beginning of mathematics, and makes links of bare addresses.
    escaped = _MARKDOWN.sub(lambda found: "&#92;" if found[1] else f"\\{found[0]}", line)
    escaped = _ADDRESS.sub(r"\\\g<0>", escaped)
    if starts:
        escaped = _LIST.sub(r"\1\\", _LINE_START.sub(r"\1\\", escaped))
    escaped = escaped.replace("\t", " " * 4)
    if starts:
        escaped = re.sub(r"^ +", lambda found: _FIXED * len(found[0]), escaped)
    return re.sub(r" {2,}", lambda found: _FIXED * (len(found[0]) - 1) + " ", escaped)
