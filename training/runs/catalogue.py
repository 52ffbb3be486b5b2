"""Trained networks as the explorer lists them: every run, at every epoch that it kept."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel
from training.loop.checkpoint import load_checkpoint, weights_path
from training.results import DataFacts
from training.runs import folders as runs
from training.runs.folders import Run
from training.runs.trained import epochs_of, load_trained, shipped_runs
from training.words import recipe_title

_AT = "@"


class TrainedModels:
    """The networks below ``root``, and those that come with the program, named ``run@epoch``.

    Implements :class:`explorer.workbench.ModelSource`. A shipped run is hidden by one of the same name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def runs(self) -> list[Run]:
        """All runs, newest first, then the shipped ones."""
        own = runs.list_runs(self.root)
        names = {run.name for run in own}
        shipped = []
        for folder in shipped_runs():
            with suppress(ExplorerError):
                if folder.name not in names:
                    shipped.append(runs.read_run(folder))
        return own + shipped

    def run(self, name: str) -> Run:
        """A run by its name; raises ExplorerError if there is none."""
        folder = self._folder(name)
        if folder is None:
            raise ExplorerError(f"run {name!r}", "is not among the runs", "choose one from the list of runs")
        return runs.read_run(folder)

    def epochs(self, name: str) -> list[int]:
        """The epochs that a run keeps, ascending; empty if there is no such run."""
        folder = self._folder(name)
        return epochs_of(folder) if folder else []

    def choices(self, current: str = "") -> list[tuple[str, str]]:
        """(text, name) per run with its last epoch, or with the one that ``current`` names."""
        listed = []
        chosen, _, _ = current.partition(_AT)
        for run in self.runs():
            epochs = epochs_of(run.folder)
            if epochs:
                epoch = self._parse(current)[1] if run.name == chosen else epochs[-1]
                listed.append((self._title(run, epoch), name_of(run, epoch)))
        return listed

    def versions(self, name: str) -> dict[int, str]:
        """Epoch → name, for the run that ``name`` belongs to; empty if it is none of ours."""
        run, epoch = self._parse(name)
        folder = self._folder(run)
        epochs = epochs_of(folder) if folder else []
        return {number: f"{run}{_AT}{number}" for number in epochs} if epoch in epochs else {}

    def identity(self, name: str) -> Hashable:
        """When the weights behind ``name`` were written; None if it is none of ours."""
        run, epoch = self._parse(name)
        folder = self._folder(run)
        if folder is None or epoch < 0:
            return None
        path = weights_path(folder, epoch)
        return path.stat().st_mtime_ns if path.exists() else None

    def load(self, name: str, device: str) -> LoadedModel:
        """The network after its epoch; raises ExplorerError if it is gone or damaged."""
        run, epoch = self._parse(name)
        return load_trained(self.run(run).folder, epoch, device)

    def _title(self, run: Run, epoch: int) -> str:
        result = next((r for r in runs.history(run.folder) if r.epoch == epoch), None)
        reached = (
            f", {result.test_accuracy:.1%} test" if result else ", before training" if epoch == 0 else ""
        )
        return f"{recipe_title(run.config)}  ·  epoch {epoch}{reached}  ·  {run.name}"

    def _folder(self, name: str) -> Path | None:
        """The folder of a run; None for anything that isn't a plain name of one."""
        if not name or Path(name).name != name or name.startswith("."):
            return None
        if (self.root / name / "config.json").exists():
            return self.root / name
        return next((folder for folder in shipped_runs() if folder.name == name), None)

    def _parse(self, name: str) -> tuple[str, int]:
        """(run, epoch); epoch −1 where ``name`` is no name of ours."""
        run, _, epoch = name.rpartition(_AT)
        return (run, int(epoch)) if epoch.isdecimal() else ("", -1)


def facts_of(run: Run) -> DataFacts | None:
    """Labels and sizes of the data that a run trains on; None before its first checkpoint."""
    epochs = epochs_of(run.folder)
    if not epochs:
        return None
    return _facts(run.folder, epochs[0], weights_path(run.folder, epochs[0]).stat().st_mtime_ns)


@lru_cache(64)
def _facts(folder: Path, epoch: int, written_at: int) -> DataFacts | None:
    try:
        return load_checkpoint(folder, epoch).data
    except ExplorerError:
        return None


def name_of(run: Run, epoch: int) -> str:
    """How the explorer calls a run's network after ``epoch``."""
    return f"{run.name}{_AT}{epoch}"
