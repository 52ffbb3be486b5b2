"""Pictures of one's own go along with a kept result: as a zip in the session, named in recipes by its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explorer.errors import ExplorerError
from explorer.session.picture_zip import OWN_DATA, picture_zip
from explorer.session.steps import content_hash
from training.config import TrainConfig, changed_knobs
from training.data.load import Dataset, is_on_disk, load_dataset
from training.runs.catalogue import facts_of
from training.runs.folders import Run

Knobs = dict[str, Any]


def knobs_with(config: TrainConfig, data: Dataset) -> tuple[Knobs, list[bytes]]:
    """What differs from the defaults, as JSON, and the file that it needs if ``data`` are pictures of one's own.

    Raises:
        ExplorerError: as :func:`explorer.session.picture_zip.picture_zip`.
    """
    if config.dataset != "folder":
        return changed_knobs(config), []
    content = _packed(data)
    return _named(config, content_hash(content)), [content]


def recorded_knobs(runs: Mapping[str, Run]) -> tuple[dict[str, Knobs], list[bytes]]:
    """The same for runs that are done, by title. Their results are recorded: pictures that have changed since, or are
    gone, or too many for a session, stay behind."""
    found: dict[str, Knobs] = {}
    packed: dict[str, bytes] = {}
    for title, run in runs.items():
        found[title] = changed_knobs(run.config)
        if run.config.dataset == "folder":
            content = _whole(run, packed)
            found[title] = _named(run.config, content_hash(content) if content else "")
    return found, [content for content in packed.values() if content]


def _whole(run: Run, packed: dict[str, bytes]) -> bytes:
    """All pictures that a run's were chosen from, unless ``packed`` has them by now; empty if they can't go along."""
    config, facts = run.config, facts_of(run)
    if facts is None or not is_on_disk(config):
        return b""
    try:
        if load_dataset(config).fingerprint != facts.fingerprint:
            return b""
        data = load_dataset(replace(config, max_train_images=None, max_test_images=None))
        if data.fingerprint not in packed:
            packed[data.fingerprint] = _packed(data)
    except ExplorerError:
        return b""
    return packed[data.fingerprint]


def _named(config: TrainConfig, digest: str) -> Knobs:
    return {**changed_knobs(replace(config, skip_broken=False)), "data_dir": f"{OWN_DATA}{digest}"}


def _packed(data: Dataset) -> bytes:
    train, test = (data.train_images, data.train_classes), (data.test_images, data.test_classes)
    return picture_zip(data.labels, {"train": train, "test": test})
