"""The PDF says what the notebook says, within the margins, and reads nothing else."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from pypdf import PdfReader

from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step
from notebooks_export import build_notebook, to_pdf
from notebooks_export.paper.formulas import _FENCES, _ONE, _PLAIN, _SPACES, _SYMBOLS, _TABLES, _TWO, _WORDS
from tests.notebooks_export.samples import as_png, performed

POINTS_PER_CM = 72 / 2.54
MARGIN_CM = 2.3


def words(pdf: bytes) -> str:
    """All text, spaces and breaks made one space; the pages' numbers left out."""
    return " ".join(" ".join(lines(pdf)).split())


def lines(pdf: bytes) -> list[str]:
    """All text, line by line, without the pages' numbers; spaces that don't break are spaces."""
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    listed = pages[:1] + [page.rstrip().removesuffix(str(n)) for n, page in enumerate(pages[1:], 1)]
    return "\n".join(listed).replace("\u00a0", " ").splitlines()


def fonts(pdf: bytes) -> set[str]:
    """The names of the fonts inside, without the marks of subsets."""
    found = (page["/Resources"]["/Font"].values() for page in PdfReader(io.BytesIO(pdf)).pages)
    return {str(font.get_object()["/BaseFont"]).partition("+")[2] for page in found for font in page}


def addresses(pdf: bytes) -> list[str]:
    """Where the links of all pages lead."""
    marks = (
        mark.get_object() for page in PdfReader(io.BytesIO(pdf)).pages for mark in page.get("/Annots", ())
    )
    return [str(mark["/A"]["/URI"]) for mark in marks if "/A" in mark]


def of_words(text: str, title: str = "T") -> Any:
    """The notebook of a session with one comment."""
    return build_notebook(Session(title, (Step("text", title=title, comment=text),)))


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
        assert f"{number}. {step.title or step.kind}" in text
        for line in step.text.splitlines():
            assert " ".join(line.split()) in text
    assert "efficientnet_lite0 = explorer.load_model('efficientnet_lite0')" in text


def test_figures_are_numbered_and_have_captions(report: bytes) -> None:
    text = words(report)
    shown = [step for step in performed().steps if step.picture]
    for number, step in enumerate(shown, start=1):
        assert f"Figure {number}: {step.title or step.kind}" in text
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
    "text",
    [
        "Grüße aus Łódź, naïve",
        "Ελληνικά",
        "Кириллица",
        "α ≤ β → ∑ × −1",
        "“quoted” — dash--dash",
        "it's ’n’ 'q' \"q\" - -- --- – — ... … .... ‘a’",
        "卷积神经网络。畳み込みです。합성곱",
        "ภาษา",  # no marks above letters: pypdf can't put these back in order
        "😀 🐕",
    ],
)
def test_other_writing_is_intact(text: str) -> None:
    session = Session(text, (Step("text", title=text, text=text, comment=text),))
    pdf = to_pdf(build_notebook(session), text)
    assert words(pdf).count(text) == 5
    assert not any("LastResort" in font for font in fonts(pdf))


