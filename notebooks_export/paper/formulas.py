"""Which TeX is a formula that Jupyter and pandoc both read and typst sets: a small grammar, nothing else passes."""

from __future__ import annotations

import re

_LONGEST, _DEEPEST = 1_000, 12
_TOKEN = re.compile(r"\\[A-Za-z]+|\\[,;:!{}|% \\]|\s+|.")
_PLAIN = frozenset("+-*/=(),.|<>[]!") | frozenset("·×÷±−≤≥≠≈→∞∂∇∑∏∫…⌊⌋⌈⌉")


def _commands(names: str) -> frozenset[str]:
    return frozenset(f"\\{name}" for name in names.split())


_SPACES = _commands(", ; : ! quad qquad") | {"\\ "}
_SYMBOLS = _commands(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma "
    "tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega "
    "cdot times div pm mp ast star circ bullet oplus otimes odot cup cap setminus wedge vee land lor neg lnot "
    "leq le geq ge neq ne approx equiv sim simeq propto ll gg in notin ni subset subseteq supset supseteq mid "
    "parallel perp to rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto "
    "sum prod int oint bigcup bigcap lfloor rfloor lceil rceil langle rangle "
    "lvert rvert lVert rVert infty partial nabla forall exists emptyset ell hbar dots ldots cdots vdots ddots "
    "sin cos tan sinh cosh tanh exp log ln max min sup inf lim arg det dim Pr | %"
)
_ONE = _commands(
    "sqrt mathrm mathbf mathbb mathcal mathit mathsf boldsymbol hat bar tilde vec dot ddot overline underline "
    "widehat widetilde"
)
_WORDS = _commands("text textbf textit operatorname")
_TWO = _commands("frac dfrac tfrac binom")
_FENCES = {
    opening: closing.split()
    for opening, closing in (
        ("(", ") ]"),
        ("[", "] )"),
        (r"\{", r"\}"),
        ("|", "|"),
        (r"\|", r"\|"),
        (".", "|"),
        (r"\lfloor", r"\rfloor"),
        (r"\lceil", r"\rceil"),
        (r"\langle", r"\rangle"),
        (r"\lvert", r"\rvert"),
        (r"\lVert", r"\rVert"),
    )
}
_ENDS = frozenset(("}", r"\}", "&", "\\\\", r"\right", r"\end"))
_TABLES = frozenset(("matrix", "pmatrix", "bmatrix", "cases", "aligned"))


def is_formula(tex: str) -> bool:
    """Whether ``tex``, without its dollar signs, is mathematics of the usual kind, well formed.

    Letters, digits, operators, scripts, fractions, roots, Greek, accents, words in ``\\text``, fences and matrices;
    no macros, no links, no packages.

    >>> is_formula(r"\\lfloor \\frac{n + 2p - k}{s} \\rfloor + 1"), is_formula(r"\\input{x}")
    (True, False)
    """
    if len(tex) > _LONGEST or re.search(r"\n\s*\n", tex):
        return False
    reader = _Reader(_TOKEN.findall(tex))
    try:
        return reader.row(0) > 0 and reader.next == ""
    except _NoFormulaError:
        return False


class _NoFormulaError(Exception):
    pass


class _Reader:
    """Recursive descent over the tokens; each method reads one thing, or raises."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._skip()

    @property
    def next(self) -> str:
        """The token that comes next; empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise _NoFormulaError
        self._at += 1
        self._skip()
        return token

    def _skip(self) -> None:
        while self.next.isspace():
            self._at += 1

    def row(self, depth: int) -> int:
        """Things side by side, with their scripts; how many there are, spaces not counted."""
        if depth > _DEEPEST:
            raise _NoFormulaError
        count = 0
        while self.next and self.next not in _ENDS:
            if self.next in _SPACES:
                self._take()
                continue
            self._thing(depth)
            self._scripts(depth)
            count += 1
        return count

    def _thing(self, depth: int) -> None:
        coming = self.next
        if coming in ("{", r"\{"):
            self._group(depth, coming)
        elif coming in _WORDS:
            self._words()
        elif coming == r"\left":
            self._fenced(depth)
        elif coming == r"\begin":
            self._table(depth)
        elif coming in _ONE or coming in _TWO:
            self._take()
            for _ in range(2 if coming in _TWO else 1):
                self._group(depth)
        else:
            self._symbol()

    def _symbol(self) -> None:
        coming = self.next
        letter = len(coming) == 1 and (
            (coming.isascii() and coming.isalnum()) or "α" <= coming <= "ω" or coming in "ΓΔΘΛΞΠΣΦΨΩ"
        )
        if not letter and coming not in _PLAIN and coming not in _SYMBOLS:
            raise _NoFormulaError
        self._take()

    def _group(self, depth: int, opening: str = "{") -> None:
        self._take(opening)
        if not self.row(depth + 1):
            raise _NoFormulaError
        self._take(opening.replace("{", "}"))

    def _scripts(self, depth: int) -> None:
        while self.next == "'":
            self._take()
        seen = ""
        while self.next in ("^", "_"):
            if self.next in seen:
                raise _NoFormulaError
            seen += self._take()
            if self.next == "{":
                self._group(depth)
            else:
                self._symbol()
        if self.next == "'":
            raise _NoFormulaError

    def _words(self) -> None:
        self._take()
        if self.next != "{":
            raise _NoFormulaError
        self._at += 1
        words = ""
        while re.fullmatch(r"[^\W_]|[ ,.+=()-]+", self.next):
            words += self.next
            self._at += 1
        if not words.strip():
            raise _NoFormulaError
        self._take("}")

    def _fenced(self, depth: int) -> None:
        self._take(r"\left")
        opening = self._take()
        if opening not in _FENCES or not self.row(depth + 1):
            raise _NoFormulaError
        self._take(r"\right")
        if self._take() not in _FENCES[opening]:
            raise _NoFormulaError

    def _table(self, depth: int) -> None:
        name = self._name(r"\begin")
        if name not in _TABLES or not self.row(depth + 1):
            raise _NoFormulaError
        while self.next in ("&", "\\\\"):
            self._take()
            if not self.row(depth + 1):
                raise _NoFormulaError
        if self._name(r"\end") != name:
            raise _NoFormulaError

    def _name(self, command: str) -> str:
        self._take(command)
        self._take("{")
        letters = ""
        while self.next.isalpha() and len(letters) < 10:
            letters += self._take()
        self._take("}")
        return letters
