"""Which input pixels a unit can see, and where on the input it is centred.

The theoretical field follows from kernel sizes, strides, paddings and dilations alone (Araujo, Norris and
Sim, "Computing receptive fields of convolutional neural networks", Distill 2019,
https://distill.pub/2019/computing-receptive-fields): the field of one unit is a box, the next unit's lies
``stride`` input pixels further. Where branches meet, a unit sees what any of its branches sees: the union.
Positions are input pixels, the first pixel's centre at 0.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor
from typing import Literal
from weakref import WeakKeyDictionary

from explorer.errors import ExplorerError, suggest
from explorer.fields.axis import Axis, Field, evenly, pixels
from explorer.fields.changed import changed_beyond
from explorer.fields.graph import graph_fields
from explorer.fields.measured import Patch, Reach, measured_fields, reaches, tried_patches, units_seeing
from explorer.layers.listing import GraphTrace, Layer, find_layer, list_layers, trace
from explorer.networks.catalogue import model_info
from explorer.networks.load import LoadedModel, load_model

MOST_PARAMETERS = 150_000_000

Source = Literal["worked out", "measured", "whole picture"]

Box = tuple[float, float, float, float]
"""Pixel edges (top, left, bottom, right); the first pixel reaches from −0.5 to 0.5."""


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of a layer see, in input pixels; pairs are (y, x).

    Attributes:
        layer: the layer's name.
        size: height and width of one unit's field, which may be larger than the input; the whole input's
            if ``is_global``.
        stride: how far apart the fields of neighbouring units are: the layer's *jump*.
        start: the centre of the field of unit (0, 0); 0 is the centre of the first pixel.
        units: rows and columns of the layer's map.
        local_size: the field along convolutions and pooling alone, leaving out steps that mix all positions.
        mixed_by: the first step on the way that mixes all positions (squeeze-and-excitation, attention, a
            fully connected layer), or from which on units saw more than was worked out; "" if there is none.
        measured: whether a step on the way isn't known, and this was measured on the network itself.
        margin: how much higher and wider than ``local_size`` the box is in which each unit's field lies. Not 0 where
            a map grew: its units lie between pixels, and neighbours see different ones, by turns.
    """

    layer: str
    size: tuple[int, int]
    stride: tuple[float, float]
    start: tuple[float, float]
    units: tuple[int, int]
    local_size: tuple[int, int]
    mixed_by: str = ""
    measured: bool = False
    margin: tuple[float, float] = (0, 0)

    @property
    def is_global(self) -> bool:
        """Whether every unit may depend on every pixel."""
        return bool(self.mixed_by)

    @property
    def source(self) -> Source:
        """Where this comes from: kernels and strides, the network itself, or it is all that there is to see."""
        if self.is_global:
            return "whole picture"
        return "measured" if self.measured else "worked out"

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """The input pixel (y, x) on which the field of unit (row, column) is centred."""
        return self.start[0] + self.stride[0] * row, self.start[1] + self.stride[1] * column

    def box(self, row: int, column: int) -> Box:
        """The local field of a unit; it may reach beyond the input."""
        y, x = self.centre(row, column)
        h, w = (size + margin for size, margin in zip(self.local_size, self.margin, strict=True))
        return y - h / 2, x - w / 2, y + h / 2, x + w / 2

    def units_seeing(self, y: int, x: int) -> tuple[range, range]:
        """The rows and the columns of the units whose local field reaches over an input pixel.

        Either may be empty: strides larger than the kernel leave gaps, and a border that no window reaches
        is seen by nobody.
        """
        rows, columns = self.axes
        return rows.units_seeing(y), columns.units_seeing(x)

    def check_unit(self, row: int, column: int) -> None:
        """Raises ExplorerError unless the layer's map has such a unit."""
        rows, columns = self.units
        if not (0 <= row < rows and 0 <= column < columns):
            raise ExplorerError(
                f"unit ({row}, {column})",
                f"is not in {self.layer}, a map of {rows}×{columns} units",
                f"choose a row from 0 to {rows - 1} and a column from 0 to {columns - 1}",
            )

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """What the units see along rows and along columns, by their local field."""
        y, x = (
            Axis(start - (size + margin - 1) / 2, start + (size + margin - 1) / 2, stride, units)
            for start, size, margin, stride, units in zip(
                self.start, self.local_size, self.margin, self.stride, self.units, strict=True
            )
        )
        return y, x


