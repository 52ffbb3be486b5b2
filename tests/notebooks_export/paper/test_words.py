"""A user's words appear as typed, in Jupyter and in the PDF, and do nothing; formulas are set."""

from __future__ import annotations

import json
import re
from typing import Any

import pypandoc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebooks_export.paper.formulas import is_formula
from notebooks_export.paper.pdf import _READER
from notebooks_export.paper.words import plain, with_formulas

# As people write Markdown by hand, and as the PDF reads a notebook.
READERS = ("markdown-smart", _READER.replace("ipynb", "markdown"))


def kinds(node: Any) -> set[str]:
    """The kinds of pandoc's nodes in a tree."""
    if isinstance(node, dict):
        return {node["t"]} | kinds(node.get("c", []))
    return set().union(*map(kinds, node)) if isinstance(node, list) else set()


def sentence(node: Any) -> str:
    """The words of a tree, a line a break; a formula between the signs that it is typed with."""
    if isinstance(node, list):
        return "".join(map(sentence, node))
    if node["t"] == "Math":
        return f"${node['c'][1]}$"
    if node["t"] == "Para":
        return sentence(node["c"]) + "\n\n"
    return {"Space": " ", "SoftBreak": " ", "LineBreak": "\n"}.get(node["t"]) or node["c"]


def blocks(markdown: str, reader: str = READERS[0]) -> list[Any]:
    read: list[Any] = json.loads(pypandoc.convert_text(markdown, "json", format=reader))["blocks"]
    return read


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "![x](file:///etc/passwd)",
        "[x](javascript:alert(1))",
        '`#read("/etc/passwd")`{=typst}',
        "$\\href{javascript:alert(1)}{x}$",
        "<!-- -->",
        "***",
        "1. one",
        "# heading",
        "    code",
        "| a | b |\n|---|---|",
        "Lines\n- one\n  - two\n* three\n+ four\n1. five\n2) six\n(3) seven\na) eight\niv. nine\nlast",
        "(1) one\na) two",
        "A. Student, born 1990.\n1990. A year",
        "title\n===\nx\n---",
        "one\n\ntwo\nthree",
        "two  spaces and   three",
        'it\'s -- a --- b... "q" ’n’ …',
        "https://en.wikipedia.org/wiki/A_b#C_d~e www.a_b.org a_b@c_d.org javascript:alert(1) file:///etc/passwd",
        r"\(x^2\) and \[y\] and \begin{align} z \end{align} \\ \end",
        r"\\) \\\[ \\\\( a\\",
        "Term\n: definition",
        "[^1] [@cite] (@) :smile: H~2~O x^2^ ~~no~~ ==mark== {.class} &copy; &#65;",
    ],
)
def test_words_are_words(text: str) -> None:
    """As pandoc, an independent reader of Markdown, understands them: text and breaks, nothing else."""
    for reader in READERS:
        for shown in (plain(text), with_formulas(text)):
            read = blocks(shown, reader)
            assert kinds(read) <= {"Para", "Str", "Space", "LineBreak"}
            assert sentence(read).replace("\u00a0", " ").rstrip("\n") == text


@given(st.text("ab1 .-+=*_`~^$#&@!|<>()[]{}\\:/\"'\n", max_size=30))
def test_any_words_are_words(text: str) -> None:
    read = blocks(plain(text), READERS[1])
    assert kinds(read) <= {"Para", "Str", "Space", "LineBreak"}
    lines = [line.rstrip() for line in text.split("\n")]
    typed = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip("\n")
    assert sentence(read).replace("\u00a0", " ").strip("\n") == typed


def test_jupyter_makes_neither_mathematics_nor_links_of_words() -> None:
    """Its Markdown begins mathematics at two backslashes and a bracket, and links bare addresses."""
    shown = plain(r"\(x\) \[y\] $z$ https://a_b.org www.a_b.org a@b.org")
    assert not re.search(r"\\\\[()\[\]]|(?<!\\)\$|https?://|www\.|\w@", shown)


