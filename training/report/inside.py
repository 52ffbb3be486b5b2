"""One picture, seen by a run's network after each of its epochs: kernels, maps and saliency as they form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from explorer.activations.capture import Activation, capture_activations
from explorer.errors import ExplorerError
from explorer.images.overlay import DIVERGING, colourise
from explorer.layers.listing import Layer, list_layers
from explorer.networks.load import LoadedModel
from explorer.networks.predictions import Prediction, predict, ranked
from explorer.networks.preprocessing import Framing
from explorer.saliency.attribution import Attribution, attribute
from explorer.workbench import Explanation, Workbench
from training.runs import folders as runs
from training.runs.catalogue import name_of
from training.runs.folders import Run
from training.runs.trained import epochs_of

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]
MOST_SNAPSHOTS = 8
MOST_KERNELS = 16


@dataclass(frozen=True)
class Scene:
    """What is looked at: a picture's file, the class whose saliency is shown, and words for both."""

    image_path: str
    target: int
    words: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network after ``epoch`` epochs, looking at one picture.

    Attributes:
        kernels: (n, 3, k, k) weights of the first convolution; None if it doesn't read three colours.
        maps: its activation (n, h, w) on the picture, before any ReLU.
        saliency: the gradient of the target's logit with respect to the input.
        predictions: every class, the most probable first.
        test_accuracy: in [0, 1]; None before training.
    """

    epoch: int
    kernels: Floats | None
    maps: Activation
    saliency: Attribution
    predictions: tuple[Prediction, ...]
    test_accuracy: float | None

    @property
    def answer(self) -> Prediction:
        """What the network takes the picture for."""
        return self.predictions[0]


def snapshot(bench: Workbench, run: Run, epoch: int, scene: Scene) -> Snapshot:
    """The run's network after ``epoch`` on the scene; everything costly is remembered by ``bench``.

    Raises:
        ExplorerError: no such epoch, or a network without a convolution.
    """
    name = name_of(run, epoch)
    model = bench.model(name)
    selection = bench.select(name, scene.image_path)
    layer = first_convolution(model)
    capture = bench.capture(selection, (layer.name,))
    reached = next((r.test_accuracy for r in runs.history(run.folder) if r.epoch == epoch), None)
    return Snapshot(
        epoch,
        first_weights(model.module),
        capture.activations[layer.name],
        bench.attribution(selection, Explanation(scene.target)),
        tuple(ranked(model, capture.logits, len(model.labels))),
        reached,
    )


def snapshots(
    bench: Workbench,
    run: Run,
    scene: Scene,
    on_progress: Callable[[float], None] = lambda share: None,
    epochs: Sequence[int] = (),
) -> list[Snapshot]:
    """The scene after several epochs: the given ones, or the first, the last, and evenly between them."""
    chosen = list(epochs) or spread_out(epochs_of(run.folder), MOST_SNAPSHOTS)
    found = []
    for number, epoch in enumerate(chosen):
        on_progress(number / len(chosen))
        found.append(snapshot(bench, run, epoch, scene))
    return found


def look_inside(
    networks: Mapping[int, LoadedModel],
    image: Pixels,
    target: int,
    *,
    framing: Framing = "crop",
    test_accuracy: Mapping[int, float] | None = None,
) -> list[Snapshot]:
    """One picture, seen by the same network after several epochs.

    Args:
        networks: epoch → the network after it, as :func:`training.load_trained` gives it.
        image: RGB (H, W, 3) uint8.
        target: the class whose saliency is looked at.
        test_accuracy: epoch → share of all test images that were right, in [0, 1], where it is known.

    Raises:
        ExplorerError: no such class, or a network without a convolution.
    """
    found = []
    for epoch, model in networks.items():
        layer = first_convolution(model).name
        found.append(
            Snapshot(
                epoch,
                first_weights(model.module),
                capture_activations(model, image, [layer], framing=framing)[layer],
                attribute(model, image, target, framing=framing),
                tuple(predict(model, image, top=len(model.labels), framing=framing)),
                (test_accuracy or {}).get(epoch),
            )
        )
    return found


def spread_out(epochs: Sequence[int], most: int) -> list[int]:
    """At most ``most`` of ``epochs``, evenly, the first and the last among them."""
    if len(epochs) <= most:
        return list(epochs)
    places = np.linspace(0, len(epochs) - 1, most).round().astype(int)
    return [epochs[place] for place in places]


def first_convolution(model: LoadedModel) -> Layer:
    """The first layer that convolves; raises ExplorerError where there is none."""
    for layer in list_layers(model):
        if layer.kind == "Conv2d":
            return layer
    raise ExplorerError(f"the network {model.name}", "has no convolution", "choose a run of one that has")


@dataclass(frozen=True)
class Scales:
    """Where the colours of several moments end, the same for all: ± these; kernels only where all are shown."""

    kernels: float | None
    maps: float
    saliency: float


def scales(found: Sequence[Snapshot]) -> Scales:
    """The largest magnitudes of each kind over all of ``found``."""
    reach = max(float(np.abs(m.maps.values).max()) for m in found) or 1.0
    shown = all(m.kernels is not None for m in found)
    slope = max(m.saliency.limits[0][1] for m in found)
    return Scales((largest_weight(found) or 1.0) if shown else None, reach, slope)


def largest_weight(found: Sequence[Snapshot]) -> float:
    """The largest magnitude of any kernel's weight: one scale for all epochs."""
    return max((float(np.abs(m.kernels).max()) for m in found if m.kernels is not None), default=1.0)


def first_weights(network: nn.Module) -> Floats | None:
    """(n, 3, k, k) weights of the first convolution; None where it doesn't read three colours."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or first.groups != 1:
        return None
    weights: Floats = first.weight.detach().cpu().numpy()
    return weights


def kernel_pixels(kernels: Floats, scale: float) -> Pixels:
    """(n, 3, k, k) weights as images (n, k, k, 3): grey is 0, brighter positive; ±``scale`` is white or black."""
    unit = (kernels.transpose(0, 2, 3, 1) / scale).clip(-1, 1)
    return (127.5 + 127.5 * unit).round().astype(np.uint8)


def map_pixels(maps: Floats, reach: float) -> list[Pixels]:
    """(n, h, w) activations as images: red positive, blue negative, ±``reach`` the ends of the scale."""
    return [colourise(values, ((-reach, reach),), DIVERGING[0]) for values in maps]
