"""One run as the page shows it while it trains: where it is, its curves, and how it does on each class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from training.report.classes import class_shares, classes_title
from training.report.page.chart import COLORS, Axes, Curve, draw_chart
from training.report.page.data import bar
from training.results import EpochResult, Progress
from training.runs import folders as runs
from training.runs.folders import Run
from training.words import legend_titles, recipe_title

History = Sequence[EpochResult]


def run_head(run: Run, history: History, everything: Sequence[Run] = ()) -> str:
    """What is trained, where it is, with a bar, and how many others of ``everything`` train or wait."""
    progress = run.progress
    share = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs if progress else 0.0
    done = min(1.0, max(share, run.epochs_done / run.config.epochs))
    bar = (
        f'<div class="tr-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * done:.0f}" aria-label="Share of the epochs done"><div style="width:{100 * done:.1f}%">'
        "</div></div>"
    )
    kind = " tr-alert" if run.status in (runs.FAILED, runs.INTERRUPTED) else ""
    return (
        f'<div class="tr-head"><p class="tr-recipe">{escape(recipe_title(run.config))}</p>{bar}'
        f'<p class="tr-status{kind}" role="status">{escape(status_words(run, history))}</p>'
        f"{_others(run, everything)}</div>"
    )


def _others(run: Run, everything: Sequence[Run]) -> str:
    statuses = [other.status for other in everything if other.name != run.name]
    counts = [
        (statuses.count(runs.RUNNING), "trains", "train"),
        (statuses.count(runs.WAITING), "waits", "wait"),
    ]
    sentence = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)
    return f'<p class="tr-status">Of the other runs, {sentence}.</p>' if sentence else ""


def status_words(run: Run, history: History) -> str:
    """Where the run is, with its numbers."""
    if is_stopping(run):
        return "Stopping after the batches in hand …"
    if run.status == runs.RUNNING:
        return _running(run)
    if run.status == runs.WAITING:
        return run.message or "Waiting: its process starts, or the runs before it go first."
    if run.status == runs.FINISHED:
        seconds = duration(sum(result.seconds for result in history))
        return f"Finished: {_count(run.epochs_done)} in {seconds}."
    sentence = f"{run.status.capitalize()} after {run.epochs_done} of {_count(run.config.epochs)}"
    return f"{sentence}: {run.message}." if run.message else f"{sentence}."


def is_stopping(run: Run) -> bool:
    """Whether somebody asked it to stop, and it hasn't yet."""
    return run.is_alive and (run.folder / runs.STOP).exists()


def _running(run: Run) -> str:
    if run.progress is None:
        return f"{run.message[:1].upper()}{run.message[1:]} …" if run.message else "Reading the data …"
    p = run.progress
    if p.step >= p.steps:
        return f"Epoch {p.epoch} of {p.epochs}: measuring on the test images …"
    return (
        f"Epoch {p.epoch} of {p.epochs}, {p.step / p.steps:.0%} of it · {p.images_per_second:,.0f} images/s · "
        f"{duration(p.seconds_left)} left · learning rate {p.learning_rate:.3g}"
    )


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 1 else "under 1 s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def run_charts(shown: Sequence[tuple[Run, History]]) -> str:
    """Accuracy and loss of the runs beside each other, the first in the app's own colour."""
    last = max([_room(run) for run, _ in shown], default=10)
    # A run that waits for its first epoch has no curve, and beside others no place in their legend.
    drawn = [n for n, (run, history) in enumerate(shown) if history or run.status != runs.WAITING]
    drawn = drawn or list(range(len(shown)))
    accuracy = [curve for number in drawn for curve in _curves(shown, number, "accuracy")]
    loss = [curve for number in drawn for curve in _curves(shown, number, "loss")]
    charts = (
        draw_chart(accuracy, Axes("accuracy", last, percent=True)),
        draw_chart(loss, Axes("loss", last)),
    )
    return f'<div class="tr-charts">{"".join(charts)}</div>'


def _room(run: Run) -> int:
    """The last epoch on the axis: what a run has to come, but never more than as much again as it has done."""
    if not run.is_alive:
        return run.epochs_done
    return min(run.config.epochs, max(10, 2 * run.epochs_done))


def _curves(shown: Sequence[tuple[Run, History]], number: int, quantity: str) -> list[Curve]:
    """Training (dashed) and test (solid) of one run; training goes on into the epoch that runs."""
    run, history = shown[number]
    title = f"{legend_titles([other.config for other, _ in shown])[number]}, " if len(shown) > 1 else ""
    color = COLORS[number % len(COLORS)]
    train = [(float(r.epoch), getattr(r, f"train_{quantity}")) for r in history]
    test = tuple((float(r.epoch), getattr(r, f"test_{quantity}")) for r in history)
    now = _now(run, quantity) if run.progress and run.progress.epoch > run.epochs_done else None
    return [
        Curve(f"{title}train", tuple(train + ([now] if now else [])), color, dashed=True, growing=bool(now)),
        Curve(f"{title}test", test, color),
    ]


def _now(run: Run, quantity: str) -> tuple[float, float] | None:
    p: Progress | None = run.progress
    if p is None or p.step == 0:
        return None
    return p.epoch - 1 + p.step / p.steps, getattr(p, f"train_{quantity}")


def class_bars(result: EpochResult, labels: Sequence[str]) -> str:
    """Test accuracy of each class after one epoch, the worst first where there are many."""
    rows = "".join(
        f'<li><span class="tr-label">{escape(label)}</span>{bar(share)}<span class="tr-value">{share:.0%}</span></li>'
        for label, share in class_shares(result, labels)
    )
    return (
        f'<h3 class="tr-heading">{classes_title(result.epoch, len(labels))}</h3>'
        f'<ol class="tr-classes">{rows}</ol>'
    )


def epoch_caption(history: History) -> str:
    """The last epoch's numbers, as a sentence."""
    if not history:
        return "Training accuracy appears within the first epoch, test accuracy after it."
    last = history[-1]
    best = max(history, key=lambda result: result.test_accuracy)
    sentence = (
        f"After epoch {last.epoch}: {last.train_accuracy:.1%} right on the training images (counted while the weights "
        f"still change) and {last.test_accuracy:.1%} on the test images; loss {last.train_loss:.3g} and "
        f"{last.test_loss:.3g}. {last.seconds:.1f} s an epoch, {last.images_per_second:,.0f} images/s."
    )
    return (
        sentence
        if best is last
        else f"{sentence} Best test accuracy: {best.test_accuracy:.1%} in epoch {best.epoch}."
    )


def _count(epochs: int) -> str:
    return f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"
