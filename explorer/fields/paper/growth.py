"""How receptive fields grow, as figures on paper: layer by layer of a stack, map by map of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.convolution.paper import ACCENT, INK, LINE
from explorer.fields.stack import StackLayer, pair_text, stack_fields
from explorer.fields.theoretical import NetworkFields

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stack_fields_figure(layers: Sequence[StackLayer]) -> Figure:
    """A bar for each layer: what its units' input saw already, and what the layer adds; height where axes differ."""
    from matplotlib.figure import Figure

    fields = stack_fields(layers)
    tall = 0.8 + 0.26 * len(fields)
    figure = Figure(figsize=(6.4, min(tall, 9.0)), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    before = [field.size[0] - field.growth[0] for field in fields]
    grown = [field.growth[0] for field in fields]
    places = range(len(fields))
    axes.barh(places, before, color=LINE, label="before")
    axes.barh(places, grown, left=before, color=ACCENT, label="added by the layer")
    font = 8 if len(fields) <= 24 else 5
    names = [f"{number} · {field.layer.settings}" for number, field in enumerate(fields, start=1)]
    axes.set_yticks(places, names, fontsize=font, color=INK)
    for place, field in zip(places, fields, strict=True):
        size = pair_text(field.size, always_two=field.size[0] != field.size[1])
        axes.annotate(
            size, (field.size[0], place), (4, 0), textcoords="offset points", va="center", fontsize=font
        )
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * fields[-1].size[0])
    square = all(field.size[0] == field.size[1] for field in fields)
    axes.set_xlabel("receptive field (px)" if square else "height of the receptive field (px)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def network_fields_figure(network: NetworkFields) -> Figure:
    """The longer side of one unit's field, map by map in execution order, beside the side of the input."""
    from matplotlib.figure import Figure

    maps = [f for layer, f in zip(network.layers, network.fields, strict=True) if layer.is_map]
    figure = Figure(figsize=(6.4, 3.0), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.plot(
        range(1, len(maps) + 1), [max(f.local_size) for f in maps], color=ACCENT, drawstyle="steps-post"
    )
    axes.axhline(
        network.input_px, color=INK, linestyle=":", label=f"side of the input, {network.input_px} px"
    )
    axes.set_xlabel("maps of the network, in execution order")
    axes.set_ylabel("side of the field (px)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure
