"""The architectures of the catalogue, without weights: built, measured, made ready to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models as zoo
from torchvision.transforms import InterpolationMode

from explorer.networks.catalogue import BUNDLED, torchvision_weights
from explorer.networks.preprocessing import Preprocess

TRAINING_HEADS = ("aux1.", "aux2.", "AuxLogits.")
"""Parts of GoogLeNet and Inception that only training runs; many files come without."""

SCALE_THEIR_INPUT = ("googlenet", "inception_v3")


@lru_cache(maxsize=128)
def architecture_shapes(name: str) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of its weights, for 1000 classes."""
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build(name).state_dict().items()}


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


def build(name: str, num_classes: int = 1000, input_px: int | None = None) -> nn.Module:
    """An architecture with random weights; ``input_px``: of a vision transformer, for pictures of another side."""
    if name == BUNDLED:
        return _build_bundled(num_classes)
    options: dict[str, Any] = {"num_classes": num_classes}
    if name in SCALE_THEIR_INPUT:
        # Their auxiliary heads serve training only, but the files hold them; inputs are scaled as in training.
        options |= {"init_weights": False, "aux_logits": True, "transform_input": True}
    if name.startswith("vit_"):
        # It has a position for each patch of the size that its weights were trained for.
        options["image_size"] = input_px or torchvision_weights(name).transforms().crop_size[0]
    return build_from_zoo(name, **options)


def drop_training_heads(module: nn.Module) -> nn.Module:
    """GoogLeNet and Inception hold heads that only training runs: no layer, and no parameter of what is looked at."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if getattr(module, name, None) is not None:
            setattr(module, name, None)
    if hasattr(module, "aux_logits"):
        module.aux_logits = False  # type: ignore[assignment]
    return module


def _build_bundled(num_classes: int) -> nn.Module:
    import timm

    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=num_classes)


def usual_preprocess(name: str, input_px: int | None = None) -> Preprocess:
    """How pictures are made ready for its ImageNet weights; ``input_px``: for another side, with the same margin."""
    if name == BUNDLED:
        usual = _bundled_preprocess()
    else:
        usual = Preprocess.from_torchvision(torchvision_weights(name).transforms())
    if input_px is None or input_px == usual.crop_px:
        return usual
    return replace(usual, resize_px=round(usual.resize_px * input_px / usual.crop_px), crop_px=input_px)


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


def unpack_timm(module: nn.Module) -> nn.Module:
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
