"""Each public function's call as the Python of a notebook's cell: the code shown is the code that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pprint import pformat
from typing import Any

from training import TrainConfig

WIDTH = 88
"""Longest line of code: what fits between the margins of a page."""
PICTURES = ("image", "basis_image")
"""The arguments that name pictures."""
_NAME = 18  # room for what the result is assigned to


@dataclass(frozen=True)
class Given:
    """A step's arguments, checked and complete, and the variables that hold its network and its pictures.

    ``basis_image`` holds the picture that kept colours were found on, ``models`` the networks of several epochs.
    """

    arguments: Mapping[str, Any]
    model: str = ""
    image: str = ""
    basis_image: str = ""
    models: tuple[str, ...] = ()

    @property
    def networks(self) -> dict[str, str]:
        """Variable → reference of each network that the cell uses."""
        held = (*((self.model,) if self.model else ()), *self.models)
        return dict(zip(held, named_networks(self.arguments), strict=True))

    @property
    def pictures(self) -> dict[str, str]:
        """Variable → reference of each picture that the cell uses."""
        held = zip(PICTURES, (self.image, self.basis_image), strict=True)
        return {variable: self.arguments[name] for name, variable in held if variable}

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]


def named_networks(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks that a step's arguments name: one, or those of several epochs."""
    return (*((arguments["model"],) if arguments.get("model") else ()), *arguments.get("models", ()))


def written(function: str, *positional: str, **named: Any) -> str:
    """A call as Python, on one line if it fits, else an argument a line; ``positional`` are code already."""
    parts = [*positional, *(f"{name}={literal(value)}" for name, value in named.items())]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= WIDTH - _NAME and "\n" not in line:
        return line
    inner = ",\n".join(parts).replace("\n", "\n    ")
    return f"{function}(\n    {inner},\n)"


def literal(value: Any) -> str:
    """A checked value as Python."""
    if isinstance(value, TrainConfig):
        default = TrainConfig()
        changed = {f.name: getattr(value, f.name) for f in fields(value)}
        return written(
            "training.TrainConfig", **{n: v for n, v in changed.items() if v != getattr(default, n)}
        )
    return pformat(value, width=WIDTH - 12, compact=True)


def shown(given: Given, view: str, **options: Any) -> str:
    """The cell's last line: the map over the picture, or alone with each cell a square."""
    if given["shown"] == "map":
        colormap = (
            literal(given["colormap"]) if given.arguments.get("colormap") else f"default_colormap({view})"
        )
        limits = literal(given["limits"]) if given.arguments.get("limits") else f"{view}.limits"
        values = "view.values" if view == "view" else f"{view}.map"
        return f"Image.fromarray(enlarged(colourise({values}, {limits}, {colormap}), 448))"
    laid = written("explorer.overlay", given.image, view, literal(given["alpha"]), **options)
    return f"picture = {laid}\nImage.fromarray(picture)"


def architecture(given: Given) -> list[str]:
    """The network's modules and how many parameters it has."""
    return [f"print({given.model}.module)", f'print(f"{{{given.model}.parameters:,}} parameters")']


def predict(given: Given) -> list[str]:
    """The most probable classes."""
    found = written("explorer.predict", given.model, given.image, top=given["top"], framing=given["framing"])
    line = 'print(f"{found.probability:6.1%}  {found.index:4d}  {found.label}")'
    return [f"for found in {found}:", f"    {line}"]


def _explained(given: Given) -> dict[str, Any]:
    options = {"objective": given["objective"], "framing": given["framing"]}
    return options | ({"layer": given["layer"]} if given["layer"] else {})


def attribute(given: Given) -> list[str]:
    """What speaks for a class."""
    options = {"method": given["method"], "signed": given["signed"], **_explained(given)}
    call = written("explorer.attribute", given.model, given.image, repr(given["target"]), **options)
    return [f"found = {call}", "print(describe_attribution(found))", shown(given, "found", fade=True)]


def compare(given: Given) -> list[str]:
    """Two classes and their difference side by side on one scale."""
    options = {"targets": given["targets"], "method": given["method"], **_explained(given)}
    call = written("explorer.compare_classes", given.model, given.image, **options)
    alpha = literal(given["alpha"])
    return [
        f"pair = {call}",
        "print(describe_comparison(pair))",
        "panels = [",
        f"    explorer.overlay({given.image}, view, {alpha}, limits=pair.limits, fade=True)",
        "    for view in (pair.a, pair.b, pair.difference)",
        "]",
        "Image.fromarray(np.hstack(panels))",
    ]
