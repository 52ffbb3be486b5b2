"""The one error that this program raises for something a person can mend."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self


class ExplorerError(ValueError):
    """What was given, which rule it breaks, and what to do about it.

    Args:
        value: what was given, beginning with ``parameter`` where it is about one: ``batch_size 0``.
        rule: what it isn't or does wrong, as a verb with all that belongs to it.
        remedy: what to do instead; a :class:`Suggestion` where somebody at the screen does something else.
        parameter: the name of what was given, as Python has it, so that a page can say its field's name instead.

    >>> print(ExplorerError("layer 'layr4'", "is not in resnet18", "did you mean 'layer4'?"))
    layer 'layr4' is not in resnet18; did you mean 'layer4'?
    """

    def __init__(self, value: str, rule: str, remedy: str, *, parameter: str = "") -> None:
        super().__init__(f"{value} {rule}; {remedy}")
        self.value = value
        self.rule = rule
        self.remedy = remedy
        self.parameter = parameter

    def on_page(self, label: str = "") -> ExplorerError:
        """The same for somebody at the screen, who has lists to choose from and calls no functions.

        Args:
            label: what the page calls the field of :attr:`parameter`; without, its name stays as it is.

        >>> error = ExplorerError("batch_size None", "is no number", "choose one, such as 16", parameter="batch_size")
        >>> print(error.on_page("Batch size"))
        Batch size (empty) is no number; choose one, such as 16
        """
        remedy = self.remedy.on_page if isinstance(self.remedy, Suggestion) else self.remedy
        value, given = self.value, self.value.removeprefix(f"{self.parameter} ")
        if label and self.parameter and given != value:
            value = f"{label} {'(empty)' if given == 'None' else given}"
        return ExplorerError(value, self.rule, remedy, parameter=self.parameter)

    def __reduce__(self) -> tuple[type[ExplorerError], tuple[str, str, str], dict[str, str]]:
        # Exceptions pickle by their args; ours has one arg and three parameters.
        return type(self), (self.value, self.rule, self.remedy), {"parameter": self.parameter}


class Suggestion(str):
    """A remedy that reads otherwise at the screen: the text names functions and parameters, ``on_page`` the page's
    lists and fields.

    >>> remedy = Suggestion("lower image_size", on_page="choose fewer pixels")
    >>> remedy, remedy.on_page
    ('lower image_size', 'choose fewer pixels')
    """

    on_page: str

    def __new__(cls, text: str, on_page: str = "") -> Self:
        made = super().__new__(cls, text)
        made.on_page = on_page or text
        return made


def suggest(name: str, known: Iterable[str], listing: str) -> str:
    """The remedy for a misspelt name: the nearest known ones, whatever their case, else where to find them all.

    ``listing`` is the call or the place on screen that lists every valid name.
    """
    near = _nearest(name, list(known))
    meant = "did you mean " + " or ".join(repr(n) for n in near) + "?" if near else ""
    choice = "it" if len(near) == 1 else "one"
    on_page = f"{meant} choose {choice} from the list".lstrip()
    return Suggestion(f"{meant} {listing} lists them all".lstrip(), on_page)


def _nearest(name: str, known: list[str]) -> list[str]:
    """The known names that differ in nothing but case; else up to three that are alike."""
    lowered: dict[str, list[str]] = {}
    for candidate in known:
        lowered.setdefault(candidate.lower(), []).append(candidate)
    if name.lower() in lowered:
        return lowered[name.lower()]
    return [n for key in get_close_matches(name.lower(), lowered, n=3, cutoff=0.6) for n in lowered[key]]
