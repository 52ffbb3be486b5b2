"""One run over several processes: who am I, and which part of each batch is mine.

``torchrun`` starts the processes; every one of them prepares the same epoch plan from the same seed
and takes its slice of each batch. Without ``torchrun`` there is one process, and all of this is free.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def is_launched() -> bool:
    """Whether ``torchrun`` started this process."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def speaks() -> bool:
    """Whether this process tells its mistakes: each its own, but before they are joined all make the same."""
    return dist.is_initialized() or os.environ.get("RANK", "0") == "0"


def processes_here() -> int:
    """How many processes of this run share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def join(device_kind: str) -> torch.device:
    """Join the other processes (NCCL on GPUs, gloo on CPUs); this process's device."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if device_kind == "cuda" else torch.device(device_kind)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave() -> None:
    """Part from the other processes; nothing happens where there are none."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Which of the processes this is, from 0; the first one writes and speaks for all."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def my_slice(start: int, stop: int) -> slice:
    """This process's part of positions ``start`` to ``stop``: contiguous, sizes differing by at most 1."""
    count, world, me = stop - start, world_size(), rank()
    return slice(start + count * me // world, start + count * (me + 1) // world)


def wrap(network: nn.Module, device: torch.device) -> nn.Module:
    """``network``, its gradients averaged over all processes after each backward pass."""
    if world_size() == 1:
        return network
    return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)


def add_up(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


class FirstFailed(RuntimeError):
    """Raised in the other processes for an error in the first one, which tells it."""


def from_first(decide: Callable[[], T]) -> T:
    """What ``decide`` returns in process 0, in every process; the others don't call it.

    An error ends all of them, the others by :class:`FirstFailed`: they would wait for an answer for ever.
    """
    if world_size() == 1:
        return decide()
    box: list[Any] = [None, None]
    failed: Exception | None = None
    if rank() == 0:
        try:
            box[0] = decide()
        except Exception as error:
            failed, box[1] = error, str(error)
    dist.broadcast_object_list(box, src=0)
    if failed is not None:
        raise failed
    if box[1] is not None:
        raise FirstFailed(box[1])
    return cast(T, box[0])