def share_inside(box: Box, height: int, width: int) -> float:
    """How much of a box's area lies on an input of ``height`` × ``width`` pixels, in [0, 1]."""
    top, left, bottom, right = box
    inside_y = max(0.0, min(bottom, height - 0.5) - max(top, -0.5))
    inside_x = max(0.0, min(right, width - 0.5) - max(left, -0.5))
    return inside_y * inside_x / ((bottom - top) * (right - left))


def receptive_field(model: LoadedModel, layer: str) -> ReceptiveField:
    """The theoretical receptive field of a layer's units, through all branches.

    Raises:
        ExplorerError: no such layer.

    >>> field = receptive_field(load_model("resnet18", weights=None), "conv1")
    >>> field.size, field.stride, field.box(0, 0)
    ((7, 7), (2, 2), (-3.5, -3.5, 3.5, 3.5))
    """
    return receptive_fields(model)[find_layer(model, layer).name]


_FIELDS: WeakKeyDictionary[LoadedModel, dict[str, ReceptiveField]] = WeakKeyDictionary()
_LOCKS: WeakKeyDictionary[LoadedModel, threading.Lock] = WeakKeyDictionary()
_LOCK = threading.Lock()


def receptive_fields(model: LoadedModel) -> dict[str, ReceptiveField]:
    """The receptive field of every layer, in execution order; computed once per loaded model.

    What is worked out is compared with what a few pixels of the input change in the network itself. Where they
    change more, or where nothing could be worked out, the field is measured; where no regular field explains what
    was seen, it is the whole picture.

    >>> fields = receptive_fields(load_model("resnet18", weights=None))
    >>> [fields[name].size for name in ("conv1", "maxpool", "layer1.0.conv1")]
    [(7, 7), (11, 11), (19, 19)]
    """
    with _LOCK:
        lock = _LOCKS.setdefault(model, threading.Lock())
    with lock:  # who comes while it is worked out waits for it
        if (known := _FIELDS.get(model)) is None:
            known = _FIELDS[model] = _all_fields(model)
        return known


def work_out_fields(model: LoadedModel) -> threading.Thread:
    """Begin with :func:`receptive_fields` beside what goes on: the check takes from three passes to a hundred."""

    def work() -> None:
        with suppress(Exception):  # whoever asks for them is told
            receptive_fields(model)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _all_fields(model: LoadedModel) -> dict[str, ReceptiveField]:
    traced = trace(model)
    graph = graph_fields(traced) if isinstance(traced, GraphTrace) else {}
    input_px = model.preprocess.crop_px
    worked_out = {name: _result(layer, graph.get(name), input_px) for name, layer in traced.layers.items()}
    return _checked(model, worked_out, traced.layers)


def _checked(
    model: LoadedModel, fields: dict[str, ReceptiveField], layers: Mapping[str, Layer]
) -> dict[str, ReceptiveField]:
    """The fields, where they agree with what a pixel in the middle and two corners change; else measured ones."""
    side = model.preprocess.crop_px
    patches = tried_patches(side)
    seen = reaches(model, patches)
    doubtful = [name for name in seen if _is_doubtful(fields[name], patches, seen[name])]
    small = [name for name in doubtful if seen[name][0].has_edges_in(*fields[name].units)]
    closer = measured_fields(model, small) if small else {}
    checked, mixed_by = dict(fields), ""
    for name in doubtful:
        if name in closer:
            checked[name] = replace(_result(layers[name], closer[name], side), measured=True)
        elif not fields[name].is_global:
            mixed_by = mixed_by or name
            checked[name] = replace(fields[name], size=(side, side), mixed_by=mixed_by)
    # A step may stop what is no number and still look at every pixel.
    local = {
        name: field.axes for name, field in checked.items() if not field.is_global and layers[name].is_map
    }
    beyond = changed_beyond(model, local) if local else set()
    for name in local:
        if name in beyond:
            mixed_by = mixed_by or name
            checked[name] = replace(checked[name], size=(side, side), mixed_by=mixed_by, measured=False)
    return checked