FORMULAS = [
    r"x^2",
    r"\lfloor \frac{n + 2p - k}{s} \rfloor + 1",
    r"\left\lfloor \frac{n+2p-k}{s} \right\rfloor",
    r"\sum_{i=1}^{n} w_i x_i",
    r"\frac{\partial L}{\partial x_{ij}}",
    r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    r"\mu, \sigma^2 \leq 3 \times 3 \cdot 10^{-3}",
    r"\sqrt{x} \geq |y|, f'(x) < g''_i(x) > 0",
    r"\max\{0, x\} \odot \hat{y} \otimes \mathbb{R} \cap A",
    r"\text{ReLU}(x) = \begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
    r"⌊n/2⌋ · α ≤ β",
    "5",
]
TEXTS = [
    "$5 and $6",
    "$5, or 5$.",
    "from $5 to 10$ each",
    "US$5-$6",
    "$ x$ and $x $",
    "a $ sign, two $$ signs, three $$$",
    "$HOME/bin:$PATH",
    r"\$x$",
    "$x$1",
    "$$$x$$$",
    "$a\n\nb$",
    "$$a\n\nb$$",
    *(
        f"${tex}$"
        for tex in (
            r"\undefinedmacro{x}",
            r"\input{/etc/passwd}",
            r"\href{javascript:alert(1)}{x}",
            r"\def\x{\x\x}\x",
            r"\newcommand{\a}{b}",
            r"\require{html}",
            r"\left( x",
            r"x \right)",
            r"\left( x \right\{",
            r"\begin{pmatrix} a",
            r"\begin{align} a \end{align}",
            r"\frac{a}",
            r"\frac{}{}",
            r"\sqrt",
            "x^a^b",
            "x_",
            "^2",
            "}{",
            "{",
            "{" * 50 + "x" + "}" * 50,
            "x" * 3000,
            '#panic("x")',
            r"\text{#panic()}",
            r'\text{"}',
            "x # y",
            "a & b",
            "a~b",
            "`x`",
            "<b>x</b> \\",
            "%",
            "\\",
            "漢",
        )
    ),
]


@pytest.mark.parametrize("tex", FORMULAS)
def test_formulas_are_mathematics(tex: str) -> None:
    assert is_formula(tex)
    for mark, kind in (("$", "InlineMath"), ("$$", "DisplayMath")):
        for reader in READERS:
            read = blocks(with_formulas(f"Here is_it: {mark}{tex}{mark}, and *more*."), reader)
            assert kinds(read) == {"Para", "Str", "Space", "Math", kind}
            assert sentence(read).strip() == f"Here is_it: ${tex}$, and *more*."
    assert "Math" not in kinds(blocks(plain(f"${tex}$")))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_other_dollar_signs_are_words(text: str) -> None:
    for reader in READERS:
        read = blocks(with_formulas(text), reader)
        assert kinds(read) <= {"Para", "Str", "Space", "LineBreak"}
        assert sentence(read).strip() == text


def test_a_price_leaves_the_formula_after_it_alone() -> None:
    shown = with_formulas("$5, or 5$: $x$ and\n$$y\n= z$$\nend")
    assert sentence(blocks(shown)).strip() == "$5, or 5$: $x$ and $y = z$ end"


@given(st.text("ab2 .^_{}$\\\n&+<|#", max_size=20))
def test_whatever_stands_between_dollar_signs_is_read_as_it_was_meant(text: str) -> None:
    """All dollar signs that stay unescaped are those of formulas: pandoc finds the same ones."""
    shown = with_formulas(text)
    read = blocks(shown, READERS[1])
    assert kinds(read) <= {
        "Para",
        "Str",
        "Space",
        "SoftBreak",
        "LineBreak",
        "Math",
        "InlineMath",
        "DisplayMath",
    }
