"""Weights from a file that somebody else made: read as data, never as code."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from explorer.errors import ExplorerError

# Where training scripts put the weights inside a larger dictionary, and what wrappers prepend to names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_WEIGHTS_ONLY = "save only the weights: torch.save(model.state_dict(), path), or use safetensors"
_ZIP_START = b"PK\x03\x04"  # what torch writes since 1.6


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
        raise _damaged(name, error, cut_short=_ends_before_its_tensors(path)) from error


def _read_pickle(path: Path, name: str) -> object:
    if _is_torchscript(path):
        raise ExplorerError(
            name, "is a TorchScript archive, which holds code, so it was not opened", _WEIGHTS_ONLY
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch raises the same for code and for bytes that are no pickle at all.
        if "Unsupported operand" in str(error) and _start(path, 1) != pickle.PROTO:
            raise _damaged(name, error) from error
        rule = "holds more than tensors: opening it could run code, so it was not opened"
        raise ExplorerError(name, rule, _WEIGHTS_ONLY) from error
    except Exception as error:
        # A zip lists its content at its end; an unpickler, or torch after it, tells of an early one.
        cut_short = _start(path, 4) == _ZIP_START and not _has_zip_end(path)
        cut_short |= isinstance(error, EOFError) or "unexpected EOF" in str(error)
        raise _damaged(name, error, cut_short=cut_short) from error


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _has_zip_end(path: Path) -> bool:
    """Whether the list at a zip's end is there, be it damaged."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # it raises for a list that claims to be on another disk
        return True


def _is_torchscript(path: Path) -> bool:
    """Whether ``torch.jit.save`` wrote it: torch itself, too, tells that by this one entry."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(entry.endswith("/constants.pkl") for entry in archive.namelist())
    except Exception:  # no archive, or a damaged one: whoever reads it will say so
        return False


def _ends_before_its_tensors(path: Path) -> bool:
    """Whether a safetensors file is shorter than its own header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if size < 8 + header:
            # A length beyond what the format allows is no length: these eight bytes are something else.
            return size > 0 and header <= 100_000_000
        try:
            entries = json.loads(file.read(header))
            ends = [entry["data_offsets"][1] for key, entry in entries.items() if key != "__metadata__"]
            return bool(size < 8 + header + max(ends, default=0))
        except Exception:  # a damaged header promises nothing
            return False


def _damaged(name: str, error: Exception, *, cut_short: bool = False) -> ExplorerError:
    """What to say of any error from a reader of checkpoints, which raise nearly every kind on damaged files.

    Their own texts stay out: they speak of the reader's insides, and torch's advises to open the file as code.
    """
    if isinstance(error, OSError) and error.strerror:
        return ExplorerError(name, f"can't be read ({error.strerror})", "check that you may read it")
    reason = "it is cut short" if cut_short else "its content is not what a checkpoint has"
    return ExplorerError(name, f"can't be read: {reason}", "save or copy it anew")


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
