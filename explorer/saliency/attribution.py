"""Which pixels speak for a class: signed values on the image's own grid.

Every method explains one number that the network puts out for the class asked for, its *objective*: the logit
(default), the probability or the cross-entropy loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch

from explorer.errors import ExplorerError
from explorer.fields.theoretical import receptive_field
from explorer.images.geometry import Placement
from explorer.images.overlay import place
from explorer.layers.gradients import gradient
from explorer.layers.listing import GraphTrace, Layer, channels_first, find_layer, list_layers, trace
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Framing

Method = Literal[
    "gradient",
    "input_x_gradient",
    "smooth_grad",
    "integrated_gradients",
    "grad_cam",
    "hires_cam",
    "occlusion",
]
Objective = Literal["logit", "loss", "probability"]
PIXEL_QUANTILE = 0.99
CAM_METHODS = ("grad_cam", "hires_cam")
PATCHES_PER_SIDE = 7
"""Occlusion's square takes this part of the input's side: 32 of ImageNet's 224 px, 5 of CIFAR's 32."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each pixel speaks for (positive) or against (negative) the objective.

    Attributes:
        values: ``(H, W)`` float32 on the image's own grid; 0 where the network saw nothing of the image.
        raw: ``(3, h, w)`` float32, per value of the network's input; for CAM and occlusion ``(1, h', w')``.
        map: ``(h', w')`` float32: ``raw`` reduced to one value per cell, before it was placed on the image.
        placement: where the cells of ``map`` lie on the image.
        target: index of the class explained, and ``label`` its name.
        method, objective, signed: as asked for. ``layer``: the layer of a CAM, else "".
        patch_px: side of occlusion's square in input pixels, else 0.
        logit, probability: what the network gives the class on this image.
    """

    values: np.ndarray
    raw: np.ndarray
    map: np.ndarray
    placement: Placement
    target: int
    label: str
    method: Method
    objective: Objective
    signed: bool
    layer: str
    patch_px: int
    logit: float
    probability: float

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """The colour scale: symmetric around zero for signed values.

        Gradients have a few pixels far beyond all others: for maps of single pixels it ends at
        :data:`PIXEL_QUANTILE` of the magnitudes, else at the largest.
        """
        magnitudes = np.abs(self.map)
        reach = float(np.quantile(magnitudes, PIXEL_QUANTILE) if len(self.raw) == 3 else magnitudes.max())
        return ((-reach if self.signed else 0.0, reach),)

    @property
    def constant(self) -> bool:
        """Every cell has the same value: there is nothing to see."""
        return float(np.ptp(self.map)) == 0.0


@dataclass(frozen=True, eq=False)
class ClassComparison:
    """Two classes on one image: what speaks for the one, for the other, and for the one rather than the other.

    ``difference`` is a − b, cell by cell. ``limits`` is one symmetric scale for all three.
    """

    a: Attribution
    b: Attribution
    difference: Attribution

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """One colour scale that spans all three maps."""
        reach = max(view.limits[0][1] for view in (self.a, self.b, self.difference))
        return ((-reach, reach),)


def attribute(
    model: LoadedModel,
    image: np.ndarray,
    target: int | str,
    method: Method = "gradient",
    *,
    objective: Objective = "logit",
    signed: bool = True,
    layer: str | None = None,
    framing: Framing | None = None,
    samples: int = 16,
    noise: float = 0.15,
    steps: int = 32,
    patch_px: int | None = None,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Attribution:
    """Explain one class on one image.

    Args:
        target: the class, by index or by its name.
        method: ``gradient`` (Simonyan et al., 2013); ``input_x_gradient`` (Shrikumar et al., 2016);
            ``smooth_grad`` (Smilkov et al., 2017): mean gradient over ``samples`` noisy copies;
            ``integrated_gradients`` (Sundararajan et al., 2017): ``steps`` points on the way from black;
            ``grad_cam`` (Selvaraju et al., 2017); ``hires_cam`` (Draelos and Carin, 2020); ``occlusion``
            (Zeiler and Fergus, 2014): the fall of the objective when a grey square covers the place.
        objective: the number explained. For the loss, positive means: more of this pixel, more loss.
        signed: False gives the largest magnitude over the colours for input methods (as in Simonyan et al.),
            and ReLU for CAM and occlusion. True keeps the sign, and sums over the colours, so that
            differences between classes stay exact.
        layer: for CAM; by default the last map before pooling.
        noise: SmoothGrad's standard deviation as a share of the input's range.
        patch_px: side of occlusion's square, in input pixels; it moves by half of that. By default a seventh of
            the input's side (:func:`default_patch_px`).
        on_progress: called with the share done, in [0, 1]; may raise to cancel.

    Raises:
        ExplorerError: no such class, method, objective or layer. Never another class than asked for.
    """
    index = model.class_index(target)
    for what, value, known in (("method", method, Method), ("objective", objective, Objective)):
        if value not in get_args(known):
            raise ExplorerError(
                f"{what} {value!r}", "is unknown", f"choose one of {', '.join(get_args(known))}"
            )
    used = (
        (find_layer(model, layer) if layer else default_cam_layer(model)) if method in CAM_METHODS else None
    )
    patch = default_patch_px(model) if patch_px is None else patch_px
    options = _Options(samples, noise, steps, patch, seed, on_progress or (lambda share: None))
    # A caller may be under no_grad or inference_mode; both would leave us without a gradient.
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model.module):
        question = _Question(model, model.preprocess(image, framing), index, objective)
        raw, logits = _raw(question, method, used, options)
    placement = model.preprocess.placement(image.shape[0], image.shape[1], framing)
    if used:
        field = receptive_field(model, used.name)
        placement = placement.of_units(field.start, field.stride)
    elif method == "occlusion":
        middle, stride = (patch - 1) / 2, _occlusion_stride(patch)
        placement = placement.of_units((middle, middle), (stride, stride))
    map_ = _one_per_cell(raw, signed)
    return Attribution(
        values=_on_image(map_, placement, *image.shape[:2]),
        raw=raw,
        map=map_,
        placement=placement,
        target=index,
        label=model.labels[index],
        method=method,
        objective=objective,
        signed=signed,
        layer=used.name if used else "",
        patch_px=patch if method == "occlusion" else 0,
        logit=float(logits[index]),
        probability=float(logits.softmax(0)[index]),
    )


def compare_classes(
    model: LoadedModel,
    image: np.ndarray,
    targets: tuple[int | str, int | str],
    method: Method = "grad_cam",
    **options: Any,
) -> ClassComparison:
    """Explain two classes on one image and what separates them; ``options`` as for :func:`attribute`.

    Raises:
        ExplorerError: as :func:`attribute`; or both classes are the same.
    """
    a = attribute(model, image, targets[0], method, **options)
    return difference(a, attribute(model, image, targets[1], method, **options))


def difference(a: Attribution, b: Attribution) -> ClassComparison:
    """Two attributions of one image by one method, and the first less the second.

    Raises:
        ExplorerError: both explain the same class.
    """
    if a.target == b.target:
        raise ExplorerError(
            f"class {a.target} twice", "leaves nothing to compare", "choose two different classes"
        )
    less = replace(
        a,
        values=a.values - b.values,
        raw=a.raw - b.raw,
        map=a.map - b.map,
        label=f"{a.label} − {b.label}",
        signed=True,
        logit=a.logit - b.logit,
        probability=a.probability - b.probability,
    )
    return ClassComparison(a, b, less)


def default_cam_layer(model: LoadedModel) -> Layer:
    """Where CAM looks by default: the last map, just before the network gives up positions.

    In a transformer the last attention reads the class from one token alone, so it is the map before that.
    """
    maps = [layer for layer in list_layers(model) if layer.is_map]
    if not maps:
        raise ExplorerError(f"network {model.name}", "has no layer with a map", "choose a gradient method")
    if maps[-1].layout == "class_and_tokens":
        return _before_last_attention(model, maps)
    # A pooling that leaves the grid as it is (VGG's, at its own input size) repeats the map before it.
    while len(maps) > 1 and maps[-1].kind.startswith("Adaptive") and maps[-2].shape == maps[-1].shape:
        maps.pop()
    return maps[-1]


def default_patch_px(model: LoadedModel) -> int:
    """Side of the square that occlusion covers by default: large enough to hide a part of a thing, not all of it."""
    return max(1, round(model.preprocess.crop_px / PATCHES_PER_SIDE))


def _before_last_attention(model: LoadedModel, maps: list[Layer]) -> Layer:
    # An attention puts out a tuple and so is no layer, but a step of the graph it is.
    taken_apart = trace(model)
    steps = list(taken_apart.nodes if isinstance(taken_apart, GraphTrace) else taken_apart.layers)
    kinds = {path: type(module).__name__ for path, module in model.module.named_modules()}
    attentions = [i for i, step in enumerate(steps) if "attention" in kinds.get(step, step).lower()]
    before = [layer for layer in maps if attentions and steps.index(layer.name) < attentions[-1]]
    return before[-1] if before else maps[0]


@dataclass(frozen=True)
class _Options:
    samples: int
    noise: float
    steps: int
    patch_px: int
    seed: int
    on_progress: Callable[[float], None]

    def __post_init__(self) -> None:
        for what, number in (("samples", self.samples), ("steps", self.steps), ("patch size", self.patch_px)):
            if number < 1:
                raise ExplorerError(f"{what} {number}", "is too small", "choose at least 1")
        if self.noise < 0:
            raise ExplorerError(f"noise {self.noise:g}", "is negative", "choose 0 or more")


@dataclass(frozen=True)
class _Question:
    """A network, an input ``(1, 3, h, w)``, and the number that is to be explained."""

    model: LoadedModel
    batch: torch.Tensor
    index: int
    objective: Objective

    def values(self, logits: torch.Tensor) -> torch.Tensor:
        """The objective for each row of logits ``(N, classes)``: ``(N,)``."""
        if self.objective == "logit":
            return logits[:, self.index]
        log_probabilities = logits.log_softmax(dim=1)[:, self.index]
        return -log_probabilities if self.objective == "loss" else log_probabilities.exp()

    def gradients(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient of each row's objective with respect to that row of ``batch``, and the logits."""
        batch = batch.detach().requires_grad_()
        logits = self.model.module(batch)
        slope = gradient(self.values(logits).sum(), batch, self.model.name)
        if slope is None:
            rule, remedy = "lets no gradient through to its input", "choose occlusion, which needs none"
            raise ExplorerError(f"network {self.model.name}", rule, remedy)
        return slope, logits.detach()


