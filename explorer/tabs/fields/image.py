"""Fields on the picture: click a unit to see what it sees, or a pixel to see who sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import numpy as np
from markupsafe import Markup

from explorer.activations.reduction import reduce
from explorer.caches import ByteBudgetCache
from explorer.fields.display import HEAT_COLORMAP, heat_limit, on_image
from explorer.fields.effective import EffectiveField, central_half, effective_receptive_field
from explorer.fields.page.picture import draw_map, draw_picture
from explorer.fields.report import units_seeing
from explorer.fields.theoretical import Box, ReceptiveField, receptive_field
from explorer.fields.words import describe_effective_field, describe_pixel, describe_spacing, describe_unit
from explorer.images.decode import sample_images
from explorer.images.geometry import Placement
from explorer.images.overlay import colourise, default_colormap
from explorer.layers.listing import list_layers, stages
from explorer.networks.load import LoadedModel
from explorer.tabs.components import (
    QUIET,
    Updates,
    Values,
    colour_bar,
    layer_choices,
    note,
    on_screen,
    progress_bar,
    stepwise,
)
from explorer.tabs.fields.keep import keep_effective, keep_pixel, keep_unit
from explorer.tabs.keeping import connect, keep_button
from explorer.workbench import Selection, Visit, Workbench

_PICK = (Path(__file__).parent / "pick.js").read_text(encoding="utf-8")
_KINDS = [
    ("Theoretical", "theoretical"),
    ("Effective, this picture", "one"),
    ("Effective, mean with the samples", "mean"),
]
# The rest is gradio's: its page puts the value there.
_FRAME = Markup('<div class="rf-frame" tabindex="0" role="group" aria-label="{}">${{value}}</div>')
_NO_MAPS = (
    "This network has no layer with positions: none of its units sees only a part of the picture. "
    "Choose another network on the left."
)


@dataclass(frozen=True)
class Pick:
    """What the user pointed at: a unit of a layer's map, or a pixel of the picture, by row and column.

    For a unit, ``centre`` is the pixel (y, x) of the network's input around which it looks: in another layer the
    unit nearest to that place takes its role.
    """

    what: Literal["unit", "pixel"]
    row: int
    column: int
    layer: str = ""
    centre: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """What a drawing is about: the look's layer, with everything known of it before anything is drawn."""

    selection: Selection
    field: ReceptiveField
    pixels: np.ndarray
    placement: Placement
    input_px: int

    @property
    def room(self) -> Box:
        """A box on the picture around the fields of all units."""
        rows, columns = self.field.units
        first, last = self.field.box(0, 0), self.field.box(rows - 1, columns - 1)
        return on_image((*first[:2], *last[2:]), self.placement)


@dataclass(frozen=True)
class PictureView:
    """What other parts of the lab need of this one: to choose a layer here, and to draw it."""

    layer: gr.Dropdown
    drawing: dict[str, Any]


class EffectiveFields:
    """Effective fields by network, layer, unit and pictures: measured once, then remembered."""

    def __init__(self, bench: Workbench, budget_bytes: int = 32 * 2**20) -> None:
        self._bench = bench
        self._found: ByteBudgetCache[tuple[Any, ...], EffectiveField] = ByteBudgetCache(
            budget_bytes, lambda found: found.values.nbytes
        )

    def measure(
        self, selection: Selection, layer: str, unit: tuple[int, int], kind: str, report: Any
    ) -> EffectiveField:
        """The field on the look's picture, or the mean over it and the sample pictures."""
        model, samples = self._bench.model(selection.model), sample_images()
        paths = [selection.image_path, *(str(samples[name]) for name in self.others(selection, kind))]
        pictures = [self._bench.picture(path) for path in paths]
        key = (model.serial, layer, unit, selection.framing, *(picture.digest for picture in pictures))
        return self._found.get_or_make(
            key,
            lambda: effective_receptive_field(
                *(model, layer, [picture.pixels for picture in pictures], unit),
                framing=selection.framing,
                on_progress=report,
            ),
        )

    def others(self, selection: Selection, kind: str) -> list[str]:
        """The sample pictures over which the mean goes as well, without the one that is looked at."""
        if kind != "mean":
            return []
        mine = self._bench.picture(selection.image_path).digest
        return [
            name for name, path in sample_images().items() if self._bench.picture(str(path)).digest != mine
        ]