def _is_doubtful(field: ReceptiveField, patches: Sequence[Patch], seen: Sequence[Reach]) -> bool:
    """Whether units saw more than a local field has, or some saw nothing where all should see everything."""
    rows, columns = field.units
    if field.is_global:
        return any(reach.rows and (len(reach.rows), len(reach.columns)) != (rows, columns) for reach in seen)
    y, x = field.axes
    return not all(
        reach.is_within(units_seeing(y, patch.rows), units_seeing(x, patch.columns))
        for patch, reach in zip(patches, seen, strict=True)
    )


@dataclass(frozen=True, eq=False)
class NetworkFields:
    """The fields of all layers of a network: what a table of them needs.

    ``layers`` and ``fields`` are in execution order and belong together; ``input_px`` is the input's side.
    """

    name: str
    input_px: int
    layers: tuple[Layer, ...]
    fields: tuple[ReceptiveField, ...]

    def field(self, layer: str) -> ReceptiveField:
        """The field of a layer; a module's name means its last step. Raises ExplorerError if there is none."""
        named = {field.layer: field for field in self.fields}
        inside = [name for name in named if name == layer] or [n for n in named if n.startswith(f"{layer}.")]
        if not inside:
            modules = {name.rpartition(".")[0] for name in named} | {name.partition(".")[0] for name in named}
            remedy = suggest(layer, [*named, *sorted(modules)], "explorer.list_layers(model)")
            raise ExplorerError(f"layer {layer!r}", f"is not in {self.name}", remedy)
        return named[inside[-1]]


def network_fields(model: LoadedModel) -> NetworkFields:
    """The fields of all layers of a loaded network.

    >>> network_fields(load_model("resnet18", weights=None)).field("layer4").size
    (435, 435)
    """
    layers, fields = tuple(list_layers(model)), receptive_fields(model)
    return NetworkFields(
        model.name, model.preprocess.crop_px, layers, tuple(fields[layer.name] for layer in layers)
    )


@lru_cache(maxsize=32)
def catalogue_fields(name: str) -> NetworkFields:
    """The fields of a network of the catalogue. Weights don't matter for them, so nothing is downloaded.

    Raises:
        ExplorerError: unknown, or so large that building it for this alone would take too long.

    >>> catalogue_fields("resnet50").field("layer4").size
    (427, 427)
    """
    info = model_info(name)
    if info.parameters > MOST_PARAMETERS:
        raise ExplorerError(
            f"network {name!r} with {info.parameters / 1e6:,.0f} million parameters",
            f"is larger than the {MOST_PARAMETERS / 1e6:,.0f} million that are built for their fields alone",
            "load it with its weights instead",
        )
    return network_fields(load_model(name, weights=None))


def _result(layer: Layer, field: Field | None, input_px: int) -> ReceptiveField:
    rows, columns = layer.shape[1:]
    lies = layer.lies or evenly(input_px, rows, columns)
    if field is None:
        field = pixels(input_px, input_px).mixed(rows, columns, layer.name, lies)
    field = field.regrid(rows, columns, layer.name, lies)
    # Between two ends there are as many whole pixels at most.
    local = (floor(field.y.size + 1e-6), floor(field.x.size + 1e-6))
    margin = (_margin(field.y.size), _margin(field.x.size))
    return ReceptiveField(
        layer=layer.name,
        size=(input_px, input_px) if field.mixed_by else local,
        stride=(field.y.stride, field.x.stride),
        start=(field.y.start, field.x.start),
        units=(rows, columns),
        local_size=local,
        mixed_by=field.mixed_by,
        margin=margin,
    )


def _margin(size: float) -> float:
    beyond = size - floor(size + 1e-6)
    return beyond if beyond > 1e-6 else 0
