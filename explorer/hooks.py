"""The only place that touches a module's modes and hooks: context managers that always clean up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def start_gradients_at(module: nn.Module, name: str) -> Iterator[dict[str, torch.Tensor]]:
    """Make one call of a submodule the point to which gradients flow back, while the body runs the module.

    ``name`` is as in :func:`capture`: the second call of ``relu`` is ``relu_1``. Yields a mapping that holds
    its output after the run. Only calls by this thread are touched.
    """
    seen: dict[str, torch.Tensor] = {}
    modules = dict(module.named_modules())
    base, _, number = name.rpartition("_")
    path, call = (name, 0) if name in modules else (base, int(number))
    calls = 0
    owner = threading.get_ident()

    def replace(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor | None:
        nonlocal calls
        if threading.get_ident() != owner:
            return None
        calls += 1
        if calls - 1 != call:
            return None
        # A copy goes on, since the code after this module may still write into it.
        seen[name] = as_leaf(output)
        return seen[name].clone()

    handle = modules[path].register_forward_hook(replace)
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def capture(module: nn.Module, names: set[str] | None = None) -> Iterator[dict[str, torch.Tensor]]:
    """Collect the outputs of submodules while the body runs the module.

    Yields a mapping from name to a copy of the output, in execution order, filled as the modules return.
    A module's second call gets the suffix ``_1``, its third ``_2``. ``names``: collect only these.
    Only calls by this thread are seen: others may run the same module meanwhile. For modules that
    can't be traced; the others are captured without any hook.
    """
    seen: dict[str, torch.Tensor] = {}
    calls: dict[str, int] = {}
    owner = threading.get_ident()

    def remember(name: str, output: object) -> None:
        if threading.get_ident() != owner or not isinstance(output, torch.Tensor):
            return
        count = calls.get(name, 0)
        calls[name] = count + 1
        key = f"{name}_{count}" if count else name
        if names is None or key in names:
            # A copy, since the code after this module may still write into its output.
            seen[key] = output.clone()

    handles = [
        m.register_forward_hook(lambda _m, _inputs, output, name=name: remember(name, output))
        for name, m in module.named_modules()
        if name
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
