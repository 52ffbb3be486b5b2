"""One run as the page shows it while it trains: where it is, its curves, and how it does on each class."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from training.report.classes import class_shares, classes_title
from training.report.colours import run_colour
from training.report.curves import Watched, watched_charts
from training.report.page.chart import draw_chart
from training.report.page.data import bar
from training.results import EpochResult, Progress
from training.runs import folders as runs
from training.runs.folders import Run
from training.words import legend_titles, recipe_title

History = Sequence[EpochResult]
_HEAD = Markup(
    '<div class="tr-head"><p class="tr-recipe">{recipe}</p>{bar}'
    '<p class="tr-status{kind}" role="status">{status}</p>{others}</div>'
)
_BAR = Markup(
    '<div class="tr-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent:.0f}" '
    'aria-label="Share of the epochs done"><div style="width:{percent:.1f}%"></div></div>'
)
_OTHERS = Markup('<p class="tr-status">Of the other runs, {}.</p>')
_CHARTS = Markup('<div class="tr-charts">{}</div>')
_CLASSES = Markup('<h3 class="tr-heading">{title}</h3><ol class="tr-classes">{rows}</ol>')
_CLASS = Markup(
    '<li><span class="tr-label">{label}</span>{bar}<span class="tr-value">{share:.0%}</span></li>'
)


def run_head(run: Run, history: History, everything: Sequence[Run] = ()) -> Markup:
    """What is trained, where it is, with a bar, and how many others of ``everything`` train or wait."""
    progress = run.progress
    share = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs if progress else 0.0
    done = min(1.0, max(share, run.epochs_done / run.config.epochs))
    return _HEAD.format(
        recipe=recipe_title(run.config),
        bar=_BAR.format(percent=100 * done),
        kind=" tr-alert" if run.status in (runs.FAILED, runs.INTERRUPTED) else "",
        status=status_words(run, history),
        others=_others(run, everything),
    )


def _others(run: Run, everything: Sequence[Run]) -> Markup:
    statuses = [other.status for other in everything if other.name != run.name]
    counts = [
        (statuses.count(runs.RUNNING), "trains", "train"),
        (statuses.count(runs.WAITING), "waits", "wait"),
    ]
    sentence = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)
    return _OTHERS.format(sentence) if sentence else Markup("")


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


def run_charts(shown: Sequence[tuple[Run, History]]) -> Markup:
    """Accuracy and loss of the runs beside each other, each in the colour of its place."""
    titles = legend_titles([run.config for run, _ in shown]) if len(shown) > 1 else [""] * len(shown)
    # A run that waits for its first epoch has no curve, and beside others no place in their legend.
    waits = [not history and run.status == runs.WAITING for run, history in shown]
    watched = [
        Watched(title, history, _now(run), _room(run), hidden=empty and not all(waits))
        for title, (run, history), empty in zip(titles, shown, waits, strict=True)
    ]
    return _CHARTS.format(Markup("").join(map(draw_chart, watched_charts(watched))))


def _now(run: Run) -> Progress | None:
    """Where the run is in an epoch that isn't done."""
    return run.progress if run.progress and run.progress.epoch > run.epochs_done else None


def _room(run: Run) -> int:
    """The last epoch on the axis: what a run has to come, but never more than as much again as it has done."""
    if not run.is_alive:
        return run.epochs_done
    return min(run.config.epochs, max(10, 2 * run.epochs_done))


def class_bars(result: EpochResult, labels: Sequence[str]) -> Markup:
    """Test accuracy of each class after one epoch, the worst first where there are many."""
    rows = Markup("").join(
        _CLASS.format(label=label, bar=bar(share, run_colour(0)), share=share)
        for label, share in class_shares(result, labels)
    )
    return _CLASSES.format(title=classes_title(result.epoch, len(labels)), rows=rows)


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