def _raw(
    question: _Question, method: Method, layer: Layer | None, options: _Options
) -> tuple[np.ndarray, torch.Tensor]:
    """The attribution as the method defines it, ``(3 or 1, h, w)``, and the image's logits ``(classes,)``."""
    if layer is not None:
        raw, logits = _cam(question, layer, method)
    elif method in ("gradient", "input_x_gradient"):
        slope, logits = question.gradients(question.batch)
        raw = slope[0] if method == "gradient" else (slope * question.batch)[0]
    else:
        slow = {"smooth_grad": _smooth_grad, "integrated_gradients": _integrated, "occlusion": _occlusion}
        raw = slow[method](question, options)
        with torch.no_grad():
            logits = question.model.module(question.batch)
    # Channels come last in memory; summing them is many times as fast once they come first.
    return raw.detach().float().cpu().contiguous().numpy(), logits[0].float().cpu()


def _cam(question: _Question, layer: Layer, method: Method) -> tuple[torch.Tensor, torch.Tensor]:
    output, logits = trace(question.model).run_from(question.batch, layer.name)
    slope = gradient(question.values(logits).sum(), output, question.model.name)
    if slope is None:
        rule = f"has no influence on what {question.model.name} puts out for this image"
        raise ExplorerError(f"layer {layer.name!r}", rule, "choose a layer on the way to the classes")
    activation, slope = channels_first(output, layer), channels_first(slope, layer)
    # Grad-CAM weighs each channel by its mean slope; HiResCAM each position of it by its own.
    weights = slope.mean(dim=(1, 2), keepdim=True) if method == "grad_cam" else slope
    return (weights * activation).sum(dim=0, keepdim=True), logits.detach()


