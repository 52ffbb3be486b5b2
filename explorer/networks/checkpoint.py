"""Weights from a file that somebody else made, found in it and copied into a network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import nn

from explorer.errors import ExplorerError
from explorer.networks.checkpoint_file import check_tensor, read_file
from explorer.networks.checkpoint_names import Found, Shapes, collections_of_tensors, find_weights

# Where training scripts put the weights inside a larger dictionary, and what wrappers prepend to names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.")

MOST_CLASSES = 100_000

_ELSE = (
    "choose the architecture that it was saved from, or build the network in Python, load the file into it and open it "
    "with explorer.from_module"
)


@dataclass(frozen=True)
class OwnWeights:
    """A file's weights for one architecture.

    Attributes:
        state: by the architecture's names.
        classes: how many the file's network tells apart.
        input_px: the side of the pictures that it has positions for; None where any will do.
        found: where in the file they were.
        others: further complete sets of weights in it.
        notes: what who looks at the network has to know, a sentence each.
    """

    state: Mapping[str, torch.Tensor]
    classes: int
    input_px: int | None
    found: Found
    others: tuple[Found, ...]
    notes: tuple[str, ...]


def own_weights(
    path: Path,
    architecture: str,
    own: Shapes,
    *,
    optional: Collection[str] = (),
    key: str | None = None,
    prefix: str | None = None,
) -> OwnWeights:
    """Find an architecture's weights in a file, whatever was wrapped around them.

    Args:
        own: names and shapes of the architecture with 1000 classes.
        optional: beginnings of names of parts that the network runs without.
        key: of the dictionary in the file, where there are several; None: the first that fits.
        prefix: of the names; None: the one that fits.

    Raises:
        ExplorerError: the file can't be read, holds nothing that fits, or tensors that are none.
    """
    name = f"the file {path.name!r}"
    found, *others = find_weights(
        collections_of_tensors(read_file(path), name), own, optional=optional, key=key, prefix=prefix
    )
    for own_name, tensor in found.tensors.items():
        check_tensor(tensor, f"{name}: tensor {own_name!r}")
    heads = [
        own_name for own_name, shape in own.items() if shape[:1] == (1000,) and own_name in found.tensors
    ]
    head = found.tensors[heads[-1]] if heads else None
    classes = head.shape[0] if head is not None and head.dim() else 1000
    if not 1 <= classes <= MOST_CLASSES:
        raise ExplorerError(name, f"has {classes:,} classes", f"at most {MOST_CLASSES:,} can be shown")
    notes = _notes(path.name, architecture, found, others)
    return OwnWeights(found.tensors, classes, _input_px(found.tensors), found, tuple(others), notes)


def _notes(file: str, architecture: str, found: Found, others: list[Found]) -> tuple[str, ...]:
    notes = []
    if others:
        places = ", ".join(other.place or "the top of the file" for other in others)
        chosen = found.place or "those at its top"
        notes.append(f"{file} holds further weights of {architecture} ({places}); {chosen} was taken.")
    if found.ignored:
        more = f" and {len(found.ignored) - 3} more" if len(found.ignored) > 3 else ""
        notes.append(f"Left out, as no part of {architecture}: {', '.join(found.ignored[:3])}{more}.")
    if found.renamed:
        notes.append(
            f"What the file has in place of {found.renamed} is taken for one linear layer, with at most dropout around."
        )
    return tuple(notes)


def _input_px(state: Mapping[str, torch.Tensor]) -> int | None:
    """The side of the picture that a vision transformer's positions cover: one for its class, one for each patch."""
    positions, patches = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if positions is None or patches is None or positions.dim() != 3 or patches.dim() != 4:
        return None
    return isqrt(max(0, positions.shape[1] - 1)) * patches.shape[-1]


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Name → tensor from a file of weights that need no search: those of an architecture's own download.

    Raises:
        ExplorerError: no such file, damaged, a pickle that holds more than tensors, or NaN weights.
    """
    name = f"the checkpoint {path.name!r}"
    found = collections_of_tensors(read_file(path), name)
    key = next((key for key in _WRAPPERS if key in found), next(iter(found)))
    state = found[key]
    for tensor_name, tensor in state.items():
        check_tensor(tensor, f"{name}: tensor {tensor_name!r}")
    for prefix in _PREFIXES:
        if all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def load_into(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
    architecture: str,
    optional: Collection[str] = (),
) -> None:
    """Copy ``state`` into ``module``; all names and shapes must match, but for ``optional`` parts that may be missing.

    Raises:
        ExplorerError: names the first tensors that are missing, unknown or of another shape.
    """
    own = module.state_dict()
    # Older checkpoints lack BatchNorm's step counters, which a forward pass never reads.
    missing = [
        k
        for k in own
        if k not in state and not k.endswith("num_batches_tracked") and not k.startswith(tuple(optional))
    ]
    unknown = [k for k in state if k not in own]
    shapes = [
        f"{k} is {tuple(v.shape)}, not {tuple(own[k].shape)}"
        for k, v in state.items()
        if k in own and own[k].shape != v.shape
    ]
    if missing or unknown or shapes:
        parts = []
        if missing:
            parts.append(f"lacks {len(missing)} tensors ({', '.join(missing[:3])}, …)")
        if unknown:
            parts.append(f"has {len(unknown)} that it doesn't know ({', '.join(unknown[:3])}, …)")
        if shapes:
            parts.append(f"has {len(shapes)} of another shape ({'; '.join(shapes[:3])})")
        raise ExplorerError(
            source, f"is not a checkpoint of {architecture}: it " + " and ".join(parts), _ELSE
        )
    module.load_state_dict(dict(state), strict=False)
