"""How many runs train at once: a queue without a server.

Each run is a process of its own. Before it trains it takes one of ``slots`` file locks; the kernel
gives a lock back when its process ends, however it ends, so a crashed run never blocks the queue.
Runs that wait take their turn by the time at which they were queued.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from explorer.errors import ExplorerError

POLL_S = 0.25
LOCK_WAIT_S = 5.0
"""Somebody who merely asks whether a run is alive holds its lock for an instant."""


def count_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def default_slots() -> int:
    """Two runs side by side where there are two cores: a baseline and its variant."""
    return min(2, count_cores())


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process alone; raises ExplorerError if another run writes there."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=LOCK_WAIT_S)
    except Timeout as error:
        raise ExplorerError(
            f"the folder {folder}",
            "is being written by another run",
            "stop that one first, or choose another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_owned(folder: Path) -> bool:
    """Whether a living process holds ``folder``."""
    if not (folder / ".lock").exists():
        return False
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def take_slot(
    root: Path, slots: int, is_my_turn: Callable[[], bool], check: Callable[[], None]
) -> Iterator[None]:
    """Wait until it is our turn and one of ``slots`` is free, then hold it.

    ``check`` is called at each look and may raise to end the waiting.
    """
    places = [FileLock(root / f".slot-{number}.lock") for number in range(slots)]
    held = None
    while held is None:
        check()
        held = _first_free(places) if is_my_turn() else None
        if held is None:
            time.sleep(POLL_S)
    try:
        yield
    finally:
        held.release()


def _first_free(places: list[FileLock]) -> FileLock | None:
    for place in places:
        try:
            place.acquire(timeout=0)
        except Timeout:
            continue
        return place
    return None
