"""A notebook as PDF: pandoc reads it, typst sets it. Neither LaTeX nor a browser is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pypandoc
import typst
from PIL import Image

from explorer.errors import ExplorerError

_TEMPLATE = Path(__file__).with_name("report.typ")
_READER = "ipynb-raw_html-raw_tex-smart-autolink_bare_uris+escaped_line_breaks"
_WIDEST_CM, _HIGHEST_CM, _PX_PER_CM = 16.0, 19.0, 45.0
_RAW = ("RawBlock", "RawInline")
_SECOND = ("Link", "Image", "Span", "Code", "Math", "Quoted", "Cite")
"""Kinds of pandoc's inlines whose words come after something else, such as attributes."""
_WEB = re.compile(r"https?://", re.IGNORECASE)
_OPERATORS = {"cap": "∩", "bigcap": "⋂", "odot": "⊙", "otimes": "⊗"}
"""TeX's names for which pandoc writes names that typst has given up."""
_OPERATOR = re.compile(rf"\\({'|'.join(_OPERATORS)})(?![A-Za-z])")
_FONTS = ("manimgx_fonts", "manimgx_fonts_cjk")
"""Packages of fonts and nothing else: Noto for the scripts that DejaVu lacks, and for emoji."""


def to_pdf(notebook: nbformat.NotebookNode, author: str = "") -> bytes:
    """The notebook as an A4 document: title page, words, highlighted code, results, figures with captions.

    Equal notebooks give equal bytes. Markup for other programs (HTML, TeX, typst) in the notebook's words is
    left out, and no file is read but the pictures inside the notebook. Links lead to the web or nowhere. Mathematics
    that can't be set is shown as it was typed.

    Raises:
        ExplorerError: a notebook that can't be set, with what the program that sets it says.
    """
    with TemporaryDirectory() as folder:
        root = Path(folder)
        document = json.loads(
            _pandoc(nbformat.writes(notebook), "json", _READER, f"--extract-media={root / 'media'}")
        )
        blocks = _cleaned(document["blocks"], root)
        try:
            return _set(document, blocks, author, root)
        except typst.TypstError as error:
            typed = _as_typed(blocks)
            if typed == blocks:
                raise _cant_be_set(error) from error
        try:
            return _set(document, typed, author, root)
        except typst.TypstError as error:
            raise _cant_be_set(error) from error


def _set(document: dict[str, Any], blocks: list[Any], author: str, root: Path) -> bytes:
    title, made, rest = _title(blocks)
    parts = [_typst(document, part) for part in (rest, made)]
    head = f"#let title = {_quoted(title)}\n#let author = {_quoted(author)}\n#let made = [\n{parts[1]}\n]\n"
    source = root / "report.typ"
    source.write_text(head + _TEMPLATE.read_text(encoding="utf-8") + parts[0], encoding="utf-8")
    return typst.compile(
        str(source),
        root=str(root),
        font_paths=_fonts(),
        package_path=str(root),  # no package is there, and none is fetched
        package_cache_path=str(root),
        timestamp=0,
    )


def _cant_be_set(error: typst.TypstError) -> ExplorerError:
    return ExplorerError("the notebook", f"can't be set ({error})", "look for what is odd in it")


def _pandoc(text: str, to: str, source: str, *options: str) -> str:
    try:
        made: str = pypandoc.convert_text(text, to, format=source, extra_args=["--sandbox", *options])
    except RuntimeError as error:
        raise ExplorerError(
            "the notebook", f"can't be read ({error})", "save it anew from Jupyter"
        ) from error
    return made


def _typst(document: dict[str, Any], blocks: list[Any]) -> str:
    document = {**document, "blocks": _literal(blocks), "meta": {}}
    return _pandoc(json.dumps(document), "typst", "json")


def _literal(node: Any) -> Any:
    """Words as typst's strings: in its markup dots, dashes and quotation marks would turn into others."""
    if isinstance(node, list):
        return [_literal(part) for part in node]
    if not isinstance(node, dict) or node.get("t") == "Image":
        return node
    if node.get("t") == "Str":
        return {"t": "RawInline", "c": ["typst", f"#{_quoted(node['c'])};"]}
    if node.get("t") == "Math":
        kind, tex = node["c"]
        named = _OPERATOR.sub(lambda found: rf"{{\operatorname{{{_OPERATORS[found[1]]}}}}}", tex)
        return {"t": "Math", "c": [kind, named]}
    return {key: _literal(value) for key, value in node.items()}


