"""Several seeds of one recipe: which runs belong together, and how far their results spread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from explorer.errors import ExplorerError
from training.config import TrainConfig, comparable
from training.report.explain import History


class Configured(Protocol):
    """Whatever was trained by a recipe."""

    @property
    def config(self) -> TrainConfig:
        """The recipe."""
        ...


R = TypeVar("R", bound=Configured)


@dataclass(frozen=True)
class Spread:
    """One quantity over several seeds: mean and standard deviation (n − 1) by epoch, for ``runs`` runs."""

    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    runs: int


def spread(histories: Sequence[History], quantity: str = "test_accuracy") -> Spread:
    """Mean ± spread of ``quantity`` (a field of EpochResult) over the epochs that all runs have."""
    shortest = min((len(history) for history in histories), default=0)
    if shortest == 0:
        raise ExplorerError(
            "the runs to compare", "have no finished epoch in common", "let each train for one epoch"
        )
    values = np.array([[getattr(result, quantity) for result in history[:shortest]] for history in histories])
    deviation = values.std(axis=0, ddof=1) if len(histories) > 1 else np.zeros(shortest)
    epochs = tuple(result.epoch for result in histories[0][:shortest])
    return Spread(epochs, tuple(values.mean(axis=0).tolist()), tuple(deviation.tolist()), len(histories))


def by_recipe(runs: Iterable[R]) -> dict[TrainConfig, list[R]]:
    """Runs that differ in nothing but the seed, the machine and where it keeps the data, together.

    They are found under what they share, see :func:`training.config.comparable`.
    """
    groups: dict[TrainConfig, list[R]] = {}
    for run in runs:
        groups.setdefault(comparable(run.config), []).append(run)
    return groups
