"""A data set as the page shows it: examples of each class, how many there are, what was measured."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import TrainConfig
from training.data.augmentation import CROP_PADDING_PX, JITTER
from training.data.examples import augmentation_pairs, gallery
from training.data.load import class_counts
from training.data.opened import Opened
from training.words import dataset_title

Pixels = NDArray[np.uint8]
_MANY_CLASSES = 20


def image_tag(pixels: Pixels, alt: str, *, small: bool = False) -> str:
    """An image (H, W, 3 or 4) inside the page itself: PNG, exact, or JPEG where ``small`` matters more."""
    encoded = io.BytesIO()
    kind = "jpeg" if small else "png"
    Image.fromarray(pixels[..., :3] if small else pixels).save(encoded, kind, quality=88)
    content = base64.b64encode(encoded.getvalue()).decode()
    return f'<img src="data:image/{kind};base64,{content}" alt="{escape(alt)}">'


def mosaic(images: Sequence[Pixels] | Pixels, columns: int = 0, scale: int = 1) -> Pixels:
    """Equally large images (n, S, S, 3) in rows of ``columns`` (0: all in one), enlarged by ``scale``: RGBA, the gaps
    transparent."""
    columns = columns or len(images)
    rows, size = -(-len(images) // columns), images[0].shape[0] * scale
    gap = max(2, size // 16)
    sheet = np.zeros((rows * (size + gap) - gap, columns * (size + gap) - gap, 4), np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (size + gap), index % columns * (size + gap)
        sheet[top : top + size, left : left + size, :3] = image.repeat(scale, 0).repeat(scale, 1)
        sheet[top : top + size, left : left + size, 3] = 255
    return sheet


def class_table(opened: Opened, seed: int = 0) -> str:
    """Ten examples of each class with its label, and how many there are."""
    counts = class_counts(opened.data)
    most = max(train for train, _ in counts.values())
    small = len(counts) > _MANY_CLASSES
    rows = []
    for label, images in gallery(opened.data, seed=seed).items():
        train, test = counts[label]
        # Without any where fewer training images are asked for than there are classes.
        picture = (
            image_tag(
                mosaic(images, scale=1 if small else 2), f"{len(images)} examples of {label}", small=small
            )
            if len(images)
            else ""
        )
        rows.append(
            f'<tr><th scope="row">{escape(label)}</th><td class="tr-examples">{picture}</td>'
            f'<td class="tr-balance">{bar(train / most)}</td>'
            f'<td class="number">{train:,}</td><td class="number">{test:,}</td></tr>'
        )
    head = (
        '<th>class</th><th>ten of its training images</th><th class="tr-balance">balance</th>'
        '<th class="number">training</th><th class="number">test</th>'
    )
    return (
        f'<div class="tr-table"><table class="facts tr-data"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def bar(share: float) -> str:
    """A share in [0, 1] as a bar."""
    return f'<span class="tr-track"><span style="width:{100 * share:.1f}%"></span></span>'


def data_words(opened: Opened) -> str:
    """The data set in numbers: sizes, balance, mean and standard deviation."""
    data = opened.data
    train = [count for count, _ in class_counts(data).values()]
    size = data.train_images.shape[1]
    balance = (
        "each class equally often"
        if min(train) == max(train)
        else f"the rarest class {min(train):,} times, the most frequent {max(train):,} times"
    )
    broken = f" {len(data.broken)} files could not be decoded and are left out." if data.broken else ""
    return (
        f"{dataset_title(opened.choice.config())}: {len(data.train_classes):,} training and "
        f"{len(data.test_classes):,} test images of {size}×{size} px in {len(data.labels)} classes, {balance}. "
        f"Measured on the training pixels in [0, 1]: mean {_triple(opened.mean)}, standard deviation "
        f"{_triple(opened.std)} (red, green, blue).{broken}"
    )


def pairs_figure(opened: Opened, config: TrainConfig, seed: int = 0, count: int = 6) -> str:
    """Training images, and below each the same image as training would see it once."""
    if not config.augmentation:
        return f'<p class="note">{escape(augmentation_words(config))}</p>'
    pairs = augmentation_pairs(opened.data, config, count, seed)
    before = image_tag(mosaic([pair[0] for pair in pairs], scale=2), f"{count} training images as they are")
    after = image_tag(mosaic([pair[1] for pair in pairs], scale=2), "the same images, augmented")
    rows = f'<tr><th scope="row">original</th><td>{before}</td></tr>'
    rows += f'<tr><th scope="row">augmented</th><td>{after}</td></tr>'
    return f'<table class="tr-pairs">{rows}</table><p class="note">{escape(augmentation_words(config))}</p>'


def augmentation_words(config: TrainConfig) -> str:
    """What may happen to a training image, with its numbers."""
    kinds = {
        "flip": "mirrored every second time",
        "crop": f"moved by up to {CROP_PADDING_PX} px (black comes in from outside)",
        "color_jitter": f"brightness, contrast and saturation up to {JITTER:.0%} up or down",
        "cutout": "a square of half its side blotted out",
    }
    sentence = "; ".join(words for name, words in kinds.items() if name in config.augmentation)
    if not sentence:
        return "Without augmentation every epoch shows the same images."
    return f"Each time anew: {sentence}. Test images stay as they are."


def _triple(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)
