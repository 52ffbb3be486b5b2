"""Opening a tab or an accordion the way a person does, who then looks before typing."""

from __future__ import annotations

from typing import Any

_DRAWN_AND_IDLE = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(done))))"""


def open_part(page: Any, name: str, *, role: str = "tab", exact: bool = False) -> None:
    """Click the tab or, as ``role="button"``, the accordion called ``name``, and wait until it is drawn.

    gradio gives fields that appear for the first time their values twice, a few milliseconds apart;
    what is typed between the two is lost. No hand is that quick, but Playwright on a busy computer is.
    """
    page.get_by_role(role, name=name, exact=exact).click()
    page.evaluate(_DRAWN_AND_IDLE)


def choose(page, label: str, typed: str, option: str | None = None) -> None:
    """Choose from a searchable list by typing, as a person would."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    page.keyboard.press("Control+a")
    box.press_sequentially(typed)
    page.get_by_role("option").filter(has_text=option or typed).first.click()
