"""Which pixels speak for a class: signed values on the image's own grid.

Every method explains one number that the network puts out for the class asked for, its *objective*: the logit
(default), the probability or the cross-entropy loss. Each family of methods has a file of its own in this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack, get_args

import numpy as np
import torch

from explorer.errors import ExplorerError
from explorer.images.geometry import Placement
from explorer.images.overlay import place
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Framing
from explorer.saliency.class_activation_maps import GradCAM, HiResCAM
from explorer.saliency.gradient_methods import Gradient, InputXGradient, IntegratedGradients, SmoothGrad
from explorer.saliency.method import AttributionMethod, Cell, MethodOptions
from explorer.saliency.occlusion import Occlusion
from explorer.saliency.target_score import Objective, TargetScore

PIXEL_QUANTILE = 0.99


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
        cell: what a cell of ``map`` stands for: a ``"pixel"`` of the network's input, a ``"position"`` of ``layer``,
            or a ``"square"`` of occlusion.
    """

    values: np.ndarray
    raw: np.ndarray
    map: np.ndarray
    placement: Placement
    target: int
    label: str
    method: AttributionMethod
    objective: Objective
    signed: bool
    layer: str
    patch_px: int
    logit: float
    probability: float
    cell: Cell

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """The colour scale: symmetric around zero for signed values.

        Gradients have a few pixels far beyond all others: for maps of single pixels it ends at
        :data:`PIXEL_QUANTILE` of the magnitudes, else at the largest.
        """
        magnitudes = np.abs(self.map)
        by_pixel = self.cell == "pixel"
        reach = float(np.quantile(magnitudes, PIXEL_QUANTILE) if by_pixel else magnitudes.max())
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


class FlatOptions(TypedDict, total=False):
    """Options of all methods as keywords of :func:`attribute`, for a method that is given by its name.

    Each means the field of that name: ``layer`` of GradCAM and HiResCAM; ``samples``, ``noise`` and ``seed`` of
    SmoothGrad; ``steps`` of IntegratedGradients; ``patch_px`` of Occlusion.
    """

    layer: str | None
    samples: int
    noise: float
    steps: int
    patch_px: int | None
    seed: int


def attribute(
    model: LoadedModel,
    image: np.ndarray,
    target: int | str,
    method: AttributionMethod | MethodOptions = "gradient",
    *,
    objective: Objective = "logit",
    signed: bool = True,
    framing: Framing | None = None,
    on_progress: Callable[[float], None] | None = None,
    **options: Unpack[FlatOptions],
) -> Attribution:
    """Explain one class on one image.

    >>> found = attribute(model, image, "cheetah", SmoothGrad(samples=2))
    >>> found.map.shape, found.cell, found.target
    ((224, 224), 'pixel', 293)
    >>> attribute(model, image, 293, "grad_cam", layer="blocks.5").map.shape
    (7, 7)

    Args:
        model: the network; its modes and its parameters' gradients stay as they are.
        image: RGB ``uint8`` ``(H, W, 3)``.
        target: the class, by index or by its name.
        method: one of :class:`Gradient`, :class:`InputXGradient`, :class:`SmoothGrad`, :class:`IntegratedGradients`,
            :class:`GradCAM`, :class:`HiResCAM` and :class:`Occlusion`, whose fields are its options; or its name
            for the usual ones: ``gradient``, ``input_x_gradient``, ``smooth_grad``, ``integrated_gradients``,
            ``grad_cam``, ``hires_cam``, ``occlusion``.
        objective: the number explained. For the loss, positive means: more of this pixel, more loss.
        signed: False gives the largest magnitude over the colours for input methods (as in Simonyan et al.),
            and ReLU for CAM and occlusion. True keeps the sign, and sums over the colours, so that
            differences between classes stay exact.
        framing: what of the image the network sees; None: what it was trained for.
        on_progress: called with the share done, in [0, 1]; may raise to cancel.
        options: with a method's name, its options as keywords, see :class:`FlatOptions`; others do nothing.

    Raises:
        ExplorerError: no such class, method, objective or layer, an option out of range, or options beside an
            object that has its own. Never another class than asked for.
    """
    index = model.class_index(target)
    chosen = _chosen(method, options)
    if objective not in get_args(Objective):
        known = ", ".join(get_args(Objective))
        raise ExplorerError(f"objective {objective!r}", "is unknown", f"choose one of {known}")
    # A caller may be under no_grad or inference_mode; both would leave us without a gradient.
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model.module):
        score = TargetScore(model, model.preprocess(image, framing), index, objective)
        found = chosen.explain(score, on_progress or (lambda share: None))
        # Channels come last in memory; summing them is many times as fast once they come first.
        raw = found.values.detach().float().cpu().contiguous().numpy()
        logits = found.logits[0].float().cpu()
    input_placement = model.preprocess.placement(image.shape[0], image.shape[1], framing)
    placement = input_placement.of_units(found.start, found.stride)
    map_ = _one_per_cell(raw, chosen.cell, signed)
    return Attribution(
        values=_on_image(map_, placement, *image.shape[:2]),
        raw=raw,
        map=map_,
        placement=placement,
        target=index,
        label=model.labels[index],
        method=chosen.name,
        objective=objective,
        signed=signed,
        layer=found.layer,
        patch_px=found.patch_px,
        logit=float(logits[index]),
        probability=float(logits.softmax(0)[index]),
        cell=chosen.cell,
    )


