"""Worked answers to the sheet's discussions, for teachers: what can be said is said from the numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.activations.capture import capture_activations
from explorer.activations.reduction import reduce
from explorer.convolution.arithmetic import output_size
from explorer.convolution.pooling import compare_downsampling
from explorer.convolution.presets import presets
from explorer.convolution.reading import read_off
from explorer.fields.stack import conv, stack_fields
from explorer.images.overlay import place
from explorer.networks.load import LoadedModel
from explorer.networks.predictions import predict
from explorer.networks.preprocessing import Framing
from explorer.saliency.attribution import compare_classes
from explorer.saliency.method import AttributionMethod
from training import TrainConfig
from training.report.explain import compare_gaps, explain_gap

if TYPE_CHECKING:
    from notebooks_export.sheet.runs import TrainingRun


def answers(plain: TrainingRun, augmented: TrainingRun) -> dict[str, str]:
    """Number of the task → its answer, of tasks 1 to 3."""
    return {
        "1.2": _reading(),
        "1.4": _downsampling(),
        "1.5": _size(),
        "2.3": _fields(),
        "3.3": _gap(plain),
        "3.4": f"{_both(plain, augmented)} Normalisation centres the inputs, so that the first layer's gradients "
        "don't all share a sign and one learning rate suits all weights; it adds no information, and alone changes "
        "little in a network this small.",
    }


def of_a_deep_layer(model: LoadedModel, image: np.ndarray, layer: str, framing: Framing) -> str:
    """Task 4.4: where the layer responds most, how coarsely, and what the network takes the picture for."""
    activation = capture_activations(model, image, [layer], framing=framing)[layer]
    energy = reduce(activation, "energy")
    strongest = np.sort(energy.values, axis=None)[::-1]
    fifth = -(-strongest.size // 5)
    [best] = predict(model, image, 1, framing=framing)
    height, width = energy.values.shape
    over = place(energy.values, energy.placement, *image.shape[:2])
    return (
        f"The network takes the picture for {best.label} ({best.probability:.0%}). {layer} has {height}×{width} "
        f"positions, so its map is coarse; {strongest[:fifth].sum() / max(strongest.sum(), 1e-12):.0%} of its energy "
        f"lies in a fifth of them, and it responds most {_where(over)} of the picture. Where that is what a person "
        "recognises the image by, the map agrees with them; strong places elsewhere, the background say, are what "
        "the network uses and a person would not."
    )


def of_two_classes(
    model: LoadedModel,
    image: np.ndarray,
    targets: tuple[int, int],
    method: AttributionMethod,
    framing: Framing,
) -> str:
    """Task 4.5: how much two classes' maps have in common, and where each and their difference are strongest."""
    pair = compare_classes(model, image, targets, method, framing=framing)
    a, b, difference = pair.a, pair.b, pair.difference
    common = _correlation(a.map, b.map)
    listed = (
        "so both classes rest on much the same places"
        if common > 0.5
        else "so each class rests on places of its own"
        if common < 0
        else "so they share some places only"
    )
    return (
        "Each map belongs to another output of the network, and what raises one class's score may lower the other's. "
        f"Here the maps of {a.label} ({a.probability:.0%}) and {b.label} ({b.probability:.0%}) have a correlation of "
        f"{common:.2f}, {listed}. The first is strongest {_where(a.values)}, the second {_where(b.values)} of the "
        f"picture. Their difference, on one scale, speaks most for {a.label} {_where(difference.values)} and for "
        f"{b.label} {_where(-difference.values)}."
    )


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's; 0 where a map is constant."""
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _where(values: np.ndarray) -> str:
    """The ninth of the picture in which a map (H, W) is largest, in words."""
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    down = ("top", "", "bottom")[3 * int(y) // values.shape[0]]
    across = ("left", "", "right")[3 * int(x) // values.shape[1]]
    if down:
        return f"at the {down} {across}".rstrip()
    return f"on the {across}" if across else "in the centre"


def _gap(run: TrainingRun) -> str:
    return explain_gap(run.results, run.test_images, augmented=bool(run.config.augmentation))


def _both(plain: TrainingRun, augmented: TrainingRun) -> str:
    """What augmentation did, where that can be told from these two runs."""
    only_that = augmented.config.augmentation and not plain.config.augmentation
    if only_that and _otherwise(plain.config) == _otherwise(augmented.config):
        epochs = min(len(plain.results), len(augmented.results))
        return compare_gaps(plain.results[:epochs], augmented.results[:epochs], augmented.test_images)
    return (
        f"The baseline: {_gap(plain)} The variant: {_gap(augmented)} The two runs don't differ in augmentation and "
        "normalisation alone, so the difference between them can't be put down to these."
    )


def _otherwise(config: TrainConfig) -> TrainConfig:
    """A recipe without augmentation, normalisation, and what changes where and how long it runs."""
    return replace(
        config,
        augmentation=(),
        normalization=None,
        mixup=0.0,
        epochs=1,
        device="auto",
        threads=None,
        data_dir="",
    )


def _reading() -> str:
    sheet = next(iter(presets().values()))
    rules = "\n\n".join(
        f"w{number}: {read_off(kernel[0], bias).rule}"
        for number, (kernel, bias) in enumerate(zip(sheet.kernels, sheet.biases, strict=True), start=1)
    )
    return (
        "The kernel is laid on the patch; with zeros and ones the sum of the products counts the ones of the patch "
        "that lie under ones of the kernel. The bias of −1 takes one off, and ReLU keeps only what is left above 0. "
        f"So each output can be read off by counting.\n\n{rules}"
    )


def _downsampling() -> str:
    stride, pooled, _ = compare_downsampling(next(iter(presets().values())).convolve())
    before, after = ("×".join(map(str, values.shape)) for values in (stride.before, stride.output))
    return (
        f"It compresses: the map shrinks from {before} to {after}, and the next layers see more of the picture "
        f"for less work. With stride 2 the convolution takes {stride.multiplications} multiplications; stride 1 and "
        f"then 2×2 max-pooling, which serves the same purpose, takes {pooled.multiplications} and {pooled.comparisons} "
        "comparisons, but keeps the strongest response of each block instead of the first."
    )


def _size() -> str:
    return (
        "With padding p on either side the input is n + 2p long. A kernel of k has n + 2p − k pixels of room to slide, "
        "in which as many whole steps of s fit as s goes into it; with the first position that makes\n\n"
        r"$$\left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1$$"
        f"\n\npositions. For n = 6, k = 2, p = 0: {output_size(6, 2)} with s = 1, "
        f"{output_size(6, 2, stride=2)} with s = 2."
    )


def _fields() -> str:
    def last(*layers: object) -> int:
        return stack_fields(layers)[-1].size[0]  # type: ignore[arg-type]

    return (
        "With stride 1 the field grows linearly with depth, by k − 1 a layer: "
        f"{', '.join(str(last(*[conv(3)] * depth)) for depth in (1, 2, 3))} px for one to three 3×3 layers. "
        "With depth fixed, larger kernels, strides or pooling (they multiply what later layers add) and dilation "
        f"enlarge it: two layers see {last(conv(3), conv(3))} px, with 5×5 kernels {last(conv(5), conv(5))}, with "
        f"stride 2 {last(conv(3, stride=2), conv(3, stride=2))}, with dilation 2 "
        f"{last(conv(3, dilation=2), conv(3, dilation=2))}."
    )
