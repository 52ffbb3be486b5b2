"""What the page's address keeps of the training lab: images and recipe survive a reload, and can be passed on."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, warn
from training.tabs.labels import in_labels

READ = "(...values) => [window.location.search, ...values.slice(1)]"
"""For events whose first input is to be the address from its ``?`` on."""
MOST_LETTERS = 4000
LARGEST = 2**53
"""The browser counts exactly up to here."""
# Written by the browser itself, so that changing a knob costs no round trip; the rest of the address stays.
_WRITE = """(...values) => {
  const names = NAMES, usual = USUAL;
  const address = new URL(window.location);
  const text = value => value === null || value === undefined ? "" : String(value);
  names.forEach((name, i) => text(values[i]) === text(usual[i])
    ? address.searchParams.delete(name) : address.searchParams.set(name, text(values[i])));
  window.history.replaceState(null, "", address);
}"""


def keep(components: dict[str, Any]) -> None:
    """Write each component's value into the address, under its name, whenever it isn't what it was at first."""
    parts = list(components.values())
    usual = [part.value for part in parts]
    write = _WRITE.replace("NAMES", json.dumps(list(components))).replace("USUAL", json.dumps(usual))
    gr.on([part.change for part in parts], None, parts, None, js=write, **QUIET)


def parameters(search: str) -> dict[str, str]:
    """The parameters of an address, from its ``?`` on; of several with one name, the last."""
    found = parse_qs((search or "").removeprefix("?"), keep_blank_values=True)
    return {name: values[-1] for name, values in found.items()}


def restored(components: dict[str, Any], search: str) -> dict[Any, Any]:
    """Component → value, for those that an address names. What can't be read is said, and left as it is."""
    given, values = parameters(search), {}
    for name, component in components.items():
        if name not in given:
            continue
        try:
            values[component] = read_value(component, given[name], name)
        except ExplorerError as error:
            warn(in_labels(error))
    return values


def read_value(component: Any, text: str, name: str) -> Any:
    """The value that ``text`` stands for in a component.

    Raises:
        ExplorerError: no number, or none of the component's choices.
    """
    what, remedy = f"{name} {text[:60]!r} in the page's address", "set it on the page"
    if isinstance(component, gr.Number):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST:
            raise ExplorerError(what, "is not a number that can be set here", remedy, parameter=name)
        return int(number) if number.is_integer() else number
    if isinstance(component, gr.Textbox):
        return text[:MOST_LETTERS]
    known = [value for _, value in component.choices]
    chosen = [part for part in text.split(",") if part] if isinstance(component, gr.CheckboxGroup) else text
    if unknown := [part for part in ([chosen] if isinstance(chosen, str) else chosen) if part not in known]:
        raise ExplorerError(what, f"is unknown ({unknown[0][:30]!r})", remedy, parameter=name)
    return chosen
