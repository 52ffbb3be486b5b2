"""An error in its place on the page, for controls whose entries stay to be mended."""

from __future__ import annotations

from markupsafe import Markup

from explorer.errors import ExplorerError


def alert(error: ExplorerError, after: str = "", style: str = "cv-alert") -> Markup:
    """Value and rule, then the remedy, then what else is to be said; ``style`` is a class of the style sheet."""
    return Markup('<div class="{}" role="alert"><b>{}.</b> {}. {}</div>').format(
        style, _capital(f"{error.value} {error.rule}"), _capital(error.remedy), after
    )


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
