"""What a file of weights says besides them: how pictures were made ready, what the classes are called."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from safetensors import SafetensorError, safe_open
from torchvision.transforms import InterpolationMode

from explorer.networks.preprocessing import Preprocess

LABELS, PREPROCESS = "labels", "preprocess"
"""In the header of a safetensors file that this program wrote; without the second it is as for ImageNet."""

_MOST_PX = 2048
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Facts:
    """``preprocess`` and ``labels``, each ``None`` where nothing is said, and where it is said."""

    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    source: str = ""


def facts_of(path: Path) -> Facts:
    """From the file's own header, else from a ``config.json`` beside it, as timm and transformers write it."""
    header = _header(path)
    if PREPROCESS in header or LABELS in header:
        return Facts(_preprocess(_parsed(header.get(PREPROCESS, ""))), None, "its header")
    config = path.parent / "config.json"
    if not config.is_file() or config.stat().st_size > _MOST_BYTES:
        return Facts()
    try:
        said = _parsed(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return Facts()
    timm = said.get("pretrained_cfg")
    return Facts(_timm_preprocess(timm if isinstance(timm, Mapping) else said), _labels(said), "config.json")


def preprocess_text(preprocess: Preprocess) -> str:
    """As a header holds it."""
    return json.dumps(
        {
            "resize_px": preprocess.resize_px,
            "crop_px": preprocess.crop_px,
            "mean": preprocess.mean,
            "std": preprocess.std,
            "interpolation": preprocess.interpolation.value,
        }
    )


def _header(path: Path) -> Mapping[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (
        SafetensorError,
        OSError,
        ValueError,
    ):  # another format, or damaged: who reads the weights will say so
        return {}


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, Mapping) else {}


def _preprocess(said: Mapping[str, Any]) -> Preprocess | None:
    """None unless every number is one that a picture can be made ready with."""
    crop, resize = said.get("crop_px"), said.get("resize_px")
    mean, std = _three(said.get("mean")), _three(said.get("std"))
    if not (_is_side(crop) and _is_side(resize)) or mean is None or std is None or min(std) <= 0:
        return None
    try:
        interpolation = InterpolationMode(said.get("interpolation", "bilinear"))
    except ValueError:
        return None
    return Preprocess(resize, crop, mean, std, interpolation)


def _timm_preprocess(said: Mapping[str, Any]) -> Preprocess | None:
    size, share = said.get("input_size"), said.get("crop_pct", 1.0)
    crop = size[-1] if isinstance(size, Sequence) and size else None
    if not _is_side(crop) or not isinstance(share, int | float) or not 0 < share <= 1:
        return None
    return _preprocess({**said, "crop_px": crop, "resize_px": math.floor(crop / share)})


def _is_side(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_PX


def _three(values: Any) -> tuple[float, ...] | None:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
        return None
    numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    return tuple(float(value) for value in values) if numbers else None


def _labels(said: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = said.get("label_names")
    numbered = said.get("id2label")
    if not isinstance(names, Sequence) and isinstance(numbered, Mapping):
        if set(numbered) != {str(i) for i in range(len(numbered))}:
            return None
        names = [numbered[str(i)] for i in range(len(numbered))]
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None
