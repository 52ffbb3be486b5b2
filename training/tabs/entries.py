"""What people type into the training lab, as numbers."""

from __future__ import annotations

import re

from explorer.errors import ExplorerError

MOST_SEEDS = 20


def read_seeds(text: str) -> list[int]:
    """Whole numbers separated by commas or blanks, and ranges: ``"0, 1"`` or ``"0-4"``; each once, in order.

    Raises:
        ExplorerError: not that, none, or more than MOST_SEEDS.
    """
    seeds: list[int] = []
    for word in re.split(r"[\s,;]+", text.strip()):
        found = re.fullmatch(r"(\d{1,9})(?:[-–](\d{1,9}))?", word)
        if not found:
            raise _refused(f"seed {word!r}", "is not a whole number", "write, for example, 0 or 0, 1, 2")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < first + MOST_SEEDS:
            rule = f"are not 1 to {MOST_SEEDS} in rising order"
            raise _refused(f"seeds {word!r}", rule, "write, for example, 0-4")
        seeds += [seed for seed in range(first, last + 1) if seed not in seeds]
    if len(seeds) > MOST_SEEDS:
        raise _refused(f"{len(seeds)} seeds", f"are more than {MOST_SEEDS}", "start fewer runs at a time")
    return seeds


def _refused(value: str, rule: str, remedy: str) -> ExplorerError:
    return ExplorerError(value, rule, remedy, parameter="seeds")
