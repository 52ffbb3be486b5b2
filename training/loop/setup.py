"""What stands before the first step: device, network, optimiser, data on the device, or a run picked up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.batchnorm import _BatchNorm

from explorer.errors import ExplorerError, Suggestion
from training import distributed
from training.config import TrainConfig
from training.data import batches
from training.data.batches import Normalization, Split
from training.data.load import Dataset
from training.fast.recording import RecordedStep, is_recordable
from training.loop import checkpoint
from training.loop.checkpoint import Checkpoint
from training.networks.build import build_network
from training.results import DataFacts, EpochResult


@dataclass(frozen=True)
class Trainee:
    """What the epochs of one run share.

    ``parallel`` is ``network``, wrapped to average gradients where there are several processes.
    ``recorded`` makes plain steps faster, where the network and the device allow it.
    ``epochs_done`` counts those that an earlier process finished.
    """

    config: TrainConfig
    network: nn.Module
    parallel: nn.Module
    optimizer: optim.Optimizer
    train: Split
    test: Split
    normalize: Normalization
    facts: DataFacts
    recorded: RecordedStep | None = None
    epochs_done: int = 0

    @property
    def device(self) -> torch.device:
        """Where the images and the network are."""
        return self.train.images.device

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last one perhaps smaller."""
        return -(-len(self.train) // self.config.batch_size)


def prepare(config: TrainConfig, data: Dataset, folder: Path | None, resume: bool) -> Trainee:
    """Everything ready for the next epoch; with ``folder``, its files too. Errors: see ``train``."""
    check_sizes(config, data)
    device = choose_device(config.device)
    mean, std = batches.normalization_for(config, data)
    with seeded(batches.seed_for(config.seed, 0, batches.WEIGHTS), device):
        network = build_network(config.network, len(data.labels), config.image_size)
    _check_batch_norm(network, config, len(data.train_classes))
    # Channels last in memory is how the images lie on disk, and what convolutions like best.
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    train_split, test_split = batches.to_device(data, device)
    optimizer = _make_optimizer(config, network, device)
    trainee = Trainee(
        config,
        network,
        network,
        optimizer,
        train_split,
        test_split,
        batches.make_normalization(mean, std, device),
        DataFacts(data.labels, mean, std, len(train_split), len(test_split), data.fingerprint),
        _recorded(config, network, optimizer, device),
    )
    done = _open_folder(trainee, folder, resume) if folder else 0
    return replace(trainee, parallel=distributed.wrap(network, device), epochs_done=done)


def save_epoch(trainee: Trainee, folder: Path, result: EpochResult | None) -> None:
    """Write the checkpoint after ``result``'s epoch; None is before the first."""
    epoch = result.epoch if result else 0
    saved = Checkpoint(epoch, dict(trainee.network.state_dict()), trainee.config, trainee.facts, result)
    checkpoint.save_checkpoint(folder, saved, checkpoint.optimizer_to_tensors(trainee.optimizer))


def choose_device(name: str) -> torch.device:
    """The device for ``name``; ``auto`` takes CUDA, then MPS, then the CPU."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, usable in found.items() if usable)
    if not found[name]:
        there = ", ".join(kind for kind, usable in found.items() if usable)
        remedy = f"choose auto or one of: {there}"
        raise ExplorerError(f"device {name!r}", "is not on this machine", remedy, parameter="device")
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's global generators begin at ``seed`` inside, and go on undisturbed afterwards."""
    with torch.random.fork_rng([device.index] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def check_sizes(config: TrainConfig, data: Dataset) -> None:
    """Raises ExplorerError for batches larger than the data, or images of another size than the network's."""
    size = data.train_images.shape[1]
    count = min(len(data.train_classes), config.max_train_images or len(data.train_classes))
    if config.batch_size > count:
        raise ExplorerError(
            f"batch_size {config.batch_size}",
            f"is larger than the {count} training images",
            f"choose at most {count}",
            parameter="batch_size",
        )
    if size != config.image_size:
        remedy = Suggestion(f"set image_size={size}", on_page=f"open the images at {size} pixels")
        what = f"image_size {config.image_size}"
        raise ExplorerError(what, f"is not the data's {size}", remedy, parameter="image_size")


def _check_batch_norm(network: nn.Module, config: TrainConfig, count: int) -> None:
    smallest = count % config.batch_size or config.batch_size
    if smallest < 2 * distributed.world_size() and any(isinstance(m, _BatchNorm) for m in network.modules()):
        raise ExplorerError(
            f"batch_size {config.batch_size}",
            f"leaves {smallest} of {count} images for the last batch, too few for batch normalisation",
            "choose a slightly larger or smaller one",
            parameter="batch_size",
        )


def _make_optimizer(config: TrainConfig, network: nn.Module, device: torch.device) -> optim.Optimizer:
    rate, decay, fused = config.learning_rate, config.weight_decay, device.type in ("cpu", "cuda")
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        return optim.SGD(network.parameters(), rate, config.momentum, 0, decay, nesterov, fused=fused)
    kind = optim.AdamW if config.optimizer == "adamw" else optim.Adam
    return kind(network.parameters(), rate, weight_decay=decay, fused=fused)


def _recorded(
    config: TrainConfig, network: nn.Module, optimizer: optim.Optimizer, device: torch.device
) -> RecordedStep | None:
    plain = device.type == "cpu" and config.precision == "float32" and config.mixup == 0
    if not plain or distributed.world_size() > 1 or not is_recordable(network):
        return None
    return RecordedStep(network, optimizer, config.label_smoothing)


def _open_folder(trainee: Trainee, folder: Path, resume: bool) -> int:
    """Epochs already in ``folder``, the last one's weights put into ``trainee``; a fresh folder gets epoch 0."""
    last = distributed.from_first(lambda: checkpoint.last_complete_epoch(folder))
    if last is not None and not resume:
        raise ExplorerError(
            f"the folder {folder}", "already holds a run", "resume it or choose another folder"
        )
    if last is not None:
        saved, tensors = distributed.from_first(lambda: _read(folder, last))
        _check_unchanged(trainee, saved)
        trainee.network.load_state_dict(saved.weights)
        checkpoint.restore_optimizer(trainee.optimizer, trainee.network, tensors)
    distributed.from_first(lambda: _begin(trainee, folder, last))
    return last or 0


def _begin(trainee: Trainee, folder: Path, last: int | None) -> None:
    checkpoint.prepare_folder(folder, trainee.config, last)
    if last is None:
        save_epoch(trainee, folder, None)


def _read(folder: Path, epoch: int) -> tuple[Checkpoint, dict[str, Tensor]]:
    return checkpoint.load_checkpoint(folder, epoch), checkpoint.load_optimizer(folder, epoch)


# More epochs continue a run; where the data lies and what computes doesn't change what is computed.
_MAY_CHANGE = ("epochs", "data_dir", "device")


def _check_unchanged(trainee: Trainee, saved: Checkpoint) -> None:
    now, then = trainee.config, saved.config
    names = [f.name for f in fields(now) if f.name not in _MAY_CHANGE]
    changed = [n for n in names if getattr(now, n) != getattr(then, n)]
    if changed:
        what = ", ".join(f"{n} (was {getattr(then, n)!r}, is {getattr(now, n)!r})" for n in changed)
        raise ExplorerError(what, "changed since the run began", "start a new run with it")
    if trainee.facts != saved.data:
        raise ExplorerError(
            f"the data set {now.dataset!r}",
            "changed since the run began",
            "restore the images or start a new run",
        )
