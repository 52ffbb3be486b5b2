"""What a network is built of: every layer with its settings, shape and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.layers.listing import list_layers
from explorer.networks.load import LoadedModel


@dataclass(frozen=True)
class LayerSummary:
    """One layer of the architecture.

    ``parameters`` counts the numbers that training sets in this layer; a layer that shares them with an
    earlier one (the second call of a module) has 0, so that the column adds up. ``settings`` are the module's
    own words, for example ``3, 64, kernel_size=(7, 7), stride=(2, 2)``.
    """

    name: str
    kind: str
    settings: str
    shape: tuple[int, int, int]
    parameters: int


def architecture(model: LoadedModel) -> list[LayerSummary]:
    """Every layer in execution order. The parameters add up to ``model.parameters``.

    Parameters that belong to no layer of the list (a class token, a layer scale) come in rows of their own.

    >>> [(row.name, row.shape, row.parameters) for row in architecture(model)][0]
    ('conv_stem', (32, 112, 112), 864)
    """
    modules = dict(model.module.named_modules())
    counted: set[int] = set()

    def count(parameters: list[tuple[int, int]]) -> int:
        new = {key: size for key, size in parameters if key not in counted}
        counted.update(new)
        return sum(new.values())

    rows = []
    for layer in list_layers(model):
        module = modules.get(layer.name)
        own = [(id(p), p.numel()) for p in module.parameters()] if module is not None else []
        settings = module.extra_repr() if module is not None else ""
        rows.append(LayerSummary(layer.name, layer.kind, settings, layer.shape, count(own)))
    for name, parameter in model.module.named_parameters():
        if id(parameter) not in counted:
            rows.append(
                LayerSummary(name, "parameter", str(tuple(parameter.shape)), (0, 0, 0), parameter.numel())
            )
    return rows
