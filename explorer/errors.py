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

    def on_page(self) -> ExplorerError:
        """The same for somebody at the screen, who has lists to choose from and calls no functions."""
        remedy = self.remedy.on_page if isinstance(self.remedy, Suggestion) else self.remedy
        return ExplorerError(self.value, self.rule, remedy)

    def __reduce__(self) -> tuple[type[ExplorerError], tuple[str, str, str]]:
        # Exceptions pickle by their args; ours has one arg and three parameters.
        return type(self), (self.value, self.rule, self.remedy)


class Suggestion(str):
    """A remedy for a misspelt name: the text names what lists all names, ``on_page`` needs no more than a screen."""

    on_page: str


def suggest(name: str, known: Iterable[str], listing: str) -> str:
    """The remedy for a misspelt name: the nearest known ones, whatever their case, else where to find them all.

    ``listing`` is the call or the place on screen that lists every valid name.
    """
    near = _nearest(name, list(known))
    meant = "did you mean " + " or ".join(repr(n) for n in near) + "?" if near else ""
    remedy = Suggestion(f"{meant} {listing} lists them all".lstrip())
    choice = "it" if len(near) == 1 else "one"
    remedy.on_page = f"{meant} choose {choice} from the list".lstrip()
    return remedy


def _nearest(name: str, known: list[str]) -> list[str]:
    """The known names that differ in nothing but case; else up to three that are alike."""
    lowered: dict[str, list[str]] = {}
    for candidate in known:
        lowered.setdefault(candidate.lower(), []).append(candidate)
    if name.lower() in lowered:
        return lowered[name.lower()]
    return [n for key in get_close_matches(name.lower(), lowered, n=3, cutoff=0.6) for n in lowered[key]]
