"""Opening a tab or an accordion the way a person does, who then looks before typing."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

SLOW = 120_000
"""Milliseconds for what may take long on a busy computer."""

_DRAWN_AND_IDLE = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(done))))"""


def open_part(page: Any, name: str, *, role: str = "tab", exact: bool = False) -> None:
    """Click the tab or, as ``role="button"``, the accordion called ``name``, and wait until it is drawn.

    gradio gives fields that appear for the first time their values twice, a few milliseconds apart;
    what is typed between the two is lost. No hand is that quick, but Playwright on a busy computer is.
    """
    page.get_by_role(role, name=name, exact=exact).click()
    wait_until_drawn(page)


def wait_until_drawn(page: Any) -> None:
    """Wait until the browser has drawn what it knows, so that nothing moves away from under a click."""
    page.evaluate(_DRAWN_AND_IDLE)


def keep(page: Any, pin: str, number: int) -> None:
    """Press the Keep button ``pin``, and wait until it says that this is step ``number``."""
    wait_until_drawn(page)
    page.locator(f"#{pin}").click()
    expect(page.get_by_text(f": step {number} in the Export tab")).to_be_visible(timeout=SLOW)


def choose(page, label: str, typed: str, option: str | None = None) -> None:
    """Choose from a searchable list by typing, as a person would."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    page.keyboard.press("Control+a")
    box.press_sequentially(typed)
    page.get_by_role("option").filter(has_text=option or typed).first.click()
