"""What a picture shows, in a plain sentence with its numbers: the same words on screen and in what is handed in."""

from __future__ import annotations

import numpy as np

from explorer.activations.capture import Activation
from explorer.activations.reduction import Reduction
from explorer.saliency.attribution import PIXEL_QUANTILE, Attribution, ClassComparison

_METHODS = {
    "gradient": "Gradient of {objective} with respect to the input",
    "input_x_gradient": "Input times the gradient of {objective}",
    "smooth_grad": "SmoothGrad: mean gradient of {objective} over noisy copies of the input",
    "integrated_gradients": "Integrated gradients of {objective}, on the way from a black picture to this one",
    "grad_cam": "Grad-CAM of {objective} at layer {layer}",
    "hires_cam": "HiResCAM of {objective} at layer {layer}",
    "occlusion": "Occlusion: how far {objective} falls when a grey square of {patch} × {patch} input pixels "
    "covers the place",
}
_OBJECTIVES = {
    "logit": "the logit (score)",
    "loss": "the cross-entropy loss",
    "probability": "the probability",
}


def describe_activation(activation: Activation, view: Reduction) -> str:
    """Layer, shape, what was done to its channels, and the range of its values.

    >>> describe_activation(activation, reduce(activation, "max"))[:55]
    'blocks.2.1.add (add), 40 × 28 × 28: largest of 40 chann'
    """
    channels, height, width = activation.shape
    values = activation.values
    sentence = (
        f"{activation.layer} ({activation.kind}), {channels} × {height} × {width}: {view.description}. "
        f"Activations lie between {number(float(values.min()))} and {number(float(values.max()))}."
    )
    if view.constant:
        sentence += " Every position has the same value, so there is nothing to see."
    return sentence


def describe_vector(activation: Activation) -> str:
    """The same for a layer that has values and no positions."""
    values = activation.values
    return (
        f"{activation.layer} ({activation.kind}) has {values.shape[0]} values and no positions, so nothing can be "
        f"laid over the picture. They lie between {number(float(values.min()))} and {number(float(values.max()))}; "
        "shown are the largest."
    )


def describe_attribution(attribution: Attribution) -> str:
    """What was computed, for which class, what the colours mean, and all numbers."""
    objective = f"{_OBJECTIVES[attribution.objective]} of class {named(attribution)}"
    sentence = _METHODS[attribution.method].format(
        objective=objective, layer=attribution.layer, patch=attribution.patch_px
    )
    sentence += ". "
    sentence += _colours(attribution) + " "
    sentence += (
        f"The network gives this class a logit of {number(attribution.logit)} and a probability of "
        f"{attribution.probability:.1%}. "
    )
    reach = attribution.limits[0][1]
    largest = float(np.abs(attribution.map).max())
    if largest == 0:
        return sentence + "Every value is 0: nothing on this picture moves it."
    if largest > reach:
        sentence += (
            f"Colours end at {number(reach)}, which {PIXEL_QUANTILE:.1%} of the pixels stay below; "
            f"the largest is {number(largest)}."
        )
    else:
        sentence += f"The strongest place has {number(largest)}."
    return sentence


def describe_comparison(comparison: ClassComparison) -> str:
    """What was computed for which two classes, what the colours mean, and the scale that all three maps share."""
    a, b, difference = comparison.a, comparison.b, comparison.difference
    objective = f"{_OBJECTIVES[a.objective]} of class {named(a)} and of class {named(b)}"
    sentence = _METHODS[a.method].format(objective=objective, layer=a.layer, patch=a.patch_px)
    low, high = float(difference.map.min()), float(difference.map.max())
    sentence += f". {_colours(a)} In the difference ({number(low)} to {number(high)}), {_separating(a, b)}, "
    sentence += "blue the other way round. "
    reach = comparison.limits[0][1]
    strengths = sorted((float(np.abs(view.map).max()), view.label) for view in (a, b))
    largest = max(strengths[-1][0], float(np.abs(difference.map).max()))
    if largest == 0:
        return sentence + "Every value is 0: nothing on this picture moves either."
    sentence += f"One scale for all three, −{number(reach)} to {number(reach)}"
    if largest > reach:
        sentence += (
            f", which {PIXEL_QUANTILE:.1%} of the pixels stay within; the largest value is {number(largest)}"
        )
    sentence += "."
    (weak, weaker), (strong, stronger) = strengths
    if weak > 0 and strong / weak >= 1.5:
        sentence += f" The map of {stronger} is {strong / weak:.1f} times as strong as that of {weaker}."
    return sentence


def named(attribution: Attribution) -> str:
    """``243 (bull mastiff)``."""
    return f"{attribution.target} ({attribution.label})"


def number(value: float) -> str:
    """Three significant digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


def _colours(attribution: Attribution) -> str:
    if not attribution.signed:
        return "The brighter, the more it matters; the sign is left out."
    if attribution.method in ("gradient", "smooth_grad"):
        what = {"logit": "the score", "loss": "the loss", "probability": "the probability"}[
            attribution.objective
        ]
        return f"Red: a brighter pixel would raise {what}; blue: it would lower it."
    what = "for a larger loss" if attribution.objective == "loss" else "for the class"
    return f"Red speaks {what}, blue against it."


def _separating(a: Attribution, b: Attribution) -> str:
    """What red says in the map of a less that of b."""
    if not a.signed:
        return f"red matters more for {named(a)} than for {named(b)}"
    red = "red: brighter speaks" if a.method in ("gradient", "smooth_grad") else "red speaks"
    # More loss for the one than for the other is what speaks for the other.
    gains, loses = (b, a) if a.objective == "loss" else (a, b)
    return f"{red} for {named(gains)} rather than {named(loses)}"
