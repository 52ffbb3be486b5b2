"""Several runs beside each other: which belong together, and their last epochs as a table's cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from explorer.errors import ExplorerError
from training.config import TrainConfig
from training.report.explain import History
from training.report.numbers import PERCENT, POINTS, mean_and_spread
from training.report.spread import by_recipe
from training.runs import folders as runs
from training.runs.catalogue import facts_of
from training.runs.folders import Run
from training.words import legend_titles

SUMMARY_HEADS = ("epochs", "training", "test", "gap", "best test")
"""What :func:`summary` says of a group, in this order."""


@dataclass(frozen=True)
class Member:
    """One run of a comparison: a title of its own, its recipe, its results by epoch.

    ``test_images`` is how many images the test accuracy was counted on, None where that isn't known. ``run`` is
    where it comes from, None for results that were recorded.
    """

    title: str
    config: TrainConfig
    history: History
    test_images: int | None = None
    run: Run | None = None

    @property
    def _name(self) -> str:
        return self.run.name if self.run else ""


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed, under a title that tells them from the others.

    ``config`` is what they share, see :func:`training.config.comparable`.
    """

    title: str
    config: TrainConfig
    members: tuple[Member, ...]

    @cached_property
    def by_seed(self) -> list[Member]:
        """One run for each seed, in their order: the same one twice says nothing new. The longest counts."""
        # Chosen in whatever order, the same runs say the same.
        longest = sorted(self.members, key=lambda member: (-len(member.history), member._name))
        found: dict[int, Member] = {}
        for member in longest:
            found.setdefault(member.config.seed, member)
        return [found[seed] for seed in sorted(found)]

    @property
    def histories(self) -> list[History]:
        """The history of each run."""
        return [member.history for member in self.members]

    @property
    def distinct(self) -> list[History]:
        """The history of each seed."""
        return [member.history for member in self.by_seed]

    @property
    def label(self) -> str:
        """The title, and of how many seeds the mean is."""
        seeds = len(self.by_seed)
        return f"{self.title} ({seeds} seeds)" if seeds > 1 else self.title

    @property
    def seeds(self) -> str:
        """``1 run``, ``3 seeds``, or ``2 seeds in 3 runs`` where a seed ran twice."""
        runs, seeds = len(self.members), len(self.by_seed)
        if runs == 1:
            return "1 run"
        return f"{seeds} seed{'s' if seeds > 1 else ''}" + (f" in {runs} runs" if runs > seeds else "")

    def values(self, value: Callable[[History], float]) -> list[float]:
        """What ``value`` says of the history of each seed."""
        return [value(history) for history in self.distinct]

    def mean(self, value: Callable[[History], float]) -> tuple[float, float]:
        """Mean and standard deviation (n − 1) over the seeds of what ``value`` says of a history."""
        values = self.values(value)
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def summary(group: Group) -> tuple[str, ...]:
    """The last epoch of a group in words, as :data:`SUMMARY_HEADS` names them: mean ± one deviation over seeds."""
    return (
        str(min(history[-1].epoch for history in group.distinct)),
        mean_and_spread(group.values(lambda h: h[-1].train_accuracy), PERCENT),
        mean_and_spread(group.values(lambda h: h[-1].test_accuracy), PERCENT),
        mean_and_spread(group.values(lambda h: h[-1].train_accuracy - h[-1].test_accuracy), POINTS),
        mean_and_spread(group.values(lambda h: max(r.test_accuracy for r in h)), PERCENT),
    )


def group_runs(chosen: Sequence[Run]) -> list[Group]:
    """The runs by recipe, each with its history; raises ExplorerError if none has finished an epoch."""
    histories = {run.folder: runs.history(run.folder) for run in chosen}
    grouped = by_recipe(run for run in chosen if histories[run.folder])
    if not grouped:
        raise ExplorerError(
            "these runs", "have no finished epoch", "choose others, or let one train for an epoch"
        )
    return [
        Group(title, config, tuple(_member(run, histories[run.folder], title, len(found)) for run in found))
        for title, (config, found) in zip(legend_titles(list(grouped)), grouped.items(), strict=True)
    ]


def _member(run: Run, history: History, title: str, together: int) -> Member:
    facts = facts_of(run)
    seed = f", seed {run.config.seed}" if together > 1 else ""
    return Member(f"{title}{seed}", run.config, history, facts.test_images if facts else None, run)


def group_recorded(
    configs: Mapping[str, TrainConfig],
    histories: Mapping[str, History],
    test_images: Mapping[str, int] | None = None,
) -> list[Group]:
    """The same of results that were recorded, by title; of several seeds, the title without the seed.

    Args:
        configs: title → recipe.
        histories: title → results, each with an epoch at least.
        test_images: title → how many images the test accuracy was counted on, where that is known.
    """
    known = test_images or {}
    members = [Member(title, configs[title], found, known.get(title)) for title, found in histories.items()]
    grouped = by_recipe(members)
    return [_retitled(Group(found[0].title, config, tuple(found))) for config, found in grouped.items()]


def _retitled(group: Group) -> Group:
    first = group.by_seed[0].title
    several = len(group.by_seed) > 1
    title = (first.rpartition(", seed ")[0] or first) if several else first
    return Group(title, group.config, group.members)