def _as_typed(node: Any) -> Any:
    """Mathematics as the words that it was typed as."""
    if isinstance(node, list):
        return [_as_typed(part) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("t") == "Math":
        kind, tex = node["c"]
        mark = "$$" if kind["t"] == "DisplayMath" else "$"
        return {"t": "Str", "c": f"{mark}{tex}{mark}"}
    return {key: _as_typed(value) for key, value in node.items()}


def _cleaned(blocks: list[Any], root: Path) -> list[Any]:
    """The document without raw markup, without pictures from elsewhere, without names that could clash."""
    media = {str(path): path for path in (root / "media").rglob("*") if path.is_file()}
    return [_clean(block, media, root) for block in _figures(blocks, media) if block["t"] not in _RAW]


def _figures(blocks: list[Any], media: dict[str, Path]) -> Iterator[Any]:
    """Cells are laid open; a picture that a cell puts out becomes a figure with the cell's caption."""
    for block in blocks:
        if block["t"] != "Div":
            yield block
            continue
        (_, _, attributes), inner = block["c"]
        caption = dict(attributes).get("caption", "")
        for part in _figures(inner, media):
            image = part["c"][0] if part["t"] == "Para" and len(part["c"]) == 1 else None
            if caption and image and image["t"] == "Image" and image["c"][2][0] in media:
                words = {"t": "Plain", "c": [{"t": "Str", "c": caption}]}
                yield {"t": "Figure", "c": [["", [], []], [None, [words]], [{"t": "Plain", "c": [image]}]]}
            else:
                yield part


def _clean(node: Any, media: dict[str, Path], root: Path) -> Any:
    if isinstance(node, list):
        return [
            _clean(part, media, root)
            for part in node
            if not (isinstance(part, dict) and part.get("t") in _RAW)
        ]
    if not isinstance(node, dict):
        return node
    if node.get("t") == "Image":
        (_, _, _), words, (url, _) = node["c"]
        if url not in media:
            return {"t": "Span", "c": [["", [], []], _clean(words, media, root)]}
        path = media[url].relative_to(root).as_posix()
        return {"t": "Image", "c": [["", [], [["width", _width(media[url])]]], words, [path, ""]]}
    if node.get("t") == "Header":
        level, _, words = node["c"]
        return {"t": "Header", "c": [level, ["", [], []], _clean(words, media, root)]}
    if node.get("t") == "Link" and _WEB.match(node["c"][2][0]):
        return {"t": "Link", "c": [["", [], []], _clean(node["c"][1], media, root), [node["c"][2][0], ""]]}
    if node.get("t") == "Link":
        return {"t": "Span", "c": [["", [], []], _clean(node["c"][1], media, root)]}
    if node.get("t") in ("Div", "Span"):
        return {"t": node["t"], "c": [["", [], []], _clean(node["c"][1], media, root)]}
    return {key: _clean(value, media, root) for key, value in node.items()}


def _width(picture: Path) -> str:
    """As wide as its pixels ask for, within the page: a tall picture leaves room for its caption."""
    try:
        with Image.open(picture, formats=("PNG", "JPEG", "GIF", "WEBP")) as opened:
            width, height = opened.size
    except Exception as error:  # Pillow's decoders raise nearly every kind
        remedy = "run the notebook again, so that its pictures are whole"
        raise ExplorerError("a picture in the notebook", f"can't be read ({error})", remedy) from error
    return f"{min(_WIDEST_CM, width / _PX_PER_CM, _HIGHEST_CM * width / height):.2f}cm"


def _title(blocks: list[Any]) -> tuple[str, list[Any], list[Any]]:
    """The first heading's words, what follows it up to the next heading or code, and the rest."""
    if not blocks or blocks[0]["t"] != "Header":
        return "Notebook", [], blocks
    end = next(
        (i for i, block in enumerate(blocks[1:], 1) if block["t"] in ("Header", "CodeBlock")), len(blocks)
    )
    return _words(blocks[0]["c"][2]), blocks[1:end], blocks[end:]


def _words(node: Any) -> str:
    if isinstance(node, list):
        return "".join(_words(part) for part in node)
    if not isinstance(node, dict):
        return node if isinstance(node, str) else ""
    if node["t"] in ("Space", "SoftBreak", "LineBreak"):
        return " "
    content = node.get("c", "")
    return _words(content[1] if node["t"] in _SECOND else content)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


@cache
def _fonts() -> typst.Fonts:
    """What typst brings along, DejaVu from matplotlib, Noto, and after them what this computer has.

    matplotlib's other fonts stay out: its LastResort has a box for every letter that there is.
    """
    import matplotlib

    dejavu = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVu*.ttf"))
    packages = [files(package) for package in _FONTS]
    return typst.Fonts(font_paths=[*map(str, dejavu), *map(str, packages)])
