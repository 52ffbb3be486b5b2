"""A run's network, at any of its epochs, for the explorer to look into."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel, from_module
from explorer.networks.preprocessing import Preprocess
from training.loop.checkpoint import Checkpoint, list_epochs, load_checkpoint
from training.networks.build import build_network
from training.runs.folders import DEFAULT_ROOT, list_runs

SHIPPED = Path(__file__).parents[1] / "pretrained"


def shipped_runs() -> list[Path]:
    """Folders of the trained networks that come with the program."""
    return sorted(path.parent for path in SHIPPED.glob("*/config.json"))


def trained_runs(root: str | Path = DEFAULT_ROOT) -> dict[str, Path]:
    """Name → folder of every run that can be looked into: those below ``root``, newest first, then the shipped.

    A run counts from its first checkpoint on, the untrained network; :func:`epochs_of` lists what there is.
    """
    own = {run.name: run.folder for run in list_runs(root) if list_epochs(run.folder)}
    return own | {folder.name: folder for folder in shipped_runs() if folder.name not in own}


def epochs_of(folder: str | Path) -> list[int]:
    """The epochs of a run that :func:`load_trained` can load, ascending; 0 is before training."""
    return list_epochs(Path(folder))


def load_trained(
    folder: str | Path, epoch: int | None = None, device: torch.device | str = "cpu"
) -> LoadedModel:
    """The network of a run after ``epoch`` (default: its last), with its own labels and preprocessing.

    Raises:
        ExplorerError: no such epoch, or a damaged file.
    """
    folder = Path(folder)
    epochs = list_epochs(folder)
    if not epochs:
        raise ExplorerError(f"the folder {folder}", "holds no checkpoint", "train it for an epoch first")
    saved = load_checkpoint(folder, epochs[-1] if epoch is None else epoch)
    size, data = saved.config.image_size, saved.data
    preprocess = Preprocess(resize_px=size, crop_px=size, mean=data.mean, std=data.std)
    weights = f"{folder.name}, epoch {saved.epoch}"
    return from_module(
        rebuild(saved), preprocess, data.labels, name=saved.config.network, weights=weights, device=device
    )


def rebuild(saved: Checkpoint) -> nn.Module:
    """The network that a checkpoint's weights belong to, with them in it."""
    with torch.random.fork_rng(devices=[]):
        network = build_network(saved.config.network, len(saved.data.labels), saved.config.image_size)
    try:
        network.load_state_dict(saved.weights)
    except RuntimeError as error:
        raise ExplorerError(
            f"the weights of epoch {saved.epoch}",
            f"do not fit {saved.config.network!r}",
            "restore config and weights",
        ) from error
    return network