def _smooth_grad(question: _Question, options: _Options) -> torch.Tensor:
    batch = question.batch
    sigma = options.noise * float(batch.max() - batch.min())
    generator = torch.Generator().manual_seed(options.seed)
    total = torch.zeros_like(batch[0])
    for done, count in _chunks(options.samples, options.on_progress):
        # The noise is drawn copy by copy, so that it doesn't depend on how copies are grouped.
        drawn = [torch.randn(batch.shape[1:], generator=generator) for _ in range(done, done + count)]
        gradients, _ = question.gradients(batch + sigma * torch.stack(drawn).to(batch))
        total += gradients.sum(dim=0)
    return total / options.samples


def _integrated(question: _Question, options: _Options) -> torch.Tensor:
    batch, preprocess = question.batch, question.model.preprocess
    black = batch.new_tensor([-m / s for m, s in zip(preprocess.mean, preprocess.std, strict=True)])
    start = black[None, :, None, None].expand_as(batch)
    total = torch.zeros_like(batch[0])
    for done, count in _chunks(options.steps, options.on_progress):
        # Midpoints of equal steps: the sum of attributions meets the score difference fastest.
        shares = (torch.arange(done, done + count).to(batch) + 0.5) / options.steps
        gradients, _ = question.gradients(start + shares[:, None, None, None] * (batch - start))
        total += gradients.sum(dim=0)
    return (batch - start)[0] * total / options.steps


