"""The results of training runs as a table and as their curves, with all their digits where they are at hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError
from explorer.session.steps import Step
from notebooks_export.paper.colour_bars import figure_with_bars
from training import EpochResult, TrainConfig, trained_runs
from training.report.paper.runs import accuracy_figure, runs_figure
from training.report.words import recorded_history
from training.runs.folders import history, read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("run", "epoch", "train_accuracy", "test_accuracy", "train_loss", "test_loss")
_EPOCH = re.compile(r"epoch (\d+): train ([\d.]+)%, test ([\d.]+)%")

Row = Sequence[float | None]
"""An epoch's columns, without the run's title."""


def run_files(arguments: Mapping[str, Any], step: Step, runs: str | Path) -> dict[str, bytes]:
    """``runs.csv``, and ``picture.svg``, the curves drawn anew, for a step of kind ``run.history``."""
    rows = run_rows(arguments, step, runs)
    files = {"runs.csv": run_table(rows).encode()}
    if step.picture:
        files["picture.svg"] = figure_with_bars(_curves(arguments, rows))
    return files


def run_rows(arguments: Mapping[str, Any], step: Step, runs: str | Path) -> dict[str, list[Row]]:
    """Run → (epoch, training and test accuracy in [0, 1], training and test loss in nats) of each epoch.

    Numbers that the step itself records come with all their digits. A step of a session of format 1 that trained
    anew has its numbers in its text alone: there they are those of the run, below ``runs`` or coming with the
    program, that has the step's recipe and shows the same accuracies; else the digits of the text, without losses.

    Args:
        arguments: the step's, checked.
    """
    recorded = arguments.get("recorded") or step.results.get("histories")
    return dict(recorded) if recorded else _rows_of_format_1(arguments["configs"], step.text, runs)


def run_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """As CSV: a row for each epoch of each run."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(COLUMNS)
    for title, epochs in rows.items():
        table.writerows((title, *row) for row in epochs)
    return written.getvalue()


def _curves(arguments: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]) -> Figure:
    """The figure of the step's own cell."""
    histories = {title: recorded_history(found) for title, found in rows.items()}
    shown = arguments["shown"]
    if arguments["recorded"] is None or shown == "epochs":
        return accuracy_figure(histories)
    return runs_figure(
        arguments["configs"], histories, ("accuracy", "loss") if shown == "curves" else (shown,)
    )


def _rows_of_format_1(
    configs: Mapping[str, TrainConfig], text: str, runs: str | Path
) -> dict[str, list[Row]]:
    shown = _epochs(text)
    # Opening all runs takes a moment: only if there is anything to look for.
    known = list(_known(runs)) if shown else []
    rows: dict[str, list[Row]] = {}
    for title, epochs in shown.items():
        config = configs.get(title)
        full = next((full for made, full in known if made == config and _as_shown(full) == epochs), None)
        rows[title] = full or [
            (epoch, round(float(train) / 100, 6), round(float(test) / 100, 6), None, None)
            for epoch, train, test in epochs
        ]
    return rows


def _known(runs: str | Path) -> Iterable[tuple[TrainConfig, list[Row]]]:
    """(recipe, results) of each run on this computer."""
    for folder in trained_runs(runs).values():
        # A run that can't be read is passed over: the table is then made of the text.
        with suppress(ExplorerError, OSError):
            yield (
                replace(read_run(folder).config, data_dir=None),
                [_row(result) for result in history(folder)],
            )


def _row(result: EpochResult) -> Row:
    return result.epoch, result.train_accuracy, result.test_accuracy, result.train_loss, result.test_loss


def _epochs(text: str) -> dict[str, list[tuple[int, str, str]]]:
    """Run → (epoch, training and test accuracy in percent), as the text has them."""
    in_words: dict[str, list[tuple[int, str, str]]] = {}
    title = ""
    for line in text.splitlines():
        if found := _EPOCH.fullmatch(line):
            in_words.setdefault(title, []).append((int(found[1]), found[2], found[3]))
        else:
            title = line
    return in_words


def _as_shown(rows: Sequence[Row]) -> list[tuple[Any, str, str]]:
    return [(epoch, f"{train:.1%}".rstrip("%"), f"{test:.1%}".rstrip("%")) for epoch, train, test, *_ in rows]