def build(
    bench: Workbench, selection: gr.State, active: gr.Textbox, name: str, seen: Any, session: gr.State
) -> PictureView:
    """Lay the part out inside an open tab; ``seen`` is the event of something new to show in the lab ``name``."""
    pick = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            picture = _clickable("rf-picture", "The picture. A click on a pixel shows the units that see it.")
            bar = gr.HTML(padding=False)
            caption = gr.HTML(padding=False, elem_id="rf-caption")
            working = gr.HTML(padding=False)
            pin = keep_button("rf-picture-pin")
        with gr.Column(scale=3, min_width=240):
            layer = gr.Dropdown([], label="Layer", elem_id="rf-layer", filterable=True)
            cells = _clickable("rf-map", "The layer's map. A click or the arrow keys choose a unit.")
            spacing = gr.HTML(padding=False, elem_id="rf-spacing")
            kind = gr.Radio(_KINDS, value="theoretical", label="Field", elem_id="rf-kind")

    parts = _Parts(layer, kind, pick, picture, bar, caption, cells, spacing, working)
    lab = _FieldLab(bench, name, EffectiveFields(bench), selection, active, parts)
    drawing: dict[str, Any] = {
        "fn": on_screen(lab.draw),
        "inputs": {selection, active, layer, kind, pick},
        "outputs": [picture, bar, caption, cells, spacing, working],
        "concurrency_limit": 4,
        "trigger_mode": "always_last",
        **QUIET,
    }
    meeting: dict[str, Any] = {
        "fn": on_screen(lab.offer_layers),
        "inputs": [selection, active, layer],
        "outputs": layer,
        **QUIET,
    }
    seen(**meeting).then(**drawing)
    gr.on([layer.input, kind.input], **drawing)
    # "always_last" would repeat an older event's data; one at a time, so that none overtakes another.
    gr.on(
        [picture.select, cells.select],
        on_screen(lab.point),
        [selection, layer],
        pick,
        trigger_mode="multiple",
        concurrency_limit=1,
        **QUIET,
    ).then(**drawing)
    connect(pin, session, lab.keep, [selection, layer, kind, pick])
    return PictureView(layer, drawing)


@dataclass(frozen=True)
class _Parts:
    """The components that say what is drawn, and those that show it."""

    layer: gr.Dropdown
    kind: gr.Radio
    pick: gr.State
    picture: gr.HTML
    bar: gr.HTML
    caption: gr.HTML
    cells: gr.HTML
    spacing: gr.HTML
    working: gr.HTML


@dataclass(frozen=True, eq=False)
class _FieldLab:
    """What happens when a layer, a unit or a pixel is chosen; ``name`` is the tab's."""

    bench: Workbench
    name: str
    effective: EffectiveFields
    selection: gr.State
    active: gr.Textbox
    parts: _Parts

    def draw(self, given: Values) -> Iterator[Updates]:
        parts, selection = self.parts, given[self.selection]
        if selection is None or given[self.active] != self.name:
            yield {parts.working: gr.skip()}  # gradio empties outputs that a generator says nothing of
            return
        if not given[parts.layer]:
            empty = (parts.picture, parts.bar, parts.cells, parts.spacing, parts.working)
            yield {parts.caption: note(_NO_MAPS), **dict.fromkeys(empty, "")}
            return
        visit = self.bench.open(selection)
        scene = scene_of(visit, given[parts.layer])
        pick = fitted(given[parts.pick], scene)
        common: Updates = {parts.spacing: note(describe_spacing(scene.field)), parts.working: ""}
        if pick.what == "pixel":
            yield common | self._pixel(visit, scene, pick)
        elif given[parts.kind] == "theoretical":
            yield common | self._unit(visit, scene, pick)
        else:
            yield from self._effective(visit, scene, pick, given[parts.kind], common)

    def offer_layers(self, selection: Selection | None, where: str, layer: str | None) -> Any:
        """The layers of the network, and the chosen one if it has it."""
        if selection is None or where != self.name:
            return gr.skip()
        model = self.bench.model(selection.model)
        maps = [each for each in list_layers(model) if each.is_map]
        names = [each.name for each in maps]
        chosen = layer if layer in names else opening_layer(model) if names else None
        return gr.update(choices=layer_choices(maps), value=chosen)

    def point(self, selection: Selection, layer: str, event: gr.EventData) -> Pick:
        scene = scene_of(self.bench.open(selection), layer)
        return pointed(scene, event.pick, float(event.y), float(event.x))

    def keep(self, selection: Selection, layer: str, kind: str, pick: Pick | None) -> Any:
        scene = scene_of(self.bench.open(selection), layer)
        chosen = fitted(pick, scene)
        place = (chosen.row, chosen.column)
        if chosen.what == "pixel":
            return keep_pixel(self.bench, selection, scene.field.layer, place)
        if kind == "theoretical":
            return keep_unit(self.bench, selection, scene.field.layer, place)
        found = self.effective.measure(selection, scene.field.layer, place, kind, lambda share: None)
        return keep_effective(self.bench, selection, found, self.effective.others(selection, kind))

    def _pixel(self, visit: Visit, scene: Scene, pick: Pick) -> Updates:
        """A pixel of the picture, and who sees it."""
        seeing = units_seeing(scene.field, scene.placement, pick.row, pick.column)
        sentence = describe_pixel(scene.field, pick.row, pick.column, seeing)
        pixel = (pick.row, pick.column)
        return {
            self.parts.picture: draw_picture(
                scene.pixels, scene.placement, sentence, room=scene.room, pixel=pixel
            ),
            self.parts.bar: "",
            self.parts.caption: note(sentence),
            self.parts.cells: draw_map(map_cells(visit, scene), sentence, seeing=seeing),
        }

    def _unit(self, visit: Visit, scene: Scene, pick: Pick) -> Updates:
        """A unit's theoretical field."""
        unit = (pick.row, pick.column)
        sentence = describe_unit(scene.field, *unit, scene.placement, scene.input_px)
        box = on_image(scene.field.box(*unit), scene.placement)
        return {
            self.parts.picture: draw_picture(
                scene.pixels, scene.placement, sentence, box=box, room=scene.room
            ),
            self.parts.bar: "",
            self.parts.caption: note(sentence),
            self.parts.cells: _marked(visit, scene, unit),
        }

    def _effective(
        self, visit: Visit, scene: Scene, pick: Pick, kind: str, common: Updates
    ) -> Iterator[Updates]:
        """A unit's effective field, with its progress while gradients are taken."""
        parts, unit = self.parts, (pick.row, pick.column)
        marked = common | {parts.cells: _marked(visit, scene, unit)}
        steps = stepwise(
            lambda report: self.effective.measure(visit.selection, scene.field.layer, unit, kind, report)
        )
        while True:
            try:
                share = next(steps)
            except StopIteration as done:
                found: EffectiveField = done.value
                break
            yield marked | {parts.working: progress_bar(share, "Taking gradients")}
        sentence = describe_effective_field(found)
        box, inner = (on_image(each, scene.placement) for each in (found.box, central_half(found.box)))
        drawn = draw_picture(
            scene.pixels, scene.placement, sentence, box=box, inner=inner, room=scene.room, heat=found.values
        )
        limits = ((0.0, heat_limit(found.values)),)
        scale = colour_bar(limits, colormap=HEAT_COLORMAP, what="root of the mean |gradient|")
        yield marked | {parts.picture: drawn, parts.bar: scale, parts.caption: note(sentence)}


