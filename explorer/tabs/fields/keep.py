"""What the receptive-field lab's Keep buttons record, as the notebook makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.fields.effective import EffectiveField, central_half
from explorer.fields.paper.growth import network_fields_figure, stack_fields_figure
from explorer.fields.paper.picture import field_picture
from explorer.fields.report import describe_network_fields, describe_stack_fields, units_seeing
from explorer.fields.stack import StackLayer, written_out
from explorer.fields.theoretical import catalogue_fields, network_fields, receptive_field
from explorer.fields.words import describe_effective_field, describe_pixel, describe_unit
from explorer.images.geometry import Placement
from explorer.networks.load import LoadedModel
from explorer.session.steps import step_of
from explorer.tabs.convolution.keep import Kept
from explorer.tabs.keeping import looked_at
from explorer.workbench import Selection, Workbench

_FIELD = "receptive_field.unit"


def keep_unit(bench: Workbench, selection: Selection, layer: str, unit: tuple[int, int]) -> Kept:
    """A unit's theoretical field on the picture."""
    arguments, files = looked_at(bench, selection)
    model, pixels, placement = _seen(bench, selection)
    field = receptive_field(model, layer)
    sentence = describe_unit(field, *unit, placement, model.preprocess.crop_px)
    arguments |= {"layer": field.layer, "unit": list(unit)}
    title = f"What unit {unit} of {field.layer} sees"
    picture = field_picture(pixels, placement, field.box(*unit))
    return step_of(_FIELD, arguments, title, sentence, picture), files


def keep_pixel(bench: Workbench, selection: Selection, layer: str, pixel: tuple[int, int]) -> Kept:
    """A pixel of the picture, and which units see it."""
    arguments, files = looked_at(bench, selection)
    model, pixels, placement = _seen(bench, selection)
    field = receptive_field(model, layer)
    sentence = describe_pixel(field, *pixel, units_seeing(field, placement, *pixel))
    arguments |= {"layer": field.layer, "pixel": list(pixel)}
    title = f"Which units of {field.layer} see pixel {pixel}"
    return step_of(_FIELD, arguments, title, sentence, field_picture(pixels, placement, pixel=pixel)), files


def keep_effective(
    bench: Workbench, selection: Selection, found: EffectiveField, others: Sequence[str]
) -> Kept:
    """A unit's effective field: the mean over the picture and the sample pictures named in ``others``."""
    arguments, files = looked_at(bench, selection)
    _, pixels, placement = _seen(bench, selection)
    arguments |= {"layer": found.field.layer, "unit": list(found.unit), "others": list(others)}
    picture = field_picture(pixels, placement, found.box, inner=central_half(found.box), heat=found.values)
    title = f"What moves unit {found.unit} of {found.field.layer}"
    sentence = describe_effective_field(found)
    return step_of("receptive_field.effective", arguments, title, sentence, picture), files


def keep_fields(bench: Workbench, selection: Selection, other: str | None) -> Kept:
    """The fields of every map of the network that is looked at, or of another one of the catalogue."""
    arguments, files = ({"name": other}, []) if other else looked_at(bench, selection)
    fields = catalogue_fields(other) if other else network_fields(bench.model(selection.model))
    kind = f"receptive_field.{'catalogue' if other else 'network'}"
    given = arguments if other else {"model": arguments["model"]}
    title = f"Receptive fields in {fields.name}"
    sentence = describe_network_fields(fields)
    step = step_of(kind, given, title, sentence, network_fields_figure(fields))
    return step, files  # a session drops files that no step names: the picture stays behind


def keep_stack(layers: Sequence[StackLayer], side: int | None) -> Kept:
    """A stack's fields layer by layer; without names, which a step of this kind doesn't hold."""
    layers = [replace(layer, name="") for layer in layers]
    rows = [
        [layer.kind, *(list(pair) for pair in (layer.kernel, layer.stride, layer.padding, layer.dilation))]
        for layer in layers
    ]
    arguments = {"layers": rows, "input_px": side}
    sentence = describe_stack_fields(layers, (side, side) if side else None)
    title = f"Receptive field of {len(layers)} layers: {written_out(layers, 0).rpartition('= ')[2]} px"
    function = "receptive_field.stack"
    return step_of(function, arguments, title, sentence, stack_fields_figure(layers)), []


def _seen(bench: Workbench, selection: Selection) -> tuple[LoadedModel, np.ndarray, Placement]:
    """The network, the picture's pixels, and where the network's input lies on them."""
    model, pixels = bench.model(selection.model), bench.picture(selection.image_path).pixels
    height, width = pixels.shape[:2]
    return model, pixels, model.preprocess.placement(height, width, selection.framing)
