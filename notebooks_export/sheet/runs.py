"""The training runs that the sheet shows: a baseline and its variant, on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.errors import ExplorerError
from training import EpochResult, TrainConfig, epochs_of, shipped_runs
from training.data.opened import Choice, is_here
from training.loop.checkpoint import load_checkpoint
from training.runs.folders import history, read_run
from training.runs.own_pictures import recorded_knobs
from training.words import dataset_title


@dataclass(frozen=True)
class TrainingRun:
    """A run for the sheet: its recipe, its results by epoch, and how many test images they were counted on.

    Attributes:
        images: what tells apart the images that runs saw.
        knobs: the recipe as a step has it.
        files: the pictures of one's own that the recipe names; none where they stay behind.
    """

    config: TrainConfig
    results: tuple[EpochResult, ...]
    test_images: int
    images: str
    knobs: Mapping[str, Any]
    files: tuple[bytes, ...] = ()

    @property
    def images_are_here(self) -> bool:
        """Whether the notebook can show them without a download."""
        if self.config.dataset == "folder":
            return bool(self.files)
        return is_here(Choice(self.config.dataset, None, self.config.image_size))


def baseline_and_variant(plain: str | Path | None, augmented: str | Path | None) -> dict[str, TrainingRun]:
    """The baseline and its variant by short titles."""
    shipped = {path.name.rpartition("-")[2]: path for path in shipped_runs()}
    folders = Path(plain or shipped["plain"]), Path(augmented or shipped["augmented"])
    first, second = (_read(folder) for folder in folders)
    data = [(run.images, run.config.image_size) for run in (first, second)]
    if data[0] != data[1]:
        names = " and ".join(repr(folder.name) for folder in folders)
        sentence = " and ".join(f"{images} at {size} px" for images, size in data)
        remedy = "choose two runs on the same data"
        raise ExplorerError(f"the runs {names}", f"can't be compared: they saw {sentence}", remedy)
    augmentation = (bool(first.config.augmentation), bool(second.config.augmentation))
    titles = ("plain", "augmented") if augmentation == (False, True) else ("baseline", "variant")
    return dict(zip(titles, (first, second), strict=True))


def _read(folder: Path) -> TrainingRun:
    run, results, epochs = read_run(folder), tuple(history(folder)), epochs_of(folder)
    if not results or not epochs:
        raise ExplorerError(
            f"the run {run.name!r}", "has no finished epoch", "let it train for one, or take another"
        )
    facts = load_checkpoint(folder, epochs[-1]).data
    images = run.config.dataset
    if images == "folder":
        # Of the same name, they may be others by now; those that were left out don't make them others.
        images = f"{dataset_title(run.config)!r} ({facts.fingerprint.partition('-')[0][:6]})"
    knobs, files = recorded_knobs({run.name: run})
    return TrainingRun(run.config, results, facts.test_images, images, knobs[run.name], tuple(files))
