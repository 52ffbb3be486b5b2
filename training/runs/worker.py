"""What the process of a run does: hold the folder, wait for its turn, train, and say what it is doing."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from importlib.metadata import version
from pathlib import Path

import torch

from explorer.whole_file import write_whole
from training import distributed
from training.config import TrainConfig
from training.data.load import Dataset, load_dataset
from training.loop.checkpoint import read_history
from training.loop.train import train
from training.results import EpochResult, Progress
from training.runs import folders as runs
from training.runs.mirror import mirrored
from training.runs.slots import own_folder, take_slot

REPORT_S = 0.4
_IMPORTED = time.time()
OnEpoch = Callable[[EpochResult], None]
OnNote = Callable[[str], None]


class Stopped(Exception):
    """Somebody asked this run to stop."""


def work(
    folder: Path, *, slots: int | None = None, on_epoch: OnEpoch, on_note: OnNote = lambda words: None
) -> None:
    """Train the run in ``folder`` to its end, whatever part of it is done already.

    ``slots``: take part in the queue of the folder's root, that many runs at a time; None trains at once.
    ``on_note`` hears how far a download or the preparation of the images is.

    Raises:
        ExplorerError: as ``train``; Stopped: by request. Either way status.json says so.
    """
    with ExitStack() as held:
        # The others may be machines that don't see this folder.
        config = distributed.from_first(lambda: _take(folder, held))
        try:
            if slots is not None:
                held.enter_context(
                    take_slot(
                        folder.parent, slots, lambda: runs.is_next_in_line(folder), lambda: _heed_stop(folder)
                    )
                )
            _tell(folder, runs.RUNNING)
            _train(folder, config, on_epoch, on_note)
        except (Stopped, KeyboardInterrupt):
            _tell(folder, runs.STOPPED, "on request; resume goes on after the last complete epoch")
            if distributed.rank() == 0:
                runs.take_back_stop(folder)  # it is answered
            raise
        except BaseException as error:
            _tell(folder, runs.FAILED, str(error) or type(error).__name__)
            raise
        _tell(folder, runs.FINISHED)


def _take(folder: Path, held: ExitStack) -> TrainConfig:
    """Hold the folder as long as ``held`` is open; the recipe in it."""
    held.enter_context(own_folder(folder))
    _drop_old_stop(folder)
    return runs.read_run(folder).config


def _train(folder: Path, config: TrainConfig, on_epoch: OnEpoch, on_note: OnNote) -> None:
    first = distributed.rank() == 0
    if first:
        write_whole(folder / "environment.json", json.dumps(describe_environment(config), indent=2).encode())
    data = _load(folder, config, on_note) if first else load_dataset(config)
    epochs = train(config, folder, resume=True, data=data, on_progress=_reporter(folder) if first else None)
    with mirrored(folder, config, read_history(folder)) if first else nullcontext() as log:
        for result in epochs:
            if log:
                log(result)
            on_epoch(result)


def _load(folder: Path, config: TrainConfig, on_note: OnNote) -> Dataset:
    """The data, with every tenth of the way there noted: CIFAR's slow host can take an hour."""
    heard = ("", -1)

    def note(what: str, done: int, total: int) -> None:
        nonlocal heard
        _heed_stop(folder)
        tenth = 10 * done // max(1, total)
        if (what, tenth) != heard:
            heard = (what, tenth)
            words = f"{what}: {10 * tenth} %"
            _tell(folder, runs.RUNNING, words)
            on_note(words)

    data = load_dataset(
        config,
        on_download=lambda p: note(f"downloading {p.total_bytes / 1e6:,.0f} MB", p.done_bytes, p.total_bytes),
        on_unpack=lambda: note("checking and unpacking the archive", 0, 1),
        on_decode=lambda done, total: note(f"preparing {total:,} images", done, total),
    )
    # On a computer's first training some seconds go into compiling.
    _tell(folder, runs.RUNNING, "preparing the first step")
    return data


def describe_environment(config: TrainConfig) -> dict[str, object]:
    """Versions and machine: what else, beside the recipe, decides the last digits."""
    packages = ("torch", "torchvision", "numba", "numpy", "pillow", "safetensors")
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else platform.processor() or platform.machine()
    )
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "platform": platform.platform(),
        "device": device,
        "threads": config.threads or torch.get_num_threads(),
        "processes": distributed.world_size(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def be_polite() -> None:
    """Let the page's clicks go first: training takes what they leave."""
    if hasattr(os, "nice"):
        os.nice(10)


def _reporter(folder: Path) -> Callable[[Progress], None]:
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_S:
            if not last:
                _tell(folder, runs.RUNNING)  # nothing is prepared any more
            last = now
            _heed_stop(folder)
            runs.write_progress(folder, progress)

    return report


def _heed_stop(folder: Path) -> None:
    if (folder / runs.STOP).exists():
        raise Stopped


def _drop_old_stop(folder: Path) -> None:
    """Forget a wish that was meant for an earlier process; one from while this process starts is meant for it."""
    if runs.stop_wished_at(folder) < min(_process_start(), runs.started_at(folder) or math.inf):
        runs.take_back_stop(folder)


def _process_start() -> float:
    """When this process began, in seconds since 1970; where the system doesn't tell, when this module was loaded."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # proc(5): starttime
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return _IMPORTED


def _tell(folder: Path, status: str, message: str = "") -> None:
    if distributed.rank() == 0:
        runs.write_status(folder, status, message)
