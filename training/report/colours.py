"""The colours of runs: one order, on screen and on paper."""

from __future__ import annotations

RUN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito (2008): told apart with every common colour blindness, on white and on dark.

Left out are their black, which is lost on a dark page, and their yellow, which is lost on paper. Lines are told
apart by them, never words: the last two are pale on white.
"""


def run_colour(number: int) -> str:
    """The colour of run ``number``, counted from 0, as ``#rrggbb``; from the seventh run on they begin again."""
    return RUN_COLOURS[number % len(RUN_COLOURS)]