def opening_layer(model: LoadedModel) -> str:
    """A stage as deep as its fields still are well smaller than the input: there both can be seen."""
    listed = [layer.name for layer in stages(model)]
    small = [
        name for name in listed if max(receptive_field(model, name).size) <= model.preprocess.crop_px / 2
    ]
    return (small or listed)[-1]


def scene_of(visit: Visit, layer: str) -> Scene:
    """Everything about a layer that a drawing needs, but the drawing."""
    preprocess, (height, width) = visit.model.preprocess, visit.pixels.shape[:2]
    return Scene(
        selection=visit.selection,
        field=receptive_field(visit.model, layer),
        pixels=visit.pixels,
        placement=preprocess.placement(height, width, visit.selection.framing),
        input_px=preprocess.crop_px,
    )


def pointed(scene: Scene, where: str, y: float, x: float) -> Pick:
    """What a click at (y, x) of a drawing means: the unit or the pixel under it, or the nearest one."""
    if where == "map":
        return unit_near(scene.field, floor(y), floor(x))
    height, width = scene.pixels.shape[:2]
    return Pick("pixel", min(max(floor(y), 0), height - 1), min(max(floor(x), 0), width - 1))


def fitted(pick: Pick | None, scene: Scene) -> Pick:
    """The pick as this layer and picture have it; without one, the unit in the middle of the map."""
    field = scene.field
    if pick is not None and pick.what == "pixel":
        height, width = scene.pixels.shape[:2]
        if pick.row < height and pick.column < width:
            return pick
    if pick is None or pick.what == "pixel":
        return unit_near(field, field.units[0] // 2, field.units[1] // 2)
    if pick.layer == field.layer:
        return unit_near(field, pick.row, pick.column)
    row, column = ((pick.centre[i] - field.start[i]) / field.stride[i] for i in (0, 1))
    return unit_near(field, round(row), round(column))


def unit_near(field: ReceptiveField, row: int, column: int) -> Pick:
    """A unit of the layer's map: the one named, or the nearest to it that there is."""
    row, column = min(max(row, 0), field.units[0] - 1), min(max(column, 0), field.units[1] - 1)
    return Pick("unit", row, column, field.layer, field.centre(row, column))


def map_cells(visit: Visit, scene: Scene) -> np.ndarray:
    """The layer's map as colours, one pixel a cell: RGB ``uint8`` ``(rows, columns, 3)``."""
    view = reduce(visit.activation(scene.field.layer), "pca")
    return colourise(view.values, view.limits, default_colormap(view))


def _marked(visit: Visit, scene: Scene, unit: tuple[int, int]) -> Markup:
    """The layer's map with a unit outlined."""
    label = f"The map of {scene.field.layer}, unit {unit} chosen"
    return draw_map(map_cells(visit, scene), label, unit=unit)


def _clickable(elem_id: str, label: str) -> gr.HTML:
    return gr.HTML(
        "",
        html_template=_FRAME.format(label),
        js_on_load=_PICK,
        apply_default_css=False,
        padding=False,
        elem_id=elem_id,
    )
