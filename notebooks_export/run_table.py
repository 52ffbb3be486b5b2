"""The results of training runs as a table, with all their digits where they are at hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from explorer.errors import ExplorerError
from training import EpochResult, TrainConfig, trained_runs
from training.runs import history, read_run

COLUMNS = ("run", "epoch", "train_accuracy", "test_accuracy", "train_loss", "test_loss")
_EPOCH = re.compile(r"epoch (\d+): train ([\d.]+)%, test ([\d.]+)%")

Row = tuple[Any, ...]
"""An epoch's columns, without the run's title."""


def run_table(arguments: Mapping[str, Any], text: str, runs: str | Path) -> str:
    """What a step of training says, as CSV: a row for each epoch of each run.

    Accuracies are shares in [0, 1], losses mean cross-entropy in nats. Numbers that the step itself records come
    with all their digits; else those of the run, below ``runs`` or coming with the program, that has the step's
    recipe and shows the same accuracies. Where there is neither, the table has the digits of the text, no losses.

    Args:
        arguments: the step's, checked.
        text: what the step says.
    """
    told = io.StringIO()
    table = csv.writer(told, lineterminator="\n")
    table.writerow(COLUMNS)
    recorded = arguments.get("recorded") or {}
    shown = {title: rows for title, rows in _epochs(text).items() if title not in recorded}
    # Opening all runs takes a moment: only if there is anything to look for.
    known = list(_known(runs)) if shown else []
    for title, rows in {**recorded, **shown}.items():
        if title in shown:
            config = arguments["configs"].get(title)
            rows = next(
                (full for made, full in known if made == config and _as_shown(full) == rows), None
            ) or [
                (epoch, Decimal(train) / 100, Decimal(test) / 100, None, None) for epoch, train, test in rows
            ]
        table.writerows((title, *row) for row in rows)
    return told.getvalue()


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


def _epochs(text: str) -> dict[str, list[Row]]:
    """Run → (epoch, training and test accuracy in percent), as the text has them."""
    told: dict[str, list[Row]] = {}
    title = ""
    for line in text.splitlines():
        if found := _EPOCH.fullmatch(line):
            told.setdefault(title, []).append((int(found[1]), found[2], found[3]))
        else:
            title = line
    return told


def _as_shown(rows: Sequence[Row]) -> list[Row]:
    return [(epoch, f"{train:.1%}".rstrip("%"), f"{test:.1%}".rstrip("%")) for epoch, train, test, *_ in rows]