def _occlusion_stride(patch_px: int) -> int:
    return max(1, patch_px // 2)


def _occlusion(question: _Question, options: _Options) -> torch.Tensor:
    batch, patch = question.batch, options.patch_px
    stride = _occlusion_stride(patch)
    side = -(-max(0, batch.shape[2] - patch) // stride) + 1
    with torch.no_grad():
        whole = question.values(question.model.module(batch))
        falls = []
        for done, count in _chunks(side * side, options.on_progress):
            covered = batch.repeat(count, 1, 1, 1)
            for row, place_ in enumerate(range(done, done + count)):
                top, left = place_ // side * stride, place_ % side * stride
                covered[row, :, top : top + patch, left : left + patch] = 0  # the mean colour, grey
            falls.append(whole - question.values(question.model.module(covered)))
    return torch.cat(falls).reshape(1, side, side)


def _chunks(total: int, on_progress: Callable[[float], None], size: int = 8) -> Iterator[tuple[int, int]]:
    """(done so far, how many now) until ``total``, telling the progress between."""
    for done in range(0, total, size):
        on_progress(done / total)
        yield done, min(size, total - done)
    on_progress(1.0)


def _one_per_cell(raw: np.ndarray, signed: bool) -> np.ndarray:
    """``(K, h, w)`` → ``(h, w)``; see ``signed`` of :func:`attribute`."""
    if signed:
        return raw.sum(axis=0)
    return np.maximum(raw[0], 0) if len(raw) == 1 else np.abs(raw).max(axis=0)


def _on_image(map_: np.ndarray, placement: Placement, height: int, width: int) -> np.ndarray:
    values = np.zeros((height, width), np.float32)
    top, left, bottom, right = placement.seen
    values[top:bottom, left:right] = place(map_, placement, height, width, window=placement.seen)
    return values
