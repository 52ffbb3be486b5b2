"""Runs as folders: start one as a process of its own, watch it, stop it, resume it, line several up.

Everything is read from and asked through files in the run's folder, so any number of pages, terminals
and machines can watch the same run, and closing them stops nothing::

    config.json  environment.json     what is trained, and on what
    epoch-*.safetensors  history.jsonl  see training.loop.checkpoint
    status.json  progress.json        what it is doing now
    stop                              its presence asks the run to stop
    log.txt                           what the process printed
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from explorer.errors import ExplorerError
from explorer.whole_file import read_bytes, remove_file, write_whole
from training.config import TrainConfig, config_from_json
from training.loop.checkpoint import CONFIG, read_history
from training.results import EpochResult, Progress
from training.runs.slots import count_cores, default_slots, is_owned

DEFAULT_ROOT = Path("runs")
WAITING, RUNNING = "waiting", "running"
FINISHED, STOPPED, FAILED, INTERRUPTED = "finished", "stopped", "failed", "interrupted"
STATUS, PROGRESS, STOP, LOG = "status.json", "progress.json", "stop", "log.txt"
STARTING_S = 60.0
"""A process that was started so long ago and still doesn't hold its folder never will."""
_STATUS_BYTES = 2048
_BEFORE_TRAINING = frozenset((CONFIG, "environment.json", STATUS, PROGRESS, STOP, LOG, ".lock"))
"""All that a folder holds until the network is made and saved."""


@dataclass(frozen=True)
class Run:
    """A run as it is now.

    ``status`` is one of waiting, running, finished, stopped, failed, interrupted (its process is gone
    without a word: killed, or the machine went down). ``message`` says why. ``epochs_done`` of
    ``config.epochs`` are complete; ``progress`` is within the current one, None unless running.
    """

    folder: Path
    config: TrainConfig
    status: str
    message: str
    epochs_done: int
    queued_at: float
    progress: Progress | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def is_alive(self) -> bool:
        """Whether it trains or waits for its turn."""
        return self.status in (WAITING, RUNNING)


def list_runs(root: str | Path = DEFAULT_ROOT) -> list[Run]:
    """Every run below ``root``, newest first. Folders that are no runs are passed over."""
    runs = []
    for path in Path(root).glob(f"*/{CONFIG}"):
        with suppress(ExplorerError, OSError):
            runs.append(read_run(path.parent))
    return sorted(runs, key=lambda run: (run.queued_at, run.name), reverse=True)


