"""The one error that this program raises for something a person can mend."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ExplorerError(ValueError):
    """What was given, which rule it breaks, and what to do about it.

    >>> print(ExplorerError("layer 'layr4'", "is not in resnet18", "did you mean 'layer4'?"))
    layer 'layr4' is not in resnet18; did you mean 'layer4'?
    """

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value} {rule}; {remedy}")
        self.value = value
        self.rule = rule
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[ExplorerError], tuple[str, str, str]]:
        # Exceptions pickle by their args; ours has one arg and three parameters.
        return type(self), (self.value, self.rule, self.remedy)


def suggest(name: str, known: Iterable[str], listing: str) -> str:
    """The remedy for a misspelt name: the nearest known ones, else where to find them all.

    ``listing`` is the call or the place on screen that lists every valid name.
    """
    near = get_close_matches(name, list(known), n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + f"? {listing} lists them all"
    return f"{listing} lists them all"
