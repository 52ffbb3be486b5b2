"""Weights from a file that somebody else made: read as data, never as code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from explorer.errors import ExplorerError

# Where training scripts put the weights inside a larger dictionary, and what wrappers prepend to names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.")


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Name → tensor from a ``.safetensors`` file or a ``.pth``/``.pt`` state dict, on the CPU.

    Raises:
        ExplorerError: no such file, damaged, a pickle that holds more than tensors, or NaN weights.
    """
    name = f"the checkpoint {path.name!r}"
    if not path.is_file():
        raise ExplorerError(name, f"is not a file in {path.parent}", "check its name and folder")
    if path.suffix == ".safetensors":
        loaded = _read_safetensors(path, name)
    elif path.suffix in (".pth", ".pt", ".bin", ".ckpt"):
        loaded = _read_pickle(path, name)
    else:
        raise ExplorerError(
            name, f"ends in {path.suffix or 'nothing'}", "give a .safetensors file or a .pth state dict"
        )
    state = _unwrapped(loaded, name)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ExplorerError(
                f"{name}: tensor {key!r}",
                f"has {bad} of {tensor.numel()} values NaN or infinite",
                "the training diverged; take a checkpoint from before that",
            )
    return state


def load_into(
    module: nn.Module, state: Mapping[str, torch.Tensor], *, source: str, architecture: str
) -> None:
    """Copy ``state`` into ``module``; all names and shapes must match.

    Raises:
        ExplorerError: names the first tensors that are missing, unknown or of another shape.
    """
    own = module.state_dict()
    # Older checkpoints lack BatchNorm's step counters, which a forward pass never reads.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
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
            source,
            f"is not a checkpoint of {architecture}: it " + " and ".join(parts),
            "choose the architecture that it was saved from",
        )
    module.load_state_dict(dict(state), strict=False)


def _read_safetensors(path: Path, name: str) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise _damaged(name, error) from error


def _read_pickle(path: Path, name: str) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch raises the same for code and for bytes that are no pickle at all.
        if "Unsupported operand" in str(error) and _first_byte(path) != pickle.PROTO:
            raise _damaged(name, error) from error
        raise ExplorerError(
            name,
            "holds more than tensors: opening it could run code, so it was not opened",
            "save only the weights: torch.save(model.state_dict(), path), or use safetensors",
        ) from error
    except Exception as error:
        raise _damaged(name, error) from error


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)


def _damaged(name: str, error: Exception) -> ExplorerError:
    """What to say of any error from a reader of checkpoints, which raise nearly every kind on damaged files."""
    # Of an unpickler's errors the text helps nobody; torch's even advises to open the file as code.
    told = isinstance(error, OSError | RuntimeError | SafetensorError) and str(error)
    reason = told.splitlines()[0] if told else "its content is not what a checkpoint has"
    return ExplorerError(name, f"can't be read ({reason})", "it may be cut short: save or copy it anew")


def _unwrapped(loaded: object, name: str) -> dict[str, torch.Tensor]:
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded:
        raise ExplorerError(
            name, f"holds a {type(loaded).__name__}, not named tensors", "save model.state_dict() instead"
        )
    state = {str(k): v for k, v in loaded.items() if isinstance(v, torch.Tensor)}
    if len(state) < len(loaded):
        other = next(k for k, v in loaded.items() if not isinstance(v, torch.Tensor))
        raise ExplorerError(
            f"{name}: entry {str(other)!r}", "is not a tensor", "save model.state_dict() instead"
        )
    for prefix in _PREFIXES:
        if all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state
