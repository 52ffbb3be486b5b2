"""The PDF says what the notebook says, within the margins, and reads nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from pypdf import PdfReader

from explorer.errors import ExplorerError
from explorer.session import Session, Step
from notebooks_export import build_notebook, to_pdf
from tests.export_samples import as_png, performed

POINTS_PER_CM = 72 / 2.54
MARGIN_CM = 2.3


def words(pdf: bytes) -> str:
    """All text, spaces and breaks made one space; the marks of soft breaks and the pages' numbers left out."""
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    text = " ".join(pages[:1] + [page.rstrip().removesuffix(str(n)) for n, page in enumerate(pages[1:], 1)])
    return " ".join(text.replace("\u200b", "").split())


def pages_as_pixels(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The pages as typst draws them, grey, 3 pixels a millimetre."""
    import typst

    compile_pdf = typst.compile
    drawn: list[np.ndarray] = []

    def draw(*args: Any, **options: Any) -> bytes:
        shown = compile_pdf(*args, **options, format="png", ppi=25.4 * 3)
        pages = shown if isinstance(shown, list) else [shown]
        drawn.extend(np.asarray(Image.open(io.BytesIO(page)).convert("L")) for page in pages)
        return b""

    monkeypatch.setattr("typst.compile", draw)
    to_pdf(notebook)
    monkeypatch.undo()
    return drawn


def check_margins(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is ink on the pages, and none of it beyond the margins on the left and on the right."""
    margin = int(MARGIN_CM * 30) - 3
    pages = pages_as_pixels(notebook, monkeypatch)
    assert min(page.min() for page in pages) < 128
    for page in pages:
        assert page[:, :margin].min() == 255
        assert page[:, -margin:].min() == 255


@pytest.fixture(scope="module")
def report() -> bytes:
    return to_pdf(build_notebook(performed()), "Ada Lovelace · 1815")


def test_everything_is_there_to_read(report: bytes) -> None:
    text = words(report)
    assert text.startswith("Every kind of step Ada Lovelace · 1815 Made with CNN Explorer")
    for number, step in enumerate(performed().steps, start=1):
        assert f"{number}. {step.title or step.function}" in text
        for line in step.text.splitlines():
            assert " ".join(line.split()) in text
    assert "efficientnet_lite0 = explorer.load_model('efficientnet_lite0')" in text


def test_figures_are_numbered_and_have_captions(report: bytes) -> None:
    text = words(report)
    shown = [step for step in performed().steps if step.picture]
    for number, step in enumerate(shown, start=1):
        assert f"Figure {number}: {step.title or step.function}" in text
    assert sum(len(page.images) for page in PdfReader(io.BytesIO(report)).pages) == len(shown)


def test_pages_are_numbered_fonts_are_embedded(report: bytes) -> None:
    pages = PdfReader(io.BytesIO(report)).pages
    for number, page in enumerate(pages[1:], start=1):
        assert page.extract_text().split()[-1] == str(number)
    for page in pages:
        for font in page["/Resources"]["/Font"].values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = descendant["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)


def test_the_same_notebook_gives_the_same_bytes(report: bytes) -> None:
    assert to_pdf(build_notebook(performed()), "Ada Lovelace · 1815") == report


@pytest.mark.parametrize(
    "text", ["Grüße aus Łódź, naïve", "Ελληνικά", "Кириллица", "α ≤ β → ∑ × −1", "“quoted” — dash--dash"]
)
def test_other_writing_is_intact(text: str) -> None:
    session = Session(text, (Step("text", title=text, text=text, comment=text),))
    assert words(to_pdf(build_notebook(session))).count(text) == 4


def test_code_keeps_its_lines_and_quotes() -> None:
    source = 'for i in range(3):\n    print(\'it\\\'s\', "--", i)  # <b> $x$ #read("x")'
    text = to_pdf(new_notebook(cells=[new_code_cell(source, id="a")]))
    assert " ".join(source.split()) in words(text)


def test_mathematics_is_set() -> None:
    pdf = to_pdf(
        new_notebook(cells=[new_markdown_cell(r"Size $\lfloor \frac{n + 2p - k}{s} \rfloor + 1$", id="a")])
    )
    text = words(pdf)
    assert "frac" not in text
    assert "⌊" in text
    assert "⌋" in text


@pytest.mark.parametrize("size", [(4000, 500), (500, 4000), (1, 1), (64, 64)])
def test_nothing_runs_over_the_margin(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    picture = as_png(np.zeros((size[1], size[0], 3), np.uint8))
    long = "x" * 300
    steps = (
        Step(
            "explorer.derive_size",
            {"size": 6, "kernel": 2},
            title=long[:200],
            text=long + "\n",
            picture=picture,
        ),
        Step("text", title="t", comment=f"{long} {'word ' * 100}"),
    )
    notebook = build_notebook(Session(long[:200], steps))
    notebook.cells.append(new_code_cell(f"x = '{long}'", id="long"))
    check_margins(notebook, monkeypatch)
    text = words(to_pdf(notebook)).replace(" ", "")
    assert text.count(long) == 3
    assert text.count(long[:200]) >= 5


def table(columns: int, cell: str) -> str:
    """A table in Markdown with three rows."""
    rows = [[f"{cell}{row}{column}" for column in range(columns)] for row in range(3)]
    return "\n".join(
        f"| {' | '.join(row)} |" for row in [[f"head-{n}" for n in range(columns)], ["---"] * columns, *rows]
    )


# Many columns, some very long words, so many columns that no word fits, and one that takes it all.
TABLES = [table(14, "value_"), table(5, "layer1.0.downsample."), table(40, "0.12"), table(1, "x" * 400)]


@pytest.mark.parametrize("wide", TABLES, ids=["14", "5", "40", "1"])
def test_a_wide_table_stays_within_the_margin(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [
        new_markdown_cell("# T", id="t"),
        new_markdown_cell("## S", id="s"),
        new_markdown_cell(wide, id="w"),
    ]
    notebook = new_notebook(cells=cells)
    check_margins(notebook, monkeypatch)
    # Nothing is cut off, and no cell covers its neighbour: read column by column, each is whole.
    text = words(to_pdf(notebook)).replace(" ", "")
    for cell in wide.splitlines()[2].strip("| ").split(" | "):
        assert cell in text


def test_wide_lines_stay_within_the_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with many arguments, and a printed table: they go on in the next line."""
    call = f"found = explorer.attribute({', '.join(f'argument_{n}={n}' for n in range(40))})"
    printed = "  ".join(f"{n:8.3f}" for n in range(60))
    output = new_output("stream", name="stdout", text=f"{printed}\n")
    notebook = new_notebook(cells=[new_code_cell(call, id="c", outputs=[output])])
    check_margins(notebook, monkeypatch)
    text = words(to_pdf(notebook))
    assert call in text
    assert " ".join(printed.split()) in text


def test_a_tall_picture_leaves_room_for_its_caption() -> None:
    picture = as_png(np.zeros((4000, 500, 3), np.uint8))
    step = Step("explorer.derive_size", {"size": 6, "kernel": 2}, title="Tall", picture=picture)
    [page] = [
        p for p in PdfReader(io.BytesIO(to_pdf(build_notebook(Session(steps=(step,)))))).pages if p.images
    ]
    assert "Figure 1: Tall" in " ".join(page.extract_text().split())


SECRET = "a-line-that-only-the-file-has"


@pytest.mark.parametrize(
    "words_of_step",
    [
        '#read("{path}")',
        '`#read("{path}")`{{=typst}}',
        '```{{=typst}}\n#read("{path}")\n```',
        "![]({path})",
        "![](file://{path})",
        '<img src="{path}">',
        "\\input{{{path}}}",
        "$\\input{{{path}}}$",
        "---\nheader-includes: '#read(\"{path}\")'\n---",
        '"]\n#read("{path}")\n#let x = ["',
        "a\n\n---\n\n> b\n\n- c\n\n| d | e |\n|---|---|\n| f | g |",
        '#import "@preview/cetz:0.2.0"',
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_markup_in_words_reads_and_runs_nothing(words_of_step: str, raw: bool, tmp_path: Path) -> None:
    """In a session's words, and in a notebook that somebody else has edited."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    text = words_of_step.format(path=secret)
    if raw:
        cells = [new_markdown_cell(text, id="a"), new_code_cell(text, id="b", metadata={"caption": text})]
        notebook = new_notebook(cells=cells, metadata={"title": text, "header-includes": text})
    else:
        step = Step("text", title=text.replace("\n", " "), text=text, comment=text)
        notebook = build_notebook(Session(text.replace("\n", " "), (step,)))
    assert SECRET not in words(to_pdf(notebook, author=text))


def test_outputs_of_other_kinds_are_left_out_or_shown_as_text() -> None:
    html = new_output(
        "display_data", data={"text/html": "<script>x</script><b>bold</b>", "text/plain": "plainly"}
    )
    raw = nbformat.v4.new_raw_cell("#panic()", id="r", metadata={"format": "text/x-typst"})
    notebook = new_notebook(cells=[new_code_cell("x", id="a", outputs=[html]), raw])
    assert "script" not in words(to_pdf(notebook))


def test_a_picture_that_is_none_is_a_message() -> None:
    broken = new_output("display_data", data={"image/png": "aGVsbG8="})
    with pytest.raises(ExplorerError, match="can't be read"):
        to_pdf(new_notebook(cells=[new_code_cell("x", id="a", outputs=[broken])]))


def test_a_notebook_without_anything() -> None:
    assert len(PdfReader(io.BytesIO(to_pdf(new_notebook()))).pages) >= 1
