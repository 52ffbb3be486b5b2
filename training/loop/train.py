"""The training loop, top to bottom. It yields; it prints, draws and decides nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from explorer.errors import ExplorerError
from training import distributed
from training.config import TrainConfig
from training.data import batches
from training.data.batches import Chunk
from training.data.load import Dataset, load_dataset
from training.loop.evaluation import evaluate
from training.loop.setup import Trainee, prepare, save_epoch, seeded
from training.results import EpochResult, Progress

OnProgress = Callable[[Progress], None]


def train(
    config: TrainConfig,
    folder: str | Path | None = None,
    *,
    resume: bool = False,
    data: Dataset | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[EpochResult]:
    """Train as ``config`` says, yielding one result per epoch.

    Args:
        folder: where checkpoints and history go; without it nothing is written.
        resume: go on after the last complete epoch in ``folder``, whose results are not yielded again;
            the weights end as they would have without the interruption. An empty folder starts anew.
        data: instead of loading what ``config.dataset`` names.
        on_progress: called every few hundred images; an exception from it ends the run there.

    Raises:
        ExplorerError: unusable data, a network that doesn't fit, a loss that is no longer a number,
            a full disk, or a folder that already holds a run.
    """
    place = Path(folder) if folder is not None else None
    trainee = prepare(config, data if data is not None else load_dataset(config), place, resume)
    if trainee.recorded and trainee.epochs_done < config.epochs:
        trainee.recorded.prepare(config.batch_size, config.image_size)  # no part of an epoch's time
    for epoch in range(trainee.epochs_done + 1, config.epochs + 1):
        with _threads(config.threads):
            result = _one_epoch(trainee, epoch, on_progress)
        if place and distributed.rank() == 0:
            save_epoch(trainee, place, result)
        yield result


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate at ``step`` (from 0) of ``steps`` in the whole run.

    ``cosine`` falls to zero along half a cosine (Loshchilov and Hutter, 2017); ``one_cycle`` rises
    linearly over the first fifth and falls linearly to zero (after Smith, 2018).
    """
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
    if config.schedule == "one_cycle":
        peak = max(1, steps // 5)
        return config.learning_rate * min((step + 1) / peak, (steps - step) / max(1, steps - peak))
    return config.learning_rate


def _one_epoch(run: Trainee, epoch: int, on_progress: OnProgress | None) -> EpochResult:
    began = time.perf_counter()
    correct, loss = _train_epoch(run, epoch, on_progress)
    trained = time.perf_counter()
    matrix, test_loss = evaluate(run.network, run.test, len(run.facts.labels), run.normalize, _autocast(run))
    if not math.isfinite(test_loss):
        raise _not_a_number(test_loss, "the test loss after", run.steps_per_epoch, epoch)
    hits, per_class = matrix.diagonal().double(), matrix.sum(1).double()
    steps = run.steps_per_epoch
    return EpochResult(
        epoch=epoch,
        train_accuracy=correct / len(run.train),
        test_accuracy=float(hits.sum() / per_class.sum()),
        train_loss=loss / len(run.train),
        test_loss=test_loss,
        seconds=time.perf_counter() - began,
        images_per_second=len(run.train) / (trained - began),
        learning_rate=learning_rate(run.config, epoch * steps - 1, run.config.epochs * steps),
        class_accuracy=tuple((hits / per_class).tolist()),
    )


def _train_epoch(run: Trainee, epoch: int, on_progress: OnProgress | None) -> tuple[float, float]:
    """Number of correct answers and summed loss over the images of an epoch."""
    began, step, seen = time.perf_counter(), 0, 0
    # MPS has no float64; counts up to 2**24 are exact in float32 too.
    precise = torch.float32 if run.device.type == "mps" else torch.float64
    tally = torch.zeros(3, dtype=precise, device=run.device)
    run.network.train()
    with seeded(_dropout_seed(run, epoch), run.device):
        for chunk in batches.train_chunks(run.train, run.config, run.normalize, epoch):
            logits = _train_chunk(run, chunk, (epoch - 1) * run.steps_per_epoch + step)
            tally += _count(chunk, logits, epoch, step).to(precise)
            step += len(chunk.parts)
            seen += sum(chunk.batch_sizes)
            if on_progress:
                pace = seen / (time.perf_counter() - began)
                on_progress(_progress(run, epoch, step, seen, pace, tally.tolist()))
    correct, loss, _ = distributed.add_up(tally).tolist()
    return correct, loss


def _train_chunk(run: Trainee, chunk: Chunk, step: int) -> Tensor:
    """One step for each batch of ``chunk``, from ``step`` of the whole run; all its logits (n, classes)."""
    steps, outputs = run.steps_per_epoch * run.config.epochs, []
    for part, batch_size in zip(chunk.parts, chunk.batch_sizes, strict=True):
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(run.config, step, steps)
        if run.recorded:
            outputs.append(run.recorded(chunk.images[part], chunk.classes[part]))
        else:
            outputs.append(_step(run, chunk, part, batch_size))
        step += 1
    return torch.cat(outputs).float()


def _step(run: Trainee, chunk: Chunk, part: slice, batch_size: int) -> Tensor:
    """One step on this process's ``part`` of a batch of ``batch_size``; its logits (n, classes)."""
    world = distributed.world_size()
    run.optimizer.zero_grad()
    with _autocast(run):
        logits: Tensor = run.parallel(chunk.images[part])
    loss = _loss(chunk, part, logits, run.config.label_smoothing)
    if world > 1:
        # DDP averages over processes; parts of unequal size must still weigh by their images.
        loss = loss * (world * (part.stop - part.start) / batch_size)
    loss.backward()
    run.optimizer.step()
    return logits.detach()


def _loss(chunk: Chunk, part: slice, logits: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy of a batch; under mixup of both classes by their shares (Zhang et al., 2018)."""
    if part.start == part.stop:  # a process without images in the last batch still joins the averaging
        return logits.sum() * 0
    if chunk.partners is None or chunk.shares is None:
        return functional.cross_entropy(logits, chunk.classes[part], label_smoothing=smoothing)
    one, other = (
        functional.cross_entropy(logits, classes[part], label_smoothing=smoothing, reduction="none")
        for classes in (chunk.classes, chunk.partners)
    )
    return torch.lerp(other, one, chunk.shares[part]).mean()


def _count(chunk: Chunk, logits: Tensor, epoch: int, step: int) -> Tensor:
    """[correct, summed loss, images] of a chunk, from the logits its steps computed. Stops on NaN.

    Looking once a chunk instead of once a step spares a GPU the wait, and still names the step.
    """
    losses = functional.cross_entropy(logits, chunk.classes, reduction="none")
    wrong = (~torch.isfinite(losses)).nonzero()
    if len(wrong):
        image = int(wrong[0])
        within = next(i for i, part in enumerate(chunk.parts) if image < part.stop)
        raise _not_a_number(float(losses[image]), "the loss at", step + within + 1, epoch)
    picked = logits.argmax(1)
    hits = (picked == chunk.classes).float()
    if chunk.partners is not None and chunk.shares is not None:
        hits = torch.lerp((picked == chunk.partners).float(), hits, chunk.shares)
    return torch.stack([hits.sum(), losses.sum(), torch.full_like(losses[0], len(losses))])


def _progress(run: Trainee, epoch: int, step: int, seen: int, pace: float, tally: list[float]) -> Progress:
    steps, epochs = run.steps_per_epoch, run.config.epochs
    correct, loss, counted = tally
    return Progress(
        epoch=epoch,
        epochs=epochs,
        step=step,
        steps=steps,
        train_accuracy=correct / counted,
        train_loss=loss / counted,
        images_per_second=pace,
        learning_rate=learning_rate(run.config, (epoch - 1) * steps + step - 1, epochs * steps),
        seconds_left=(len(run.train) * (epochs - epoch + 1) - seen) / pace,
    )


def _not_a_number(value: float, what: str, step: int, epoch: int) -> ExplorerError:
    return ExplorerError(
        f"{what} step {step} of epoch {epoch}",
        f"is {value}, so the run is stopped",
        "lower learning_rate, normalise the inputs, or use float32; the last checkpoint is from before",
    )


def _dropout_seed(run: Trainee, epoch: int) -> int:
    # Processes must differ here: the same mask on every part of a batch would not be dropout.
    return batches.seed_for(run.config.seed, epoch, batches.MODULES) + distributed.rank()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """torch computes with ``count`` threads inside, and as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _autocast(run: Trainee) -> AbstractContextManager[Any]:
    if run.config.precision == "float32":
        return nullcontext()
    return torch.autocast(run.device.type, torch.bfloat16)
