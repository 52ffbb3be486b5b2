"""A run on disk: every file appears whole or not at all, and the last good epoch survives anything.

``epoch-0003.safetensors`` holds the weights after epoch 3, with the recipe, labels, normalisation and
that epoch's result in its header: it can be used alone. ``optimizer-0003.safetensors`` holds what else
the next epoch needs; only the newest is kept. An epoch counts once both exist. ``history.jsonl`` is the
results one per line, for reading while the run goes on; the headers are what it is rebuilt from.
"""

from __future__ import annotations

import errno
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn, optim

from explorer.errors import ExplorerError
from explorer.whole_file import read_bytes, remove_parts, write_whole
from training.config import TrainConfig, config_from_json
from training.results import DataFacts, EpochResult, facts_from_json, result_from_json

CONFIG, HISTORY = "config.json", "history.jsonl"


@dataclass(frozen=True)
class Checkpoint:
    """Weights after ``epoch`` epochs and what belongs to them; ``result`` is None for epoch 0."""

    epoch: int
    weights: dict[str, Tensor]
    config: TrainConfig
    data: DataFacts
    result: EpochResult | None


def weights_path(folder: Path, epoch: int) -> Path:
    """Where the weights after ``epoch`` lie; 0 is before training."""
    return folder / f"epoch-{epoch:04d}.safetensors"


def optimizer_path(folder: Path, epoch: int) -> Path:
    """Where the state lies that the optimiser goes on with after ``epoch``."""
    return folder / f"optimizer-{epoch:04d}.safetensors"


def list_epochs(folder: Path) -> list[int]:
    """Epochs whose weights are in ``folder``, ascending; 0 is before training. Files of other names are no epochs."""
    numbers = (p.stem.removeprefix("epoch-") for p in folder.glob("epoch-*.safetensors"))
    return sorted(int(number) for number in numbers if re.fullmatch(r"[0-9]{4,}", number))


def last_complete_epoch(folder: Path) -> int | None:
    """The newest epoch from which training can go on, or None."""
    complete = [e for e in list_epochs(folder) if optimizer_path(folder, e).exists()]
    return complete[-1] if complete else None


def prepare_folder(folder: Path, config: TrainConfig, last_epoch: int | None) -> None:
    """Write the recipe; for a run that goes on, make the history end with ``last_epoch``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        write_whole(folder / CONFIG, config.to_json().encode())
        if last_epoch is not None:
            _repair_history(folder, last_epoch)
    except OSError as error:
        raise _cannot_save(folder, f"the recipe and the history in {folder}", error) from error


def save_checkpoint(folder: Path, checkpoint: Checkpoint, optimizer_tensors: dict[str, Tensor]) -> None:
    """Write an epoch, then drop the optimiser file before it.

    Raises:
        ExplorerError: the disk is full or not writable; everything saved before is untouched.
    """
    header = {
        "format": "pt",
        "epoch": str(checkpoint.epoch),
        "config": checkpoint.config.to_json(),
        "data": json.dumps(asdict(checkpoint.data)),
        "result": json.dumps(asdict(checkpoint.result)) if checkpoint.result else "",
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.weights.items()}
    try:
        write_whole(weights_path(folder, checkpoint.epoch), save(weights, header))
        write_whole(optimizer_path(folder, checkpoint.epoch), save(optimizer_tensors))
    except OSError as error:
        raise _cannot_save(folder, f"epoch {checkpoint.epoch} in {folder}", error) from error
    try:
        if checkpoint.result:
            _append(folder / HISTORY, json.dumps(asdict(checkpoint.result)) + "\n")
    except OSError as error:
        raise _cannot_save(folder, f"the result of epoch {checkpoint.epoch} in {folder}", error) from error
    for path in folder.glob("optimizer-*.safetensors"):
        if path != optimizer_path(folder, checkpoint.epoch):
            # Windows keeps a file that somebody reads: it goes after the next epoch.
            with suppress(OSError):
                path.unlink()


def load_checkpoint(folder: Path, epoch: int) -> Checkpoint:
    """The weights of ``folder`` after ``epoch``; raises ExplorerError if absent or damaged.

    They are read, not mapped: Windows lets nobody remove or replace a file that lies under somebody's tensors.
    """
    path = weights_path(folder, epoch)
    if not path.exists():
        there = ", ".join(map(str, list_epochs(folder))) or "none"
        raise ExplorerError(f"epoch {epoch}", f"is not in {folder}", f"epochs there: {there}")
    try:
        header = _header(path)
        return Checkpoint(
            epoch,
            load(path.read_bytes()),
            config_from_json(header["config"]),
            facts_from_json(header["data"]),
            result_from_json(header["result"]) if header["result"] else None,
        )
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ExplorerError(
            f"{path}", f"is damaged ({error})", "choose another epoch or train again"
        ) from error


def load_optimizer(folder: Path, epoch: int) -> dict[str, Tensor]:
    """What :func:`save_checkpoint` was given; see :func:`optimizer_to_tensors`."""
    try:
        return load(optimizer_path(folder, epoch).read_bytes())
    except (SafetensorError, OSError) as error:
        path = optimizer_path(folder, epoch)
        raise ExplorerError(f"{path}", f"is damaged ({error})", "start the run anew") from error


def optimizer_to_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as flat names, ``"<parameter>.<quantity>"``, on the CPU."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value.detach().cpu().contiguous()
        for index, quantities in state.items()
        for name, value in quantities.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what :func:`optimizer_to_tensors` gave, in each parameter's own memory layout."""
    parameters = list(network.parameters())
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = parameter.detach().clone().copy_(value)
        state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def read_history(folder: Path, after: int = 0) -> list[EpochResult]:
    """Results of the epochs later than ``after``, ascending.

    A line still being written is left for the next call; a damaged one is passed over.
    """
    try:
        text = read_bytes(folder / HISTORY).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    results = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        with suppress(ValueError):
            results.append(result_from_json(line))
    return [result for result in results if result.epoch > after]


def _repair_history(folder: Path, epoch: int) -> None:
    """Make the history say exactly epochs 1 to ``epoch``, from the weights' own headers."""
    results = []
    for number in range(1, epoch + 1):
        path = weights_path(folder, number)
        try:
            results.append(_header(path)["result"])
        except (SafetensorError, KeyError, OSError) as error:
            raise ExplorerError(
                f"{path}", f"is missing or damaged ({error})", "restore it or start anew"
            ) from error
    write_whole(folder / HISTORY, "".join(f"{line}\n" for line in results).encode())


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _header(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _cannot_save(folder: Path, what: str, error: OSError) -> ExplorerError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    reason = (
        "there is no room left on the disk" if full else f"the folder cannot be written ({error.strerror})"
    )
    last = last_complete_epoch(folder)
    kept = f"epoch {last} is safely there" if last is not None else "nothing was saved before"
    remedy = f"{kept}: free some space and resume" if full else f"{kept}: make it writable and resume"
    return ExplorerError(what, f"could not be saved: {reason}", remedy)
