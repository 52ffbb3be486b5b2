"""All kinds, gathered from the files of this folder: a new one needs no entry anywhere else."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from explorer.errors import ExplorerError, suggest
from notebooks_export import kinds
from notebooks_export.kinds.kind import Kind

TEXT = "text"
"""The kind of words alone, without a cell."""


def _gathered() -> dict[str, Kind]:
    modules = (
        import_module(f"{kinds.__name__}.{info.name}") for info in pkgutil.iter_modules(kinds.__path__)
    )
    found = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    return {kind.name: kind for kind in found}


KINDS: Mapping[str, Kind] = MappingProxyType(_gathered())
"""Stable name → kind."""
NAMES: Mapping[str, str] = MappingProxyType(
    {name: kind.name for kind in KINDS.values() for name in (*kind.former, kind.name)}
)
"""Every name that a kind has or had → its name today: what sessions are read by."""


def find_kind(name: str, where: str) -> Kind:
    """The kind that has or had this name; ``where`` is such as ``"step 3"``.

    Raises:
        ExplorerError: no kind ever had it.
    """
    if name not in NAMES:
        remedy = suggest(name[:80], KINDS, f"the list {', '.join(KINDS)}")
        raise ExplorerError(f"kind {name!r:.80} of {where}", "is not one that this program knows", remedy)
    return KINDS[NAMES[name]]
