"""What a file of weights holds: told by its content, never by its name, and read as data, never as code.

Before anything is loaded, an archive's own list is held against the size of the file; afterwards each tensor against
what is stored for it. A refused file costs no more memory than a few times its size.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.errors import ExplorerError

MOST_TENSORS = 100_000
MOST_UNPACKED = 4
"""Times its own size that an archive may claim to hold: torch's archives are not compressed."""

_WEIGHTS_ONLY = "save only the weights: torch.save(model.state_dict(), path), or use safetensors"
_ZIP_START = b"PK\x03\x04"  # what torch writes since 1.6


def read_file(path: Path) -> Mapping[Any, Any]:
    """What is stored, on the CPU: tensors and plain values in dictionaries; several files by their index.

    Raises:
        ExplorerError: no such file, damaged, another format, or more than data in it.
    """
    name = f"the checkpoint {path.name!r}"
    if not path.is_file():
        raise ExplorerError(name, f"is not a file in {path.parent}", "check its name and folder")
    try:
        loaded = _read(path, name)
    except OSError as error:
        raise _damaged(name, error) from error
    if not isinstance(loaded, Mapping) or not loaded:
        kind = type(loaded).__name__
        raise ExplorerError(name, f"holds a {kind}, not named tensors", "save model.state_dict() instead")
    return loaded


def _read(path: Path, name: str) -> object:
    start = _start(path, 16)
    if start.startswith(_ZIP_START):
        _check_archive(path, name)
        return _read_pickle(path, name)
    if start.lstrip()[:1] == b"{":
        return _read_shards(path, name)
    if _is_safetensors(start, path):
        return _read_safetensors(path, name)
    if (known := _other_format(start, path)) is not None:
        raise ExplorerError(name, *known)
    return _read_pickle(path, name)


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _is_safetensors(start: bytes, path: Path) -> bool:
    """Eight bytes of length, then a header in JSON; of an empty or cut file its name decides what to say."""
    length = int.from_bytes(start[:8], "little")
    return (start[8:9] == b"{" and length <= 100_000_000) or path.suffix.lower() == ".safetensors"


def _other_format(start: bytes, path: Path) -> tuple[str, str] | None:
    """Rule and remedy for formats of others."""
    if start.startswith(b"\x89HDF"):
        return "is a file of HDF5 (Keras, TensorFlow)", "convert its weights to a PyTorch state dict"
    if start.startswith(b"GGUF"):
        return "is a GGUF file, of a language model", "choose a convolutional network's state dict"
    if path.suffix.lower() == ".onnx" or (start[:1] == b"\x08" and b"pytorch" in start):
        remedy = "give the state dict of the PyTorch network that it was exported from"
        return "is an ONNX graph, whose weights don't carry PyTorch's names", remedy
    if start[:1] not in (b"\x80", b"") and path.suffix.lower() in (".h5", ".msgpack", ".tflite", ".pb"):
        return f"ends in {path.suffix}", "give a .safetensors file or a .pth state dict"
    return None


