"""Pictures of one's own that steps are about: a zip in the session, a file beside the notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.errors import ExplorerError
from explorer.session.picture_zip import OWN_DATA, check_picture_zip
from explorer.session.steps import Session
from notebooks_export.kinds.cell import Given
from notebooks_export.kinds.run import ABSENT
from training import TrainConfig

FOLDER = "data"
"""Beside the notebook."""


def check_own_data(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises ExplorerError for pictures that are gone, that aren't what they should be, or of another size.

    ``rows`` are the checked arguments of each step.
    """
    checked: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        for config in _own(row):
            digest = _digest(config)
            if not digest:
                continue
            what = f"the pictures {digest[:12]}… of step {number}"
            if digest not in session.files:
                rule, remedy = "are not in the session any more", "remove the step, or keep it again"
                raise ExplorerError(what, rule, remedy)
            if digest not in checked:
                checked[digest] = check_picture_zip(session.files[digest], what).size_px
            if config.image_size != checked[digest]:
                rule = f"has other pictures: they have {checked[digest]} px"
                remedy = "correct the step, or remove it"
                raise ExplorerError(f"image_size {config.image_size} of step {number}", rule, remedy)


def placed(given: Given, folder: str | Path = FOLDER) -> Given:
    """A step's arguments with the pictures' zips as files in ``folder``."""

    def place(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: place(part) for name, part in value.items()}
        if isinstance(value, TrainConfig) and (value.data_dir or "").startswith(OWN_DATA):
            digest = _digest(value)
            return replace(value, data_dir=f"{folder}/{_file_name(digest)}" if digest else ABSENT)
        return value

    return replace(given, arguments=place(given.arguments)) if _own(given.arguments) else given


def own_data_files(session: Session, rows: Iterable[Given], folder: str | Path = FOLDER) -> dict[str, bytes]:
    """Path → zip, for what :func:`placed` names."""
    digests = {_digest(config) for given in rows for config in _own(given.arguments)} - {""}
    return {f"{folder}/{_file_name(digest)}": session.files[digest] for digest in sorted(digests)}


def _own(arguments: Mapping[str, Any]) -> list[TrainConfig]:
    """The recipes among a step's arguments that are about pictures of one's own."""
    recipes = [arguments.get("config"), *(arguments.get("configs") or {}).values()]
    return [recipe for recipe in recipes if isinstance(recipe, TrainConfig) and recipe.dataset == "folder"]


def _digest(config: TrainConfig) -> str:
    return (config.data_dir or "").removeprefix(OWN_DATA)


def _file_name(digest: str) -> str:
    return f"{digest[:16]}.zip"
