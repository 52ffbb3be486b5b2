"""Several runs beside each other: curves with the spread over seeds, a table, and the gap in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from explorer.errors import ExplorerError
from training.config import TrainConfig
from training.report.explain import compare_seeds, explain_gap, plain_and_augmented
from training.report.spread import by_recipe
from training.results import EpochResult
from training.runs import folders as runs
from training.runs.catalogue import facts_of
from training.runs.folders import Run
from training.words import legend_titles

Quantity = Literal["accuracy", "loss", "gap"]
History = list[EpochResult]
_MOST_EXPLAINED = 2


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed, under a title that tells them from the others.

    ``config`` is what they share, see :func:`training.config.comparable`.
    """

    title: str
    config: TrainConfig
    runs: tuple[Run, ...]
    histories: tuple[History, ...]

    @cached_property
    def by_seed(self) -> list[tuple[Run, History]]:
        """One run for each seed, in their order: the same one twice says nothing new. The longest counts."""
        pairs = zip(self.runs, self.histories, strict=True)
        # Chosen in whatever order, the same runs say the same.
        longest = sorted(pairs, key=lambda pair: (-len(pair[1]), pair[0].name))
        found: dict[int, tuple[Run, History]] = {}
        for run, history in longest:
            found.setdefault(run.config.seed, (run, history))
        return [found[seed] for seed in sorted(found)]

    @property
    def distinct(self) -> list[History]:
        """The history of each seed."""
        return [history for _, history in self.by_seed]

    @property
    def seeds(self) -> str:
        """``1 run``, ``3 seeds``, or ``2 seeds in 3 runs`` where a seed ran twice."""
        runs, seeds = len(self.runs), len(self.by_seed)
        if runs == 1:
            return "1 run"
        return f"{seeds} seed{'s' if seeds > 1 else ''}" + (f" in {runs} runs" if runs > seeds else "")

    def mean(self, value: Callable[[History], float]) -> tuple[float, float]:
        """Mean and standard deviation (n − 1) over the seeds of what ``value`` says of a history."""
        values = [value(history) for history in self.distinct]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def group_runs(chosen: Sequence[Run]) -> list[Group]:
    """The runs by recipe, each with its history; raises ExplorerError if none has finished an epoch."""
    found = [(run, runs.history(run.folder)) for run in chosen]
    histories = {run.folder: history for run, history in found if history}
    if not histories:
        raise ExplorerError(
            "these runs", "have no finished epoch", "choose others, or let one train for an epoch"
        )
    grouped = by_recipe([run for run, history in found if history])
    titles = legend_titles(list(grouped))
    return [
        Group(title, config, tuple(members), tuple(histories[run.folder] for run in members))
        for title, (config, members) in zip(titles, grouped.items(), strict=True)
    ]


def comparison_words(groups: Sequence[Group]) -> list[str]:
    """The gap of the first groups, and what augmentation did where two differ in nothing else."""
    sentence = []
    for group in groups[:_MOST_EXPLAINED]:
        run, history = group.by_seed[0]
        facts = facts_of(run)
        if facts:
            words = explain_gap(history, facts.test_images, augmented=bool(run.config.augmentation))
            seed = f" (seed {run.config.seed})" if len(group.runs) > 1 else ""
            sentence.append(f"{_capital(group.title)}{seed}. {words}" if len(groups) > 1 else words)
    pairs = plain_and_augmented([group.config for group in groups])
    for plain, augmented in ((groups[one], groups[other]) for one, other in pairs):
        facts = facts_of(plain.by_seed[0][0])
        if facts:
            words = compare_seeds(plain.distinct, augmented.distinct, facts.test_images)
            both = f"{_capital(augmented.title)}, against {plain.title}. "
            sentence.append(f"{both if len(pairs) > 1 else ''}{words}")
    return sentence


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]
