"""A step's call as the Python of a notebook's cell: the code shown is the code that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pprint import pformat
from typing import Any

from explorer.session.steps import FIGURE_DPI
from training import TrainConfig

WIDTH = 88
"""Longest line of code: what fits between the margins of a page."""
PICTURES = ("image", "basis_image")
"""The arguments that name pictures."""
FIGURE = "figure"
"""The variable that holds the figure which a cell shows as its picture."""
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


def map_shown(given: Given, view: str, **options: Any) -> str:
    """A cell's last lines: the map over the picture, or alone with each cell a square."""
    if given["shown"] == "map":
        colormap = (
            literal(given["colormap"])
            if given.arguments.get("colormap")
            else f"explorer.default_colormap({view})"
        )
        limits = literal(given["limits"]) if given.arguments.get("limits") else f"{view}.limits"
        values = "view.values" if view == "view" else f"{view}.map"
        return (
            f"pixels = {written('explorer.colourise', values, limits, colormap)}\n"
            "Image.fromarray(explorer.enlarged(pixels, 448))"
        )
    laid = written("explorer.overlay", given.image, view, literal(given["alpha"]), **options)
    return f"picture = {laid}\nImage.fromarray(picture)"


def figure_shown(code: str) -> list[str]:
    """A cell's last lines: the figure that ``code`` makes, as a picture."""
    return [
        f"{FIGURE} = {code}",
        "file = io.BytesIO()",
        f'{FIGURE}.savefig(file, dpi={FIGURE_DPI}, facecolor="white")',
        "Image.open(file)",
    ]


def captured(given: Given, names: list[str]) -> list[str]:
    """The line that runs the network once and keeps what these layers put out."""
    capture = written(
        "explorer.capture_activations", given.model, given.image, literal(names), framing=given["framing"]
    )
    return [f"activations = {capture}"]


def activation(given: Given) -> str:
    """The activation of the step's layer, among those captured."""
    return f"activations[{literal(given['layer'])}]"
