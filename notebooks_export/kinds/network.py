"""A network: what it is built of, and what it says of a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated

from explorer.layers.architecture import LayerSummary
from notebooks_export.kinds.cell import Given, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope
from notebooks_export.kinds.parameters import OfNetwork, OfPicture, whole


class Prediction(OfPicture):
    """The ``top`` most probable classes."""

    top: Annotated[int, whole(1, 100)] = 5


def _modules(given: Given) -> list[str]:
    """The network's modules and how many parameters it has."""
    return [f"print({given.model}.module)", f'print(f"{{{given.model}.parameters:,}} parameters")']


def _layers(given: Given) -> list[str]:
    """All layers of a network, with shapes and parameters."""
    return [
        f"rows = explorer.architecture({given.model})",
        f"print(explorer.describe_network({given.model}, rows))",
        "print(explorer.architecture_table(rows))",
    ]


def _prediction(given: Given) -> list[str]:
    """The most probable classes."""
    found = written("explorer.predict", given.model, given.image, top=given["top"], framing=given["framing"])
    line = 'print(f"{found.probability:6.1%}  {found.index:4d}  {found.label}")'
    return [f"for found in {found}:", f"    {line}"]


def _layer_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    return Numbers(tables={"layers.csv": _layer_table(scope["rows"])})


def _layer_table(rows: Sequence[LayerSummary]) -> str:
    written_out = io.StringIO()
    table = csv.writer(written_out, lineterminator="\n")
    table.writerow(("layer", "kind", "settings", "channels", "height", "width", "parameters"))
    table.writerows((row.name, row.kind, row.settings, *row.shape, row.parameters) for row in rows)
    return written_out.getvalue()


KINDS = (
    Kind("network.modules", OfNetwork, _modules, former=("explorer.load_model",)),
    Kind(
        "network.layers",
        OfNetwork,
        _layers,
        former=("explorer.architecture.architecture",),
        numbers=_layer_numbers,
    ),
    Kind("network.prediction", Prediction, _prediction, former=("explorer.predict",)),
)
