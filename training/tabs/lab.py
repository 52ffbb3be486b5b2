"""What the steps of the training lab share, and what they need of the program around them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import progress_bar, stepwise
from explorer.workbench import Workbench
from training.catalogue import TrainedModels
from training.shelf import Shelf

NAME = "training"
T = TypeVar("T")
Report = Callable[[tuple[float, str]], None]


@dataclass(frozen=True)
class Lab:
    """Where runs and data sets are, and what visitors may do.

    Attributes:
        typed_paths: whether people may name files of the computer that serves the page.
        device: what new runs compute on, unless they say otherwise.
    """

    bench: Workbench
    models: TrainedModels
    shelf: Shelf
    device: str
    typed_paths: bool

    @property
    def root(self) -> Path:
        return self.models.root


def alert(error: ExplorerError, after: str = "") -> str:
    """An error in its place on the page: value, rule, remedy; and what still holds."""
    said = f"{error}."
    return f'<p class="tr-alert" role="alert">{escape(said[:1].upper() + said[1:])} {escape(after)}</p>'


def with_progress(work: Callable[[Report], T], skipped: int) -> Generator[Any, None, T]:
    """Run ``work(report)`` beside the page, where ``report`` takes (share done, words).

    Yields progress bars behind ``skipped`` untouched outputs; returns the work's result.
    """
    steps = stepwise(work)
    while True:
        try:
            share, words = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        yield (*(gr.skip(),) * skipped, progress_bar(share, words))
