"""The labs' colours, of the page and of paper: by day the page has paper's colours, at night those of the theme."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Palette:
    """What is drawn in which colour; all are ``#rrggbb``.

    Text of ``ink`` on each of the grounds has a contrast of 7 : 1 or more, ``accent`` on ``ground`` one of 4.5 : 1
    or more (WCAG 2.2).
    """

    ground: str  # behind everything
    ink: str  # text and thin lines
    line: str  # borders of cells
    accent: str  # the window, the field, what a layer adds
    cell: str  # a cell of which nothing special is said
    lit: str  # a cell under the window
    lit_padding: str  # the same in the padding
    unread: str  # a cell that no window reads
    unit: str  # a unit or pixel that is seen
    before: str  # what was seen before a layer added its part
    right: str  # an answer's cell
    wrong: str


def mixed(colour: str, ground: str, share: float) -> str:
    """``share`` in [0, 1] of one ``#rrggbb`` colour, the rest of another, mixed channel by channel in sRGB.

    >>> mixed("#ff0000", "#ffffff", 0.2)
    '#ffcccc'
    """
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + bytes(round(share * a + (1 - share) * b) for a, b in pairs).hex()


def _palette(ground: str, ink: str, line: str, accent: str, cell: str) -> Palette:
    return Palette(
        ground=ground,
        ink=ink,
        line=line,
        accent=accent,
        cell=cell,
        lit=mixed(accent, ground, 0.24),
        lit_padding=mixed(accent, ground, 0.12),
        unread=mixed(ink, ground, 0.14),
        unit=mixed(accent, ground, 0.45),
        before=mixed(ink, ground, 0.22),
        # Green and red, by day of different lightness; what is wrong is struck out or bold besides.
        right=mixed("#2e8b57", ground, 0.22),
        wrong=mixed("#dd3333", ground, 0.3),
    )


# Slate and teal of the theme. By day the darker teal: the theme's own has a contrast of 2.5 : 1 on white.
LIGHT = _palette(ground="#ffffff", ink="#1e293b", line="#cbd5e1", accent="#0f766e", cell="#f8fafc")
DARK = _palette(ground="#020617", ink="#f1f5f9", line="#334155", accent="#14b8a6", cell="#0f172a")


def custom_properties() -> str:
    """The colours as CSS, by day and at night: ``--lab-accent`` and so on."""

    def listed(palette: Palette) -> str:
        return " ".join(
            f"--lab-{f.name.replace('_', '-')}: {getattr(palette, f.name)};" for f in fields(palette)
        )

    return f":root {{ {listed(LIGHT)} }}\n.dark {{ {listed(DARK)} }}\n"
