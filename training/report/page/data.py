"""A data set as the page shows it: examples of each class, how many there are, what was measured."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from markupsafe import Markup
from PIL import Image as PictureFile

from training.config import TrainConfig
from training.data.augmentation import CROP_PADDING_PX, JITTER
from training.data.examples import augmentation_pairs, gallery
from training.data.load import class_counts
from training.data.opened import Opened
from training.report.sheet import Image, strip
from training.words import dataset_title

_MANY_CLASSES = 20
_IMAGE = Markup('<img src="data:image/{kind};base64,{content}" alt="{alt}">')
_CLASS_TABLE = Markup(
    '<div class="tr-table"><table class="facts tr-data"><thead><tr><th>class</th><th>ten of its training images</th>'
    '<th class="tr-balance">balance</th><th class="number">training</th><th class="number">test</th></tr></thead>'
    "<tbody>{}</tbody></table></div>"
)
_CLASS_ROW = Markup(
    '<tr><th scope="row">{label}</th><td class="tr-examples">{picture}</td><td class="tr-balance">{bar}</td>'
    '<td class="number">{train:,}</td><td class="number">{test:,}</td></tr>'
)
_BAR = Markup('<span class="tr-track"><span style="width:{percent:.1f}%{fill}"></span></span>')
_NOTE = Markup('<p class="note">{}</p>')
_PAIRS = Markup('<table class="tr-pairs">{}</table>')
_PAIRS_ROW = Markup('<tr><th scope="row">{}</th><td>{}</td></tr>')


def image_tag(pixels: Image, alt: str, *, small: bool = False) -> Markup:
    """An image (H, W, 3 or 4) inside the page itself: PNG, exact, or JPEG where ``small`` matters more."""
    encoded = io.BytesIO()
    kind = "jpeg" if small else "png"
    PictureFile.fromarray(pixels[..., :3] if small else pixels).save(encoded, kind, quality=88)
    content = base64.b64encode(encoded.getvalue()).decode()
    return _IMAGE.format(kind=kind, content=content, alt=alt)


def class_table(opened: Opened, seed: int = 0) -> Markup:
    """Ten examples of each class with its label, and how many there are."""
    counts = class_counts(opened.data)
    most = max(train for train, _ in counts.values())
    small = len(counts) > _MANY_CLASSES
    rows = []
    for label, images in gallery(opened.data, seed=seed).items():
        train, test = counts[label]
        # Without any where fewer training images are asked for than there are classes.
        picture = _examples(images, label, small) if len(images) else ""
        share = bar(train / most)
        rows.append(_CLASS_ROW.format(label=label, picture=picture, bar=share, train=train, test=test))
    return _CLASS_TABLE.format(Markup("").join(rows))


def _examples(images: Image, label: str, small: bool) -> Markup:
    pixels = strip(images, scale=1 if small else 2, fill=None)
    return image_tag(pixels, f"{len(images)} examples of {label}", small=small)


def bar(share: float, colour: str = "") -> Markup:
    """A share in [0, 1] as a bar, in the page's own colour or in the one of a run."""
    return _BAR.format(percent=100 * share, fill=f";background:{colour}" if colour else "")


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


def pairs_figure(opened: Opened, config: TrainConfig, seed: int = 0, count: int = 6) -> Markup:
    """Training images, and below each the same image as training would see it once."""
    words = _NOTE.format(augmentation_words(config))
    if not config.augmentation:
        return words
    before, after = zip(*augmentation_pairs(opened.data, config, count, seed), strict=True)
    rows = [
        _PAIRS_ROW.format(name, image_tag(strip(images, scale=2, fill=None), alt))
        for name, images, alt in (
            ("original", before, f"{count} training images as they are"),
            ("augmented", after, "the same images, augmented"),
        )
    ]
    return _PAIRS.format(Markup("").join(rows)) + words


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