def read_run(folder: str | Path) -> Run:
    """The state of one run; raises ExplorerError if there is none in ``folder``."""
    folder = Path(folder)
    try:
        config = config_from_json(read_bytes(folder / CONFIG).decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ExplorerError(
            f"the folder {folder}", "holds no run", "list_runs() gives those there are"
        ) from error
    status_file = _read_json(folder / STATUS)
    status, message = str(status_file.get("status", INTERRUPTED)), str(status_file.get("message", ""))
    queued_at = _seconds(status_file, "queued_at", (folder / CONFIG).stat().st_mtime)
    if status in (WAITING, RUNNING) and not is_owned(folder):
        starting = status == WAITING and time.time() - _seconds(status_file, "started_at", 0.0) < STARTING_S
        if not starting:
            status, message = (
                INTERRUPTED,
                "its process ended without a word; resume goes on after the last epoch",
            )
    history = read_history(folder)
    progress = _read_progress(folder) if status == RUNNING else None
    return Run(folder, config, status, message, history[-1].epoch if history else 0, queued_at, progress)


def history(folder: str | Path, after: int = 0) -> list[EpochResult]:
    """Results of a run's epochs later than ``after``: call again with the last one seen."""
    return read_history(Path(folder), after)


def create(
    config: TrainConfig, root: str | Path = DEFAULT_ROOT, name: str | None = None, *, side_by_side: int = 1
) -> Path:
    """A new folder for a run of ``config``, waiting to be trained.

    ``side_by_side`` processes share the cores. The number of threads that follows is written down
    with the recipe, because it decides the last digits of every sum: a resumed run keeps it.
    A run of this ``name`` that failed before anything was trained makes room for it.

    Raises:
        ExplorerError: the name is taken, or not plain.
    """
    root = Path(root)
    if config.threads is None:
        config = replace(config, threads=max(1, count_cores() // side_by_side))
    if name is not None and not re.fullmatch(r"[\w][\w .,+=-]{0,99}", name):
        raise ExplorerError(
            f"run name {name!r}", "is not 1 to 100 letters, digits or ' .,+=-_'", "choose a plain name"
        )
    wanted = name or f"{_slug(config.network)}-{config.dataset}-{time.strftime('%Y%m%d-%H%M%S')}"
    root.mkdir(parents=True, exist_ok=True)
    if name is not None and _came_to_nothing(root / name):
        _remove(root / name)
    for number in range(1, 1000):
        folder = root / (wanted if number == 1 else f"{wanted}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            if name is not None:
                raise ExplorerError(
                    f"run {name!r}", "exists already", "resume it or choose another name"
                ) from None
            continue
        write_whole(folder / CONFIG, config.to_json().encode())
        write_status(folder, WAITING, queued_at=time.time())
        return folder
    raise ExplorerError(f"run {wanted!r}", "exists a thousand times", "choose another name")


def _came_to_nothing(folder: Path) -> bool:
    """Whether a run failed there before its first weights, so that its folder holds nothing that was made."""
    try:
        run = read_run(folder)
        held = {path.name for path in folder.iterdir()}
    except (ExplorerError, OSError):
        return False
    return run.status == FAILED and not is_owned(folder) and held <= _BEFORE_TRAINING


def start(
    config: TrainConfig, root: str | Path = DEFAULT_ROOT, *, name: str | None = None, slots: int | None = None
) -> Path:
    """Train ``config`` in a process of its own, as soon as one of ``slots`` is free; the run's folder."""
    folder = create(config, root, name, side_by_side=slots or default_slots())
    _spawn(folder, slots)
    return folder


def stop(folder: str | Path) -> None:
    """Ask a run to stop. It does so after the batches in hand; its unfinished epoch begins anew on resume."""
    (Path(folder) / STOP).touch()


def take_back_stop(folder: Path) -> None:
    """Nobody asks the run to stop any more."""
    remove_file(folder / STOP)


def stop_wished_at(folder: Path) -> float:
    """When somebody asked the run to stop, in seconds since 1970; infinity if nobody did."""
    try:
        return (folder / STOP).stat().st_mtime
    except OSError:
        return math.inf


def started_at(folder: Path) -> float | None:
    """When :func:`start` or :func:`resume` set off the process that the run waits for; None without one."""
    status_file = _read_json(folder / STATUS)
    return _seconds(status_file, "started_at", None) if status_file.get("status") == WAITING else None


def resume(folder: str | Path, *, epochs: int | None = None, slots: int | None = None) -> None:
    """Go on with a run after its last complete epoch, up to ``epochs`` (default: as it was configured).

    Raises:
        ExplorerError: it still runs, or has nothing left to do.
    """
    run = read_run(folder)
    if run.is_alive:
        raise ExplorerError(f"run {run.name!r}", f"is {run.status} already", "stop it first")
    config = replace(run.config, epochs=epochs) if epochs is not None else run.config
    if config.epochs <= run.epochs_done:
        more = f"resume it with epochs over {run.epochs_done}"
        raise ExplorerError(f"run {run.name!r}", f"has all its {run.epochs_done} epochs", more)
    write_whole(run.folder / CONFIG, config.to_json().encode())
    write_status(run.folder, WAITING, queued_at=time.time())
    _spawn(run.folder, slots)


def delete(folder: str | Path) -> None:
    """Remove a run and its checkpoints.

    Raises:
        ExplorerError: it is alive; or a file of it can't be removed, and then the run is still there to be removed
            later, without what went.
    """
    run = read_run(folder)
    if run.is_alive:
        raise ExplorerError(f"run {run.name!r}", f"is {run.status}", "stop it first")
    try:
        _remove(run.folder)
    except OSError as error:
        what = f"{Path(error.filename or run.folder).name} of run {run.name!r}"
        remedy = "close what uses it and delete the run again"
        raise ExplorerError(what, f"can't be removed ({error.strerror})", remedy) from error


def _remove(folder: Path) -> None:
    """Remove a run's folder, the recipe last: while it is there, the folder is a run, and can be removed again.

    Raises:
        OSError: a file is open elsewhere, on Windows, or may not be removed.
    """
    for path in sorted(folder.iterdir(), key=lambda path: path.name == CONFIG):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            remove_file(path)
    folder.rmdir()


def read_log(folder: str | Path, last_bytes: int = 4000) -> str:
    """The end of what the run's process printed."""
    try:
        content = (Path(folder) / LOG).read_bytes()
    except OSError:
        return ""
    return content[-last_bytes:].decode("utf-8", "replace")


def write_status(folder: Path, status: str, message: str = "", **more: float) -> None:
    """Replace status.json. On a full disk it is overwritten in place, in the space it already has."""
    status_file = {**_read_json(folder / STATUS), "status": status, "message": message[:1500], **more}
    content = json.dumps(status_file).encode().ljust(_STATUS_BYTES)
    try:
        write_whole(folder / STATUS, content)
    except OSError:
        with (folder / STATUS).open("r+b") as file:
            file.write(content)


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace progress.json; without room on the disk the old one stays, for it is only for watching."""
    with suppress(OSError):
        write_whole(folder / PROGRESS, json.dumps(asdict(progress)).encode(), durable=False)


def is_next_in_line(folder: Path) -> bool:
    """Whether no living run below the same root has waited longer."""
    mine = (_seconds(_read_json(folder / STATUS), "queued_at", 0.0), folder.name)
    for other in folder.parent.glob(f"*/{STATUS}"):
        status_file = _read_json(other)
        ahead = (_seconds(status_file, "queued_at", 0.0), other.parent.name) < mine
        if ahead and status_file.get("status") == WAITING and is_owned(other.parent):
            return False
    return True


def _spawn(folder: Path, slots: int | None) -> None:
    take_back_stop(folder)
    remove_file(folder / PROGRESS)
    write_status(folder, WAITING, started_at=time.time())
    home = str(Path(__file__).resolve().parents[2])
    # In the app, threads that wait for work sleep, so that its users don't rob each other of the cores. A run's
    # are at work all the time, hundreds of times a second, and would be slower by half: theirs wait awake, and
    # the system lets the app's go first (see worker.be_polite).
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH")) if p)
    # -P: a folder "training" of the reader's own, where the program was started, is not what is meant.
    command = [sys.executable, "-P", "-m", "training", "--folder", str(folder.resolve())]
    command += ["--slots", str(slots or default_slots()), "--background"]
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**inherited, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl+C in the app's terminal is not meant for it
        )
    # Only to collect its exit status, so that no zombie stays behind.
    threading.Thread(target=process.wait, daemon=True, name=f"reap {folder.name}").start()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


Default = TypeVar("Default", float, None)


def _seconds(status_file: dict[str, Any], name: str, default: Default) -> float | Default:
    """A time in status.json, or ``default`` where there is none that can be read."""
    value = status_file.get(name)
    return float(value) if isinstance(value, int | float) else default


def _read_progress(folder: Path) -> Progress | None:
    values = _read_json(folder / PROGRESS)
    try:
        return Progress(**values)
    except TypeError:
        return None


def _slug(network: str) -> str:
    return network if re.fullmatch(r"\w{1,30}", network) else "layers"
