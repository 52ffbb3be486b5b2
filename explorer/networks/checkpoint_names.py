"""Which tensors of a checkpoint are a network's own: found by their names, whatever was wrapped around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from explorer.errors import ExplorerError, suggest

Shapes = Mapping[str, tuple[int, ...]]
"""A network's own names of weights, and their shapes."""

_DEEPEST = 4
_COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "_extra_state")
"""Beside the weights of any module: steps of BatchNorm, what thop counts, what is no tensor of torch's own."""
_AVERAGED = ("ema", "swa", "averaged", "teacher", "shadow", "momentum")


@dataclass(frozen=True)
class Found:
    """A network's weights in a checkpoint.

    Attributes:
        key: under which they lie in the file, as ``state_dict`` or ``model.ema``; "" if at the top.
        prefix: what stands before all names, as ``module.``.
        tensors: by the network's own names; those that belong to its modules, but it doesn't know, by theirs.
        missing: the network's own names that aren't there.
        ignored: names in the file of what isn't part of the network.
        renamed: the module whose weights lie one step deeper in the file, or "".
    """

    key: str
    prefix: str
    tensors: Mapping[str, torch.Tensor]
    missing: tuple[str, ...]
    ignored: tuple[str, ...]
    renamed: str = ""

    @property
    def place(self) -> str:
        """Key and prefix in a few words."""
        return " ".join(part for part in (self.key, f"({self.prefix}*)" if self.prefix else "") if part)


def collections_of_tensors(loaded: Mapping[Any, Any], name: str) -> dict[str, dict[str, torch.Tensor]]:
    """Every dictionary in a checkpoint that holds tensors, by the keys that lead to it.

    Raises:
        ExplorerError: there is none, or two of its keys are the same as text.
    """
    found = dict(_walk(loaded, (), name))
    if not found:
        raise ExplorerError(name, "holds no named tensors", "save model.state_dict() instead")
    return found


def _walk(
    loaded: Mapping[Any, Any], path: tuple[str, ...], name: str
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    tensors = {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    named = {str(key): value for key, value in tensors.items()}
    if len(named) < len(tensors):
        twice = next(key for key, count in Counter(map(str, tensors)).items() if count > 1)
        raise ExplorerError(
            f"{name}: {twice!r}", "is the name of two tensors", "save model.state_dict() instead"
        )
    if named:
        yield ".".join(path), named
    if len(path) < _DEEPEST:
        for key, value in loaded.items():
            if isinstance(value, Mapping):
                yield from _walk(value, (*path, str(key)), name)


def find_weights(
    collections: Mapping[str, Mapping[str, torch.Tensor]],
    own: Shapes,
    *,
    optional: Collection[str] = (),
    key: str | None = None,
    prefix: str | None = None,
) -> list[Found]:
    """All complete sets of a network's weights, the one to take first; else the one that comes nearest.

    Averaged weights come behind those that training went on with, else the order is the file's.

    Args:
        own: names and shapes of the network.
        optional: beginnings of names of parts that the network runs without.
        key: only of what lies under it; None: wherever.
        prefix: only of names with it; None: any.
    """
    if key is not None and key not in collections:
        raise ExplorerError(f"key {key!r}", "leads to no tensors", suggest(key, [*collections], "the file"))
    chosen = collections if key is None else {key: collections[key]}
    options = [
        _found(path, before, tensors, own)
        for path, tensors in chosen.items()
        for before in ([prefix] if prefix is not None else _prefixes(tensors, own))
    ]
    complete = [found for found in options if not _required(found.missing, optional)]
    if not complete:
        return sorted(options, key=lambda found: len(found.missing))[:1]
    return sorted(complete, key=lambda found: _is_averaged(f"{found.key}.{found.prefix}"))


def is_complete(found: Found, own: Shapes, optional: Collection[str]) -> bool:
    """Whether nothing of the network is missing, and nothing there that it doesn't know."""
    return not _required(found.missing, optional) and all(name in own for name in found.tensors)


def _required(missing: Collection[str], optional: Collection[str]) -> list[str]:
    return [name for name in missing if not name.startswith(tuple(optional)) and not name.endswith(_COUNTERS)]


def _is_averaged(place: str) -> bool:
    return any(word in part for part in re.split(r"[._]", place.lower()) for word in _AVERAGED)


def _prefixes(tensors: Mapping[str, torch.Tensor], own: Shapes) -> list[str]:
    """What stands before the network's own names, those first that stand before most of them."""
    votes: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".")
        # The longest own name first: a network may have `fc.weight` and `head.fc.weight`.
        for start in range(len(parts)):
            if ".".join(parts[start:]) in own:
                votes[".".join(parts[:start])] += 1
                break
    return [f"{prefix}." if prefix else "" for prefix, _ in votes.most_common(8)] or [""]


def _found(key: str, prefix: str, tensors: Mapping[str, torch.Tensor], own: Shapes) -> Found:
    there = {own_name: prefix + own_name for own_name in own if prefix + own_name in tensors}
    renamed = ""
    for own_name in own:
        if own_name not in there and (other := _elsewhere(own_name, prefix, tensors, own)) is not None:
            there[own_name], renamed = other, renamed or _deeper(own_name, other)
    used, modules = set(there.values()), {name.partition(".")[0] for name in own}
    kept = {own_name: tensors[name] for own_name, name in there.items()}
    ignored = []
    for name, tensor in tensors.items():
        inside = name.removeprefix(prefix)
        belongs = name.startswith(prefix) and inside.partition(".")[0] in modules
        if name in used:
            continue
        if belongs and not name.endswith(_COUNTERS):
            kept[inside] = tensor
        else:
            ignored.append(name)
    missing = tuple(name for name in own if name not in there)
    return Found(key, prefix, kept, missing, tuple(ignored), renamed)


def _elsewhere(own_name: str, prefix: str, tensors: Mapping[str, torch.Tensor], own: Shapes) -> str | None:
    """A weight of the last layer by another name: behind a prefix of its own, or a step deeper in a ``Sequential``."""
    shape = own[own_name]
    module, _, weight = own_name.rpartition(".")
    if not module or (len(own) > 2 and own_name not in list(own)[-2:]):
        return None
    deeper = re.compile(rf"{re.escape(prefix + module)}\.(\d+)\.{re.escape(weight)}")
    behind = [
        name
        for name, tensor in tensors.items()
        if (deeper.fullmatch(name) or name.endswith(f".{own_name}")) and tensor.dim() == len(shape)
    ]
    fits = len(behind) == 1 and tuple(tensors[behind[0]].shape[1:]) == shape[1:]
    return behind[0] if fits else None


def _deeper(own_name: str, name: str) -> str:
    module = own_name.rpartition(".")[0]
    return module if not name.endswith(own_name) else ""
