"""Which pixels speak for a class, and what separates two classes."""

from __future__ import annotations

from typing import Any

from explorer.saliency.method import AttributionMethod
from explorer.saliency.target_score import Objective
from notebooks_export.kinds.cell import Given, literal, map_shown, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope, scales
from notebooks_export.kinds.parameters import ClassIndex, Flag, LayerName, OfPicture, Opacity, Shown


class SaliencyMap(OfPicture):
    """What speaks for one class."""

    target: ClassIndex
    method: AttributionMethod = "gradient"
    objective: Objective = "logit"
    layer: LayerName | None = None
    signed: Flag = True
    alpha: Opacity = 0.9
    shown: Shown = "overlay"


class TwoClasses(OfPicture):
    """What speaks for each of two classes, and what separates them."""

    targets: tuple[ClassIndex, ClassIndex]
    method: AttributionMethod = "grad_cam"
    objective: Objective = "logit"
    layer: LayerName | None = None
    alpha: Opacity = 0.9


def _explained(given: Given) -> dict[str, Any]:
    options = {"objective": given["objective"], "framing": given["framing"]}
    return options | ({"layer": given["layer"]} if given["layer"] else {})


def _map(given: Given) -> list[str]:
    """What speaks for a class."""
    options = {"method": given["method"], "signed": given["signed"], **_explained(given)}
    call = written("explorer.attribute", given.model, given.image, repr(given["target"]), **options)
    return [
        f"found = {call}",
        "print(explorer.describe_attribution(found))",
        map_shown(given, "found", fade=True),
    ]


def _classes(given: Given) -> list[str]:
    """Two classes and their difference side by side on one scale."""
    options = {"targets": given["targets"], "method": given["method"], **_explained(given)}
    call = written("explorer.compare_classes", given.model, given.image, **options)
    alpha = literal(given["alpha"])
    return [
        f"pair = {call}",
        "print(explorer.describe_comparison(pair))",
        "panels = [",
        f"    explorer.overlay({given.image}, view, {alpha}, limits=pair.limits, fade=True)",
        "    for view in (pair.a, pair.b, pair.difference)",
        "]",
        "Image.fromarray(np.hstack(panels))",
    ]


def _map_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    found = scope["found"]
    return Numbers({"map": found.map}, scales(found, found.limits))


def _class_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    pair = scope["pair"]
    views = {"a": pair.a, "b": pair.b, "difference": pair.difference}
    return Numbers({f"map-{name}": view.map for name, view in views.items()}, scales(pair.a, pair.limits))


KINDS = (
    Kind("saliency.map", SaliencyMap, _map, former=("explorer.attribute",), numbers=_map_numbers),
    Kind(
        "saliency.classes", TwoClasses, _classes, former=("explorer.compare_classes",), numbers=_class_numbers
    ),
)
