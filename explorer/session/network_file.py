"""A network of one's own as a session holds it: a safetensors file, the names of its classes in the header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, deserialize
from safetensors.torch import save

from explorer.errors import ExplorerError
from explorer.networks.architectures import build_from_zoo, usual_preprocess
from explorer.networks.catalogue import BUNDLED, model_info
from explorer.networks.checkpoint_facts import LABELS, PREPROCESS, preprocess_text
from explorer.networks.load import LoadedModel, load_model

MAX_NETWORKS_BYTES = 100_000_000
"""All networks of one session together."""
MAX_CLASSES = 50_000
_MAX_LABEL, _MAX_HEADER_BYTES = 200, 4 * 2**20
# Of an architecture's parameters, at most so much is the last layer, which shrinks with the number of classes.
_MOST_OF_IT = 8
_REMEDY = "load the network from its own file again, and keep the result anew"


def network_file(model: LoadedModel) -> bytes:
    """The weights, as :func:`explorer.load_model` reads them, and the class names: equal ones give equal bytes.

    Raises:
        ExplorerError: larger than a session may hold, or class names that are no short lines of text.
    """
    state = {**_training_heads(model), **model.module.state_dict()}
    size = sum(value.numel() * value.element_size() for value in state.values())
    if size > MAX_NETWORKS_BYTES:
        raise too_large(f"the network {model.name!r}, from a file of your own,", size)
    _check_labels(model.labels, f"the class names of {model.name}")
    if model.name == BUNDLED:
        # On loading, its normalisations are taken apart from the ReLU behind them; files have them in one.
        state = {name.replace(".norm.", "."): value for name, value in state.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    header = {LABELS: json.dumps(model.labels, ensure_ascii=False)}
    if is_own_preprocess(model):
        header[PREPROCESS] = preprocess_text(model.preprocess)
    if len(header[LABELS]) > _MAX_HEADER_BYTES // 2:
        raise ExplorerError(
            f"{len(model.labels):,} class names", "are too long to be kept", "give the classes shorter names"
        )
    return save(tensors, header)


def is_own_preprocess(model: LoadedModel) -> bool:
    """Whether pictures are made ready otherwise than for the architecture's ImageNet weights."""
    usual = usual_preprocess(model.name)
    scaled_in_the_network = getattr(model.module, "transform_input", True)
    return not scaled_in_the_network or preprocess_text(model.preprocess) != preprocess_text(usual)


def _training_heads(model: LoadedModel) -> dict[str, torch.Tensor]:
    """Noughts for heads that only training runs: files of these two have to have them, and loading drops them."""
    if model.name not in ("googlenet", "inception_v3"):
        return {}
    with torch.device("meta"):
        whole = build_from_zoo(model.name, num_classes=len(model.labels), init_weights=False).state_dict()
    return {name: torch.zeros(like.shape) for name, like in whole.items() if name.lower().startswith("aux")}


def is_network_file(content: bytes) -> bool:
    """Whether it begins as a safetensors file does: the length of a header in eight bytes, and the header."""
    return content[4:9] == b"\0\0\0\0{"


def read_labels(content: bytes, what: str) -> tuple[str, ...]:
    """The class names of a file that :func:`network_file` made; ``what`` is its name for messages.

    The whole file is checked: its header says of each tensor where it lies, and nothing is left over.

    Raises:
        ExplorerError: not such a file, damaged, or larger than a session may hold.
    """
    if len(content) > MAX_NETWORKS_BYTES:
        raise too_large(what, len(content))
    length = int.from_bytes(content[:8], "little")
    if not is_network_file(content) or length > _MAX_HEADER_BYTES:
        rule = f"is not a safetensors file with a header of up to {_MAX_HEADER_BYTES:,} bytes"
        raise ExplorerError(what, rule, _REMEDY)
    try:
        tensors = deserialize(content)
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        labels = json.loads(header[LABELS])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExplorerError(what, f"is not a network as sessions hold it ({reason})", _REMEDY) from error
    # A shape costs nothing where there are no values, and yet a network of that size would be built.
    if empty := [name for name, tensor in tensors if 0 in tensor["shape"]]:
        raise ExplorerError(f"tensor {empty[0]!r:.80} in {what}", "has no values", _REMEDY)
    return _check_labels(labels, f"the class names of {what}")


def open_network(architecture: str, content: bytes, what: str) -> LoadedModel:
    """The network of such a file, on the CPU.

    Raises:
        ExplorerError: as :func:`read_labels` and :func:`explorer.load_model`.
    """
    labels = read_labels(content, what)
    parameters = model_info(architecture).parameters
    if len(content) * _MOST_OF_IT < 4 * parameters:
        rule = f"is too small for {architecture}, which has {parameters:,} parameters"
        raise ExplorerError(f"{what} with {len(content):,} bytes", rule, _REMEDY)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # The name under which it lies beside a notebook, too: it is what the network says of its weights.
        path = Path(folder) / f"{sha256(content).hexdigest()[:16]}.safetensors"
        path.write_bytes(content)
        return load_model(architecture, path, labels=labels)


def too_large(what: str, size: int) -> ExplorerError:
    """What to say of a network, or several, beyond :data:`MAX_NETWORKS_BYTES`."""
    return ExplorerError(
        f"{what} with {size / 1e6:,.0f} MB",
        f"can't be kept: a session holds up to {MAX_NETWORKS_BYTES / 1e6:.0f} MB of networks in all",
        "keep results of a network from the list, of a training run, or of a smaller one",
    )


def _check_labels(labels: Sequence[Any], what: str) -> tuple[str, ...]:
    if not isinstance(labels, list | tuple) or not 1 <= len(labels) <= MAX_CLASSES:
        raise ExplorerError(what, f"are not 1 to {MAX_CLASSES:,} names", _REMEDY)
    for label in labels:
        if not isinstance(label, str) or not 1 <= len(label) <= _MAX_LABEL or not label.isprintable():
            rule = f"is not 1 to {_MAX_LABEL} printable characters"
            raise ExplorerError(f"{label!r:.80} among {what}", rule, "give the classes plain names")
    return tuple(labels)
