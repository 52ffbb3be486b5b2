"""From an image to the tensor a network was trained on, with the way back recorded.

Mean, standard deviation and sizes come from the weights themselves and are typed nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from explorer.errors import ExplorerError
from explorer.images.geometry import Placement

Framing = Literal["crop", "stretch"]
"""``crop``: as in the network's own evaluation, the short side is resized and the centre cut out.
``stretch``: the whole image, squeezed to the input's square; nothing is lost but the proportions."""


@dataclass(frozen=True)
class Preprocess:
    """Image ``(H, W, 3) uint8`` → batch ``(1, 3, h, w) float32``, normalised; and where its pixels came from."""

    resize_px: int
    crop_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: InterpolationMode = InterpolationMode.BILINEAR
    framing: Framing = "crop"
    device: torch.device | str = "cpu"

    @classmethod
    def from_torchvision(cls, transforms: Any) -> Preprocess:
        """Read the numbers from torchvision's ``ImageClassification`` preset (``weights.transforms()``)."""
        return cls(
            resize_px=transforms.resize_size[0],
            crop_px=transforms.crop_size[0],
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
            interpolation=transforms.interpolation,
        )

    def __call__(self, image: np.ndarray, framing: Framing | None = None) -> torch.Tensor:
        """The network's input for ``image``: ``(1, 3, crop_px, crop_px) float32`` on the model's device."""
        pil = Image.fromarray(_checked_image(image))
        if self._checked(framing) == "stretch":
            pil = F.resize(pil, [self.crop_px, self.crop_px], self.interpolation)
        else:
            pil = F.center_crop(F.resize(pil, [self.resize_px], self.interpolation), [self.crop_px])
        batch = F.normalize(F.to_tensor(pil), list(self.mean), list(self.std))[None]
        return batch.to(self.device, memory_format=torch.channels_last)

    def placement(self, height: int, width: int, framing: Framing | None = None) -> Placement:
        """Where the pixels of the network's input lie on an image of ``height`` × ``width`` px."""
        crop = self.crop_px
        if self._checked(framing) == "stretch":
            resized, cut = (crop, crop), (0, 0)
        else:
            resized = _resized(height, width, self.resize_px)
            # torchvision's center_crop rounds half to even, as Python does.
            cut = (round((resized[0] - crop) / 2.0), round((resized[1] - crop) / 2.0))
        scale = (height / resized[0], width / resized[1])
        offset = ((cut[0] + 0.5) * scale[0] - 0.5, (cut[1] + 0.5) * scale[1] - 0.5)
        return Placement(
            scale=scale,
            offset=offset,
            seen=(
                max(0, round(cut[0] * scale[0])),
                max(0, round(cut[1] * scale[1])),
                min(height, round((cut[0] + crop) * scale[0])),
                min(width, round((cut[1] + crop) * scale[1])),
            ),
        )

    def _checked(self, framing: Framing | None) -> Framing:
        framing = framing or self.framing
        if framing not in get_args(Framing):
            raise ExplorerError(f"framing {framing!r}", "is unknown", "choose 'crop' or 'stretch'")
        return framing


def _checked_image(image: np.ndarray) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        rule = "is not RGB uint8 (H, W, 3)"
        raise ExplorerError(f"an image of {given}", rule, "pass it through explorer.read_image first")
    return image


def _resized(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The size that torchvision's ``resize`` gives: the short side exact, the long one truncated."""
    if width <= height:
        return int(short_side * height / width), short_side
    return short_side, int(short_side * width / height)