@pytest.mark.parametrize(
    "pair",
    [
        "中国",
        "한국",
        "あい",
        "กข",
        "अआ",
        "اب",
        "אב",
        "ԱԲ",
        "აბ",
        "កខ",
        "ກຂ",
        "ሀለ",
        "😀🐕",
        "𝔽ℝ",
        "ЖЯ",
        "⌊⊗",
        "தம",
    ],
)
@pytest.mark.parametrize("code", [False, True])
def test_letters_of_all_scripts_are_drawn(pair: str, code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters of a script look different from each other: placeholders would not."""
    first, second = (
        pages_as_pixels(
            new_notebook(
                cells=[(new_code_cell if code else new_markdown_cell)(f"x {letter} x " * 9, id="a")]
            ),
            monkeypatch,
        )
        for letter in pair
    )
    assert any(not np.array_equal(*pages) for pages in zip(first, second, strict=True))


def test_lines_and_lists_stay_as_typed() -> None:
    typed = (
        "First I looked at three things:\n- one\n- two\n    - deeper\n1. a number\n2) another\n(3) a third\n"
        "a) a letter\nA. Student said ... no -- 'x'\n* star   and three  spaces\n\nA paragraph\nof two lines"
    )
    listed = lines(to_pdf(of_words(typed)))
    start = listed.index("First I looked at three things:")
    assert listed[start : start + 13] == [line for line in typed.split("\n") if line]


LONG_ADDRESS = "https://en.wikipedia.org/wiki/Convolutional_neural_network#Pooling_layers?y=1&z=~k"


def test_addresses_are_printed_as_typed_and_lead_nowhere() -> None:
    text = (
        f"See {LONG_ADDRESS}, www.a_b.org/c_d and a_b@c_d.org. javascript:alert(1) file:///etc/passwd <x:y>"
    )
    title = "T https://t.org/a_b"
    pdf = to_pdf(of_words(text, title), "a_b https://x.org/c_d")
    assert words(pdf).startswith(f"{title} a_b https://x.org/c_d Made with")
    assert text.replace(" ", "") in words(pdf).replace(" ", "")
    assert f"1. {title}" in words(pdf)
    assert addresses(pdf) == []


def test_links_of_a_notebook_lead_to_the_web_or_nowhere() -> None:
    """In a notebook that somebody has edited."""
    text = (
        '# [Title](https://t.org/a_b)\n\nfirst\n\n## Links\n\n[web](https://a.org/b_c?d=1#e "hint") '
        "[script](javascript:alert(1)) [file](file:///etc/passwd) [mail](mailto:a@b.c) [here](#links) [none]() "
        "<javascript:alert(2)> <https://d.org/e_f> javascript:alert(3) https://bare.org file:///x\n"
    )
    pdf = to_pdf(new_notebook(cells=[new_markdown_cell(text, id="a")]))
    assert addresses(pdf) == ["https://a.org/b_c?d=1#e", "https://d.org/e_f"]
    assert words(pdf).startswith("Title first")
    assert "web script file mail here none" in words(pdf)
    assert "https://d.org/e_f javascript:alert(3) https://bare.org file:///x" in words(pdf)


def test_long_words_are_copied_whole() -> None:
    long = "0123456789abcdef" * 20
    notebook = of_words(f"{long} {'a/' * 100}")
    notebook.cells.append(new_code_cell(f"x = '{long}'", id="long"))
    read = "".join(lines(to_pdf(notebook)))
    assert read.count(long) == 2
    assert "a/" * 100 in read


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


def test_formulas_of_a_user_are_set() -> None:
    """Each command that a formula may have is one that pandoc and typst know."""
    names = sorted(_SYMBOLS | _SPACES | _PLAIN)
    every = [f"x {name} y" for name in names] + [f"x^{name}" for name in _SYMBOLS]
    every += [rf"{name}{{x}}" for name in _ONE | _WORDS] + [rf"{name}{{x}}{{y}}" for name in _TWO]
    every += [rf"\left{start} x \right{end}" for start, ends in _FENCES.items() for end in ends]
    every += [rf"\begin{{{name}}} a & b \\ c & d \end{{{name}}}" for name in _TABLES]
    pdf = to_pdf(of_words("\n".join(f"${tex}$ and $${tex}$$" for tex in sorted(every)) + "\n\n$5 and $6."))
    assert words(pdf).endswith("$5 and $6.")
    # None of them is shown as typed.
    assert words(pdf).count("$") == 2
    assert not re.search(r"\\[a-z{]", words(pdf))
    assert "⊙" in words(pdf)


@pytest.mark.parametrize(
    "tex",
    [
        r"\undefinedmacro{x}",
        r"\begin{vmatrix} a & b \\ c & d \end{vmatrix}",  # pandoc takes it, typst doesn't
        r"\left( x \right\{",
        r"\circledast \cap \bigcap \otimes",
        r"\text{#panic()} \text{\"}",
        r"\href{javascript:alert(1)}{x}",
        r"\color{red}{x} \hspace{10cm} \rule{1cm}{1cm}",
        r"\def\x{\x\x}\x",
        r"{" * 30 + "x" + "}" * 30,
        "#panic()",
        "}{",
    ],
)
@pytest.mark.parametrize("mark", ["$", "$$"])
@pytest.mark.parametrize("edited", [False, True])
def test_no_formula_breaks_the_pdf(tex: str, mark: str, edited: bool) -> None:
    """In a session's words, and in a notebook that somebody else has edited."""
    text = f"Before {mark}{tex}{mark} after"
    pdf = to_pdf(new_notebook(cells=[new_markdown_cell(text, id="a")]) if edited else of_words(text))
    if edited:
        assert "Before" in words(pdf)
        assert words(pdf).endswith("after")
    else:
        assert text in words(pdf)
    assert addresses(pdf) == []


@pytest.mark.parametrize("size", [(4000, 500), (500, 4000), (1, 1), (64, 64)])
def test_nothing_runs_over_the_margin(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    picture = as_png(np.zeros((size[1], size[0], 3), np.uint8))
    long = "x" * 300
    steps = (
        Step(
            "convolution.size",
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
    step = Step("convolution.size", {"size": 6, "kernel": 2}, title="Tall", picture=picture)
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
