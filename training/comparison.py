"""Several runs beside each other: curves with the spread over seeds, a table, and the gap in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Literal

import numpy as np

from explorer.errors import ExplorerError
from training import runs
from training.catalogue import facts_of
from training.chart_drawing import COLORS, Axes, Curve, draw_chart
from training.config import TrainConfig
from training.explain import by_recipe, compare_seeds, explain_gap, plain_and_augmented, spread
from training.results import EpochResult
from training.runs import Run
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


def comparison_chart(groups: Sequence[Group], quantity: Quantity) -> str:
    """All groups on one pair of axes: test solid, training dashed, a band of one standard deviation over seeds."""
    last = max(history[-1].epoch for group in groups for history in group.histories)
    curves = [
        curve
        for number, group in enumerate(groups)
        for curve in _curves(group, COLORS[number % len(COLORS)], quantity)
    ]
    titles = {"accuracy": "accuracy", "loss": "loss", "gap": "training minus test accuracy"}
    signed = min((v for c in curves for _, v in c.points), default=0.0) if quantity == "gap" else None
    axes = Axes(
        titles[quantity],
        last,
        percent=quantity == "accuracy",
        points=quantity == "gap",
        low=min(0.0, signed) if signed is not None else None,
    )
    return draw_chart(curves, axes)


def _curves(group: Group, color: str, quantity: Quantity) -> list[Curve]:
    if quantity == "gap":
        train, test = (spread(group.distinct, f"{part}_accuracy") for part in ("train", "test"))
        gaps = tuple((float(e), a - b) for e, a, b in zip(train.epochs, train.mean, test.mean, strict=True))
        return [Curve(group.title, gaps, color)]
    curves = []
    for part in ("train", "test"):
        found = spread(group.distinct, f"{part}_{quantity}")
        points = tuple((float(e), mean) for e, mean in zip(found.epochs, found.mean, strict=True))
        band = found.deviation if found.runs > 1 and part == "test" else ()
        curves.append(Curve(f"{group.title}, {part}", points, color, dashed=part == "train", band=band))
    return curves


def comparison_table(groups: Sequence[Group]) -> str:
    """One row per recipe with its last epoch's numbers, mean ± spread over seeds."""
    rows = []
    for number, group in enumerate(groups):
        chip = f'<span class="tr-chip" style="background:{COLORS[number % len(COLORS)]}"></span>'
        cells = (
            _percent(*group.mean(lambda h: h[-1].train_accuracy)),
            _percent(*group.mean(lambda h: h[-1].test_accuracy)),
            _percent(*group.mean(lambda h: h[-1].train_accuracy - h[-1].test_accuracy), unit=" points"),
            _percent(*group.mean(lambda h: max(r.test_accuracy for r in h))),
            f"{group.mean(lambda h: h[-1].seconds)[0]:.1f} s",
        )
        epochs = min(history[-1].epoch for history in group.distinct)
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in (str(epochs), *cells))
        rows.append(
            f'<tr><th scope="row">{chip}{escape(group.title)}</th><td>{group.seeds}</td>{numbers}</tr>'
        )
    heads = ("epochs", "training", "test", "gap", "best test", "an epoch")
    head = "<th>recipe</th><th></th>" + "".join(f'<th class="number">{name}</th>' for name in heads)
    return (
        f'<div class="tr-table"><table class="facts"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def comparison_words(groups: Sequence[Group]) -> list[str]:
    """The gap of the first groups, and what augmentation did where two differ in nothing else."""
    said = []
    for group in groups[:_MOST_EXPLAINED]:
        run, history = group.by_seed[0]
        facts = facts_of(run)
        if facts:
            words = explain_gap(history, facts.test_images, augmented=bool(run.config.augmentation))
            seed = f" (seed {run.config.seed})" if len(group.runs) > 1 else ""
            said.append(f"{_capital(group.title)}{seed}. {words}" if len(groups) > 1 else words)
    pairs = plain_and_augmented([group.config for group in groups])
    for plain, augmented in ((groups[one], groups[other]) for one, other in pairs):
        facts = facts_of(plain.by_seed[0][0])
        if facts:
            words = compare_seeds(plain.distinct, augmented.distinct, facts.test_images)
            both = f"{_capital(augmented.title)}, against {plain.title}. "
            said.append(f"{both if len(pairs) > 1 else ''}{words}")
    return said


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _percent(mean: float, deviation: float, unit: str = " %") -> str:
    spread_words = f" ± {100 * deviation:.1f}" if deviation else ""
    return f"{100 * mean:.1f}{spread_words}{unit}".replace("-", "−")
