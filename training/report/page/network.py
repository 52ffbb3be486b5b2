"""A network as the page shows it before it is trained: its layers, their shapes, their parameters."""

from __future__ import annotations

import torch
from markupsafe import Markup

from training.networks.build import build_network, count_parameters, describe

_TABLE = Markup(
    '<div class="tr-table tr-layers"><table class="facts"><thead><tr><th>layer</th><th>kind</th>'
    '<th class="number">output</th><th class="number">parameters</th></tr></thead><tbody>{}</tbody></table></div>'
)
_ROW = Markup(
    '<tr><td>{name}</td><td>{kind}</td><td class="number">{shape}</td><td class="number">{parameters:,}</td></tr>'
)


def network_views(network: str, classes: int, image_size: int) -> tuple[str, Markup]:
    """(the number of parameters in words, one row per layer with output shape and parameters).

    Raises:
        ExplorerError: an unknown network, or layers that do not fit: which layer, which size.
    """
    # On torch's meta device shapes are computed without numbers: even the largest network takes no memory.
    with torch.device("meta"):
        built = build_network(network, classes, image_size)
        rows = describe(built, image_size)
    words = (
        f"{count_parameters(built):,} trainable parameters in {len(rows)} layers, for {classes} classes at "
        f"{image_size}×{image_size} px."
    )
    body = Markup("").join(
        _ROW.format(name=row.name, kind=row.kind, shape=_shape(row.shape), parameters=row.parameters)
        for row in rows
    )
    return words, _TABLE.format(body)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "×".join(map(str, shape)) if shape else "–"
