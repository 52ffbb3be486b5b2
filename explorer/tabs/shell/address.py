"""What the page's address keeps of the explorer: a view survives a reload, and can be passed on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.layers.listing import find_layer, list_layers, stages
from explorer.saliency.attribution import CAM_METHODS
from explorer.tabs.components import QUIET, class_choices, layer_choices, warn
from explorer.tabs.looking import activations, explaining
from explorer.tabs.looking.activation_views import opening_layer
from explorer.workbench import Selection, Workbench

_USUAL = {
    "tab": activations.NAME,
    "framing": "crop",
    "view": "pca",
    "n": 10,
    "channel": 0,
    "component": 1,
    "method": "gradient",
    "objective": "logit",
    "sign": "signed",
    "pair-method": "grad_cam",
    "pair-objective": "logit",
}
# Written by the browser itself, so that changing a control costs no round trip. A network of the user's own (its name
# has a colon) can't be named, and then neither can its layers and classes: in another network they'd mean others.
_WRITE = """(...values) => {
  const names = NAMES, usual = USUAL, wide = WIDE;
  const own = String(values[names.indexOf("model")]).includes(":");
  const address = new URL(window.location);
  names.forEach((name, i) => {
    const value = values[i];
    const keep = value !== null && value !== undefined && value !== "" && usual[name] !== value
      && !(own && ["model", "layer", "class", "a", "b", "n", "channel"].includes(name));
    keep ? address.searchParams.set(name, value) : address.searchParams.delete(name);
  });
  window.history.replaceState(null, "", address);
  document.body.dataset.wide = wide.includes(values[names.indexOf("tab")]);
}"""


def keep(components: dict[str, Any], wide: Sequence[str]) -> None:
    """Write each component's value into the address, under its name, whenever it isn't the usual one.

    The screens ``wide`` get the whole width of the page.
    """
    write = _WRITE
    for name, value in (("NAMES", list(components)), ("USUAL", _USUAL), ("WIDE", list(wide))):
        write = write.replace(name, json.dumps(value))
    parts = list(components.values())
    gr.on([part.change for part in parts], None, parts, None, js=write, **QUIET)


def one_of(wanted: dict[str, str], name: str, known: Sequence[str]) -> str | None:
    """What the address asks for under ``name``; None where it names nothing, or, which is said, none of ``known``."""
    value = wanted.get(name)
    if value is None or value in known:
        return value
    what = f"{name} {value[:60]!r} in the page's address"
    warn(ExplorerError(what, "is unknown", f"choose one of {', '.join(known)}"))
    return None


def wanted_layer(bench: Workbench, selection: Selection, wanted: dict[str, str]) -> tuple[Any, ...]:
    """Updates for the activation tab's (layer, view, number of channels, channel, component) from the address.

    What isn't known is said and left out.
    """
    layer, view = gr.skip(), _or_skip(one_of(wanted, "view", _values(activations.VIEWS)))
    if not wanted.keys() & {"layer", "n", "channel", "component"}:
        return layer, view, gr.skip(), gr.skip(), gr.skip()
    model = bench.model(selection.model)
    layers = list_layers(model)
    found = opening_layer(stages(model), layers)
    if "layer" in wanted:
        try:
            found = find_layer(model, wanted["layer"])
            layer = gr.update(choices=layer_choices(layers), value=found.name)
        except ExplorerError as error:
            warn(error)
    last = found.shape[0] - 1
    return (
        layer,
        view,
        _slider(wanted, "n", 1, last + 1),
        _slider(wanted, "channel", 0, last),
        _slider(wanted, "component", 1, 3),
    )


def _slider(wanted: dict[str, str], name: str, low: int, high: int) -> Any:
    """Update for a slider from ``low`` to ``high``, with its end: gradio refuses a value beyond the one it knows."""
    if name not in wanted:
        return gr.skip()
    given = wanted[name]
    if given.isdecimal() and low <= int(given[:9]) <= high:
        return gr.update(maximum=max(high, low + 1), value=int(given[:9]))
    what = f"{name} {given[:60]!r} in the page's address"
    warn(ExplorerError(what, f"is no whole number from {low} to {high}", "choose it on the page"))
    return gr.skip()


def wanted_class(bench: Workbench, selection: Selection, wanted: dict[str, str]) -> tuple[Any, ...]:
    """Updates for the saliency tab's (class, method, objective, sign, layer, chosen for) from the address."""
    target, seen = gr.skip(), gr.skip()
    if "class" in wanted:
        target, seen = _class(bench, selection, wanted["class"]), explaining.chosen_for(selection)
    method, objective, layer = _explained(wanted, "method", "objective")
    return target, method, objective, _or_skip(one_of(wanted, "sign", _values(explaining.SIGNS))), layer, seen


def wanted_classes(bench: Workbench, selection: Selection, wanted: dict[str, str]) -> tuple[Any, ...]:
    """Updates for (class A, class B, method, objective, layer, chosen for) of two classes, from the address."""
    a, b, seen = gr.skip(), gr.skip(), gr.skip()
    given = [name for name in ("a", "b") if name in wanted]
    if len(given) == 2:
        a, b = (_class(bench, selection, wanted[name]) for name in given)
        seen = explaining.chosen_for(selection)
    elif given:
        name, other = given[0], "b" if given[0] == "a" else "a"
        what = f"class {name} {wanted[name][:60]!r} in the page's address"
        warn(ExplorerError(what, "has no other to be compared with", f"give {other} as well"))
    return a, b, *_explained(wanted, "pair-method", "pair-objective"), seen


def _explained(wanted: dict[str, str], method_name: str, objective_name: str) -> tuple[Any, Any, Any]:
    """Updates for a method, an objective, and whether the list of layers is shown, which not every method needs."""
    method = one_of(wanted, method_name, _values(explaining.METHODS))
    objective = one_of(wanted, objective_name, _values(explaining.OBJECTIVES))
    layer = gr.skip() if method is None else gr.update(visible=method in CAM_METHODS)
    return _or_skip(method), _or_skip(objective), layer


def _class(bench: Workbench, selection: Selection, given: str) -> Any:
    model = bench.model(selection.model)
    try:
        return gr.update(choices=class_choices(model.labels), value=model.class_index(given))
    except ExplorerError as error:
        warn(error)
        return gr.skip()


def _values(choices: Sequence[tuple[str, str]]) -> list[str]:
    return [value for _, value in choices]


def _or_skip(value: str | None) -> Any:
    return gr.skip() if value is None else value
