"""Cells of what layers put out, as one map, channels, bars or side by side, and of the table of all layers."""

from __future__ import annotations

from notebooks_export.cells import Given, literal, shown, written


def reduce(given: Given) -> list[str]:
    """A layer's activations, reduced and laid over the picture."""
    used = {"mean": "channels", "channel": "channel", "component": "component"}.get(given["method"])
    basis = _kept_basis(given) if given["basis_image"] and given["method"] in ("pca", "component") else []
    options = {"method": given["method"]} | ({used: given[used]} if used else {})
    named = [f"{name}={literal(value)}" for name, value in options.items()]
    call = written("explorer.reduce", "activation", *named, *(["basis=basis"] if basis else []))
    look = {key: given[key] for key in ("colormap", "interpolation", "limits") if given[key] is not None}
    return [
        *_captured(given, [given["layer"]]),
        f"activation = {_activation(given)}",
        *basis,
        f"view = {call}",
        "print(describe_activation(activation, view))",
        shown(given, "view", **look),
    ]


def channel_grid(given: Given) -> list[str]:
    """A layer's strongest channels on one scale."""
    colormap = {"colormap": given["colormap"]} if given["colormap"] else {}
    return [
        *_captured(given, [given["layer"]]),
        f"grid = {written('channel_grid', _activation(given), count=given['count'])}",
        "print(describe_grid(grid))",
        f"Image.fromarray({written('grid_picture', 'grid', **colormap)})",
    ]


def vector(given: Given) -> list[str]:
    """The largest values of a layer without positions."""
    labels = f"{given.model}.labels"
    return [
        *_captured(given, [given["layer"]]),
        f"activation = {_activation(given)}",
        f"units = {written('largest_values', 'activation', labels, count=given['count'])}",
        "print(describe_values(activation, units))",
        "Image.fromarray(bars_picture(units))",
    ]


def side_by_side(given: Given) -> list[str]:
    """Several layers, each over the picture."""
    options = {"method": given["method"], "one_scale": given["one_scale"]}
    return [
        *_captured(given, list(given["layers"])),
        f"compared = {written('compare_layers', 'activations', **options)}",
        "print(describe_layers(compared))",
        f"Image.fromarray(layers_picture({given.image}, compared))",
    ]


def table(given: Given) -> list[str]:
    """All layers of a network, with shapes and parameters."""
    return [
        f"rows = architecture({given.model})",
        f"print(describe_network({given.model}, rows))",
        "print(table_text(rows))",
    ]


def _kept_basis(given: Given) -> list[str]:
    """Find a kept PCA basis again, on the picture and at the layer that it was found on."""
    name = literal(given["layer"])
    capture = written(
        "explorer.capture_activations",
        given.model,
        given.basis_image,
        f"[{name}]",
        framing=given["basis_framing"],
    )
    return [
        "# The colours are the principal components of another look: found there, used here.",
        f"found_on = {capture}",
        f"basis = explorer.reduce(found_on[{name}]).basis",
    ]


def _captured(given: Given, names: list[str]) -> list[str]:
    capture = written(
        "explorer.capture_activations", given.model, given.image, literal(names), framing=given["framing"]
    )
    return [f"activations = {capture}"]


def _activation(given: Given) -> str:
    return f"activations[{literal(given['layer'])}]"
