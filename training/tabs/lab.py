"""What the steps of the training lab share, and what they need of the program around them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from markupsafe import Markup, escape

from explorer.caches import ByteBudgetCache
from explorer.errors import ExplorerError
from explorer.tabs.components import Updates, progress_bar, stepwise
from explorer.workbench import Workbench
from training.config import TrainConfig
from training.data.load import Dataset
from training.data.opened import Choice, DatasetCache
from training.loop.setup import check_sizes
from training.report.page.network import network_views
from training.report.predictions import Predictions, predict_test_images
from training.runs.catalogue import TrainedModels, facts_of, name_of
from training.runs.folders import Run

NAME = "training"
PREDICTIONS_BYTES = 64 * 2**20
_ALERT = Markup('<p class="tr-alert" role="alert">{} {}</p>')
T = TypeVar("T")
Report = Callable[[tuple[float, str]], None]


@dataclass(frozen=True, eq=False)
class Lab:
    """Where runs and data sets are, and what visitors may do.

    Attributes:
        typed_paths: whether people may name files of the computer that serves the page.
        device: what new runs compute on, unless they say otherwise.
    """

    bench: Workbench
    models: TrainedModels
    datasets: DatasetCache
    device: str
    typed_paths: bool
    _predictions: ByteBudgetCache[Hashable, Predictions] = field(
        default_factory=lambda: ByteBudgetCache(PREDICTIONS_BYTES, lambda found: found.probabilities.nbytes),
        init=False,
    )

    @property
    def root(self) -> Path:
        """The folder that holds the visitors' runs."""
        return self.models.root

    def check(self, config: TrainConfig, choice: Choice) -> None:
        """Refuse at once what a run would refuse when it begins; raises ExplorerError."""
        found = self.datasets.open(choice).data
        check_sizes(config, found)
        network_views(config.network, len(found.labels), config.image_size)

    def images(self, run: Run, chosen: Choice | None) -> Dataset:
        """The images of a run, or those that are open if they have its classes; raises ExplorerError."""
        facts = facts_of(run)
        opened = self.datasets.open(chosen) if chosen else None
        return self.datasets.images_of(run.config, facts.labels if facts else (), opened)

    def predictions(
        self, run: Run, epoch: int, data: Dataset, on_progress: Callable[[float], None] | None = None
    ) -> Predictions:
        """What a run's network says of its test images: asked once, then remembered; raises ExplorerError."""
        key = (run.name, self.models.identity(name_of(run, epoch)), data.fingerprint)
        return self._predictions.get_or_make(
            key, lambda: predict_test_images(run.folder, epoch, data, on_progress)
        )


def alert(error: ExplorerError, after: str = "") -> Markup:
    """An error in its place on the page: value, rule, remedy; and what still holds."""
    sentence = f"{error}."
    return _ALERT.format(sentence[:1].upper() + sentence[1:], after)


def or_nothing(updates: Updates) -> Any:
    """Updates as gradio takes them: an empty dictionary for several components it holds for a mistake."""
    return updates or gr.skip()


def with_progress(work: Callable[[Report], T], place: int | gr.HTML) -> Generator[Any, None, T]:
    """Run ``work(report)`` beside the page, where ``report`` takes (share done, words).

    Yields progress bars for the component ``place``, or behind so many untouched outputs; returns the work's result.

    Raises:
        ExplorerError: as ``work``; the caller takes the bar away, and says it where it belongs.
        gr.Error: ``work`` failed in a way that nobody foresaw. The bar is gone; the program's log has all of it.
    """
    steps = stepwise(work)

    def listed(bar: str) -> Any:
        return {place: bar} if isinstance(place, gr.HTML) else (*(gr.skip(),) * place, bar)

    while True:
        try:
            share, words = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        except ExplorerError:
            raise
        except Exception as error:
            yield listed("")
            raise unforeseen(error) from error
        yield listed(progress_bar(share, words))


def unforeseen(error: Exception) -> gr.Error:
    """A failure that nobody thought of, in words; raised from ``error``, gradio prints both into the log."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    # In the text, because gradio forgets the title of an error that comes after an update.
    sentence = (
        f"This failed unexpectedly ({what}). The program's log has the details; what was here before stays."
    )
    return gr.Error(str(escape(sentence)), duration=20)  # gradio's page takes it for HTML
