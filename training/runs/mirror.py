"""A copy of each run's metrics in trackio, so that ``trackio show`` has its dashboard over them.

The run's own files stay the source of truth: whatever goes wrong in trackio is noted once in the log
and never touches the training. A process that begins or resumes a run writes its copy anew from the
history, so that no epoch is missing or doubled there either.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training.config import TrainConfig
from training.results import EpochResult

PROJECT = "cnn-explorer"
Log = Callable[[EpochResult], None]


@contextmanager
def mirrored(folder: Path, config: TrainConfig, past: list[EpochResult]) -> Iterator[Log]:
    """A function to call with each new result; it does nothing where trackio is not installed.

    ``past``: results of the epochs already done.
    """
    tell = _Guard()
    tell(_begin, folder, config, past)
    try:
        yield lambda result: tell(_log, result)
    finally:
        tell(_finish)


class _Guard:
    """Calls trackio until it first fails, then never again."""

    def __init__(self) -> None:
        self.usable = find_spec("trackio") is not None

    def __call__(self, action: Callable[..., None], *arguments: Any) -> None:
        if not self.usable:
            return
        try:
            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
                action(*arguments)
        # Whatever a dashboard's database can think of, the training goes on.
        except Exception as error:
            self.usable = False
            print(f"trackio is left out from here on: {error}", file=sys.stderr)


def _begin(folder: Path, config: TrainConfig, past: list[EpochResult]) -> None:
    trackio = _trackio()
    place = str(folder.resolve())
    for run in _runs_so_far(trackio):
        if (run.config or {}).get("folder") == place:
            run.delete()
    about = {**asdict(config), "folder": place}
    options = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
    trackio.init(project=PROJECT, name=folder.name, group=config.dataset, config=about, **options)
    for result in past:
        _log(result)


def _runs_so_far(trackio: Any) -> list[Any]:
    try:
        return list(trackio.Api().runs(PROJECT))
    except ValueError:  # the project begins with its first run
        return []


def _log(result: EpochResult) -> None:
    # The epoch is the axis; as a chart of its own it would say nothing.
    numbers = {n: v for n, v in asdict(result).items() if isinstance(v, int | float) and n != "epoch"}
    _trackio().log(numbers, step=result.epoch)


def _finish() -> None:
    _trackio().finish()


def _trackio() -> Any:
    return import_module("trackio")