def _check_archive(path: Path, name: str) -> None:
    """Refuse archives that hold something else than a state dict, or claim more than is in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception:  # damaged: whoever reads it will say so
        return
    names = [entry.filename for entry in entries]
    if any(entry.endswith("/constants.pkl") for entry in names):  # torch itself, too, tells it by this one
        raise ExplorerError(
            name, "is a TorchScript archive, which holds code, so it was not opened", _WEIGHTS_ONLY
        )
    if any("models/" in entry or entry.endswith("serialized_exported_program.json") for entry in names):
        raise ExplorerError(
            name, "is a program of torch.export (.pt2), not weights", "save its state_dict() instead"
        )
    if names and all(entry.endswith(".npy") for entry in names):
        remedy = "turn its arrays into tensors under the network's names and save them with torch.save"
        raise ExplorerError(name, "is a NumPy archive (.npz)", remedy)
    claimed = sum(entry.file_size for entry in entries)
    if claimed > MOST_UNPACKED * path.stat().st_size or len(entries) > 2 * MOST_TENSORS:
        rule = f"claims to hold {claimed / 1e6:,.0f} MB in {len(entries):,} entries, more than fits into its size"
        raise ExplorerError(name, rule, "save it anew, uncompressed, with torch.save")


def _read_safetensors(path: Path, name: str) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise _damaged(name, error, cut_short=_ends_before_its_tensors(path)) from error


def _read_shards(path: Path, name: str) -> object:
    """The files that an index (``*.index.json``) names, which lie beside it."""
    try:
        files = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    except Exception as error:
        raise ExplorerError(
            name, "is JSON, and no index of weights", "give the file with the tensors"
        ) from error
    inside: dict[str, Any] = {}
    for file in files:
        if Path(str(file)).name != file:
            raise ExplorerError(
                f"{name}: {file!r}", "is not a file beside the index", "put all shards together"
            )
        inside |= read_file(path.parent / file)
    return inside


def _plain_dict(*_factory: object) -> dict[Any, Any]:
    return {}


def _harmless() -> list[Any]:
    """What training scripts put beside the weights, as data: opening it runs no code of the file's.

    Paths become pure ones, which touch no disk, on every system; dictionaries of others become plain ones.
    """
    pure = [
        (pathlib.PurePosixPath, "pathlib.PosixPath"),
        (pathlib.PurePosixPath, "pathlib._local.PosixPath"),
        (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
        (pathlib.PureWindowsPath, "pathlib._local.WindowsPath"),
    ]
    dicts = [
        (_plain_dict, "collections.defaultdict"),
        (dict, "lightning.fabric.utilities.data.AttributeDict"),
        (dict, "lightning_fabric.utilities.data.AttributeDict"),
        (dict, "pytorch_lightning.utilities.parsing.AttributeDict"),
    ]
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    numbers = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype]
    numbers += [getattr(np.dtypes, kind) for kind in dir(np.dtypes) if kind.endswith("DType")]
    return [argparse.Namespace, list, dict, slice, *pure, *dicts, *numbers]


def _read_pickle(path: Path, name: str) -> object:
    try:
        with torch.serialization.safe_globals(_harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch raises the same for code and for bytes that are no pickle at all.
        if "Unsupported operand" in str(error) and _start(path, 1) != pickle.PROTO:
            raise _damaged(name, error) from error
        held = re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error))
        what = f" ({held[1]})" if held else ""
        rule = f"holds more than tensors{what}: opening it could run code, so it was not opened"
        raise ExplorerError(name, rule, _WEIGHTS_ONLY) from error
    except Exception as error:
        # A zip lists its content at its end; an unpickler, or torch after it, tells of an early one.
        cut_short = _start(path, 4) == _ZIP_START and not _has_zip_end(path)
        cut_short |= isinstance(error, EOFError) or "unexpected EOF" in str(error)
        raise _damaged(name, error, cut_short=cut_short) from error


def _has_zip_end(path: Path) -> bool:
    """Whether the list at a zip's end is there, be it damaged."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # it raises for a list that claims to be on another disk
        return True


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


def check_tensor(tensor: torch.Tensor, name: str) -> None:
    """Whether a network of float32 can take it over; ``name``: of file and tensor, for the message.

    Raises:
        ExplorerError: it claims more than is stored, isn't dense numbers, or has some that are none.
    """
    if (rule := _unusable(tensor)) is not None:
        raise ExplorerError(name, rule, "save the weights as dense float32 or float16 tensors")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        stored = tensor.untyped_storage().nbytes() // max(1, tensor.element_size())
        rule = f"claims {tensor.numel():,} values, and {stored:,} are stored"
        raise ExplorerError(name, rule, "save it with tensor.contiguous()")
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        raise ExplorerError(
            name,
            f"has {bad} of {tensor.numel()} values NaN or infinite",
            "the training diverged; take a checkpoint from before that",
        )


def _unusable(tensor: torch.Tensor) -> str | None:
    if tensor.is_nested:
        return "is a nested tensor"
    if tensor.layout != torch.strided:
        return f"is a sparse tensor ({str(tensor.layout).removeprefix('torch.')})"
    if tensor.is_quantized:
        return f"is quantised ({str(tensor.dtype).removeprefix('torch.')})"
    if tensor.is_meta:
        return "is on the meta device: its values were not saved"
    if tensor.is_floating_point() and tensor.element_size() == 1:
        return f"is stored as {str(tensor.dtype).removeprefix('torch.')}, with which no network computes here"
    return None