def compare_classes(
    model: LoadedModel,
    image: np.ndarray,
    targets: tuple[int | str, int | str],
    method: AttributionMethod | MethodOptions = "grad_cam",
    **options: Any,
) -> ClassComparison:
    """Explain two classes on one image and what separates them.

    >>> pair = compare_classes(model, image, ("cheetah", "lion"), GradCAM("blocks.5"))
    >>> pair.difference.label
    'cheetah − lion'

    Args:
        model: the network.
        image: RGB ``uint8`` ``(H, W, 3)``.
        targets: two different classes, each by index or by name.
        method: as for :func:`attribute`.
        options: all other keywords of :func:`attribute`.

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


def _chosen(method: AttributionMethod | MethodOptions, options: FlatOptions) -> MethodOptions:
    if not isinstance(method, MethodOptions):
        return _method_named(method, **options)
    if options:
        value = f"{', '.join(options)} beside {method}"
        raise ExplorerError(value, "could mean two things", f"give all options to {type(method).__name__}")
    return method


def _method_named(
    name: str,
    *,
    layer: str | None = None,
    samples: int = SmoothGrad.samples,
    noise: float = SmoothGrad.noise,
    seed: int = SmoothGrad.seed,
    steps: int = IntegratedGradients.steps,
    patch_px: int | None = None,
) -> MethodOptions:
    """The method of this name with those of the options that are its own; all are checked."""
    if name not in get_args(AttributionMethod):
        known = ", ".join(get_args(AttributionMethod))
        raise ExplorerError(f"method {name!r}", "is unknown", f"choose one of {known}")
    methods: list[MethodOptions] = [
        *(Gradient(), InputXGradient(), SmoothGrad(samples, noise, seed), IntegratedGradients(steps)),
        *(GradCAM(layer), HiResCAM(layer), Occlusion(patch_px)),
    ]
    return next(method for method in methods if method.name == name)


def _one_per_cell(raw: np.ndarray, cell: Cell, signed: bool) -> np.ndarray:
    """``(K, h, w)`` → ``(h, w)``; see ``signed`` of :func:`attribute`."""
    if cell == "pixel" and not signed:
        return np.abs(raw).max(axis=0)
    total = raw.sum(axis=0)
    return total if signed else np.maximum(total, 0)


def _on_image(map_: np.ndarray, placement: Placement, height: int, width: int) -> np.ndarray:
    values = np.zeros((height, width), np.float32)
    top, left, bottom, right = placement.seen
    values[top:bottom, left:right] = place(map_, placement, height, width, window=placement.seen)
    return values
