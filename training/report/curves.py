"""The curves of runs: of one run, of several seeds of a recipe, of the gap, each in its run's colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from training.report.chart import Axes, Chart, Curve, Point
from training.report.colours import run_colour
from training.report.comparison import Group
from training.report.explain import History
from training.report.spread import spread
from training.results import Progress

Quantity = Literal["accuracy", "loss", "gap"]
Histories = Mapping[str, History]

_AXES: Mapping[str, Callable[[int, float], Axes]] = MappingProxyType(
    {
        "accuracy": lambda last, lowest: Axes("accuracy", last, percent=True),
        "loss": lambda last, lowest: Axes("loss", last),
        # No gap is where the two curves meet: a chart of it always shows 0.
        "gap": lambda last, lowest: Axes(
            "training minus test accuracy", last, points=True, low=min(0.0, lowest)
        ),
    }
)


@dataclass(frozen=True)
class Watched:
    """One run beside others while it trains: what its curves are called, its results, and where it is now.

    ``progress`` is of the epoch that runs; None between epochs and afterwards. ``last_epoch`` is the last that
    the axes have room for. A run that is ``hidden`` has nothing to show yet and keeps its colour.
    """

    title: str
    history: History
    progress: Progress | None
    last_epoch: int
    hidden: bool = False


def watched_charts(shown: Sequence[Watched]) -> tuple[Chart, Chart]:
    """Accuracy and loss of runs that may still train, each in the colour of its place."""
    last = max((run.last_epoch for run in shown), default=10)
    return _watched(shown, "accuracy", last), _watched(shown, "loss", last)


def _watched(shown: Sequence[Watched], quantity: Quantity, last: int) -> Chart:
    curves = [
        curve
        for number, run in enumerate(shown)
        if not run.hidden
        for curve in _train_and_test(run.history, quantity, run.title, run_colour(number), run.progress)
    ]
    return _chart(curves, quantity, last)


def histories_chart(histories: Histories, quantity: Quantity = "accuracy") -> Chart:
    """Training and test of each run that is done, under its title."""
    curves = [
        curve
        for number, (title, history) in enumerate(histories.items())
        for curve in _train_and_test(history, quantity, title, run_colour(number))
    ]
    return _chart(curves, quantity, _last(histories.values()))


def compared_chart(groups: Sequence[Group], quantity: Quantity) -> Chart:
    """Test (solid) and training (dashed) of each recipe; of several seeds the mean, with a band around test of one
    standard deviation."""
    # One run needs no name in its legend.
    alone = len(groups) == 1 and len(groups[0].members) == 1
    curves = [
        curve
        for number, group in enumerate(groups)
        for curve in _of_group(group, quantity, "" if alone else group.label, run_colour(number))
    ]
    return _chart(curves, quantity, _last([history for group in groups for history in group.histories]))


def _chart(curves: Sequence[Curve], quantity: Quantity, last: int) -> Chart:
    lowest = min((value for curve in curves for _, value in curve.points), default=0.0)
    return Chart(tuple(curves), _AXES[quantity](last, lowest))


def _last(histories: Iterable[History]) -> int:
    return max((history[-1].epoch for history in histories if history), default=1)


def _train_and_test(
    history: History, quantity: Quantity, title: str, colour: str, progress: Progress | None = None
) -> list[Curve]:
    """Both curves of one run; training goes on into the epoch that runs."""
    train = [(float(result.epoch), getattr(result, f"train_{quantity}")) for result in history]
    test = [(float(result.epoch), getattr(result, f"test_{quantity}")) for result in history]
    now = _now(progress, quantity)
    return [
        Curve(_named(title, "train"), (*train, *now), colour, dashed=True, growing=bool(now)),
        Curve(_named(title, "test"), tuple(test), colour),
    ]


def _now(progress: Progress | None, quantity: Quantity) -> list[Point]:
    if progress is None or progress.step == 0:
        return []
    epoch = progress.epoch - 1 + progress.step / progress.steps
    return [(epoch, getattr(progress, f"train_{quantity}"))]


def _of_group(group: Group, quantity: Quantity, title: str, colour: str) -> list[Curve]:
    if quantity == "gap":
        train, test = (spread(group.distinct, f"{part}_accuracy") for part in ("train", "test"))
        gaps = tuple((float(e), a - b) for e, a, b in zip(train.epochs, train.mean, test.mean, strict=True))
        return [Curve(title or "gap", gaps, colour)]
    curves = []
    for part in ("train", "test"):
        found = spread(group.distinct, f"{part}_{quantity}")
        points = tuple((float(epoch), mean) for epoch, mean in zip(found.epochs, found.mean, strict=True))
        band = found.deviation if found.runs > 1 and part == "test" else ()
        curves.append(Curve(_named(title, part), points, colour, dashed=part == "train", band=band))
    return curves


def _named(title: str, part: str) -> str:
    return f"{title}, {part}" if title else part
