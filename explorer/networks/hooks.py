"""The only place that touches a module's modes and hooks: context managers that always clean up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn


class _EvalMode:
    """How many threads need a module in eval mode now, and the flags to give back after the last."""

    def __init__(self) -> None:
        self.users = 0
        self.was_training: list[nn.Module] = []


_EVAL_MODES: WeakKeyDictionary[nn.Module, _EvalMode] = WeakKeyDictionary()
_EVAL_LOCK = threading.Lock()
# torch numbers hooks by a plain counter, on which two threads may meet.
_HOOK_LOCK = threading.Lock()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside, every submodule's own mode back afterwards.

    A forward pass in train mode would change BatchNorm's statistics for good. Modules are shared by many
    threads: the first one in switches the mode, the last one out restores it.
    """
    with _EVAL_LOCK:
        mode = _EVAL_MODES.setdefault(module, _EvalMode())
        if mode.users == 0:
            mode.was_training = [m for m in module.modules() if m.training]
            for m in mode.was_training:
                m.training = False
        mode.users += 1
    try:
        yield
    finally:
        with _EVAL_LOCK:
            mode.users -= 1
            if mode.users == 0:
                for m in mode.was_training:
                    m.training = True
                mode.was_training = []


def switch_off_inplace(module: nn.Module) -> None:
    """Make every submodule write its result beside its input, so that what was captured stays true.

    An in-place ReLU after ``bn1`` would otherwise turn the captured output of ``bn1`` into that of the ReLU.
    """
    for m in module.modules():
        if getattr(m, "inplace", False) is True:
            m.inplace = False  # type: ignore[assignment]


def as_leaf(output: torch.Tensor) -> torch.Tensor:
    """The same values as the start of a new graph: a gradient flows back to here and no further."""
    return output.detach().requires_grad_()


def call_name(path: str, call: int, paths: Collection[str]) -> str:
    """The name of a module's call number ``call``, counted from 0: ``relu``, ``relu_1``, ``relu_2``, …

    ``paths``: of all modules; what is a module's own name is never given to another's call.
    """
    name, number = path, 0
    for _ in range(call):
        number += 1
        while (name := f"{path}_{number}") in paths:
            number += 1
    return name


@contextmanager
def start_gradients_at(module: nn.Module, name: str) -> Iterator[dict[str, torch.Tensor]]:
    """Make one call of a submodule the point to which gradients flow back, while the body runs the module.

    ``name`` is as in :func:`capture`: the second call of ``relu`` is ``relu_1``. Yields a mapping that holds
    its output after the run. Only calls by this thread are touched.
    """
    seen: dict[str, torch.Tensor] = {}

    def replace(called: str, output: torch.Tensor) -> torch.Tensor | None:
        if called != name:
            return None
        seen[name] = as_leaf(output)
        # A copy goes on, since the code after this module may still write into it.
        return seen[name].clone()

    with _told_of_calls(module, replace):
        yield seen


@contextmanager
def capture(
    module: nn.Module, names: set[str] | None = None, most_calls: int | None = None
) -> Iterator[dict[str, torch.Tensor]]:
    """Collect the outputs of submodules while the body runs the module.

    Yields a mapping from name to a copy of the output, in execution order, filled as the modules return.
    A module's second call gets the suffix ``_1``, its third ``_2``. ``names``: collect only these.
    Only calls by this thread are seen: others may run the same module meanwhile. For modules that
    can't be traced; the others are captured without any hook.

    Raises:
        RuntimeError: inside the body, at the call of a submodule that is one more than ``most_calls``.
    """
    seen: dict[str, torch.Tensor] = {}
    calls = count(1)

    def remember(called: str, output: torch.Tensor) -> None:
        if most_calls is not None and next(calls) > most_calls:
            raise RuntimeError(f"more than {most_calls} calls of modules")
        if names is None or called in names:
            # A copy, since the code after this module may still write into its output.
            seen[called] = output.clone()

    with _told_of_calls(module, remember):
        yield seen


@contextmanager
def capture_on_the_way(module: nn.Module, names: set[str]) -> Iterator[dict[str, torch.Tensor]]:
    """As :func:`capture`, but what is captured is what goes on: the network's output is a function of it."""
    seen: dict[str, torch.Tensor] = {}

    def pass_on(called: str, output: torch.Tensor) -> torch.Tensor | None:
        if called not in names:
            return None
        seen[called] = output.clone()
        return seen[called]

    with _told_of_calls(module, pass_on):
        yield seen


def _with_first(output: Any, first: torch.Tensor) -> Any:
    """The same tuple, named tuple or list with another first entry."""
    if hasattr(output, "_replace"):
        return output._replace(**{output._fields[0]: first})
    return type(output)([first, *output[1:]])


@contextmanager
def _told_of_calls(
    module: nn.Module, listed: Callable[[str, torch.Tensor], torch.Tensor | None]
) -> Iterator[None]:
    """Have ``listed(name, output)`` called after each call of a submodule by this thread; a tensor it returns goes on.

    Of a module that returns several things, the first of which is a tensor, that is its output.
    """
    submodules = {path: m for path, m in module.named_modules() if path}
    calls: Counter[str] = Counter()
    owner = threading.get_ident()

    def after(path: str, output: object) -> object:
        if threading.get_ident() != owner:
            return None
        calls[path] += 1
        name = call_name(path, calls[path] - 1, submodules)
        if isinstance(output, torch.Tensor):
            return listed(name, output)
        if isinstance(output, tuple | list) and output and isinstance(output[0], torch.Tensor):
            first = listed(name, output[0])
            return None if first is None else _with_first(output, first)
        return None

    with _HOOK_LOCK:
        handles = [
            m.register_forward_hook(lambda _m, _inputs, output, path=path: after(path, output))
            for path, m in submodules.items()
        ]
    try:
        yield
    finally:
        with _HOOK_LOCK:
            for handle in handles:
                handle.remove()
