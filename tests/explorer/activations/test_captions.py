"""What a caption says of colours is true: its words against the signs of the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

import explorer
from explorer.activations.captions import describe_comparison, number
from explorer.networks.load import LoadedModel
from explorer.saliency.attribution import PIXEL_QUANTILE
from explorer.saliency.method import AttributionMethod
from explorer.saliency.target_score import Objective
from tests.sample_networks import LABELS, Branching, loaded

QUICK = {"samples": 3, "steps": 4}
A, B = LABELS[0], LABELS[1]
METHODS: tuple[tuple[AttributionMethod, str], ...] = (
    ("gradient", "Gradient of"),
    ("input_x_gradient", "Input times the gradient of"),
    ("smooth_grad", "SmoothGrad"),
    ("integrated_gradients", "Integrated gradients of"),
    ("grad_cam", "Grad-CAM of"),
    ("hires_cam", "HiResCAM of"),
    ("occlusion", "Occlusion"),
)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return loaded(Branching)


def compared(
    model: LoadedModel, picture: np.ndarray, method: AttributionMethod, objective: Objective
) -> explorer.ClassComparison:
    return explorer.compare_classes(model, picture, (0, 1), method, objective=objective, **QUICK)


def red_speaks_for(sentence: str) -> str:
    """The class that red speaks for in the difference, as the caption says it."""
    for_, than = re.search(
        r"In the difference .*?, red.*? speaks for \d+ \((.+?)\) rather than \d+ \((.+?)\)", sentence
    ).groups()
    assert {for_, than} == {A, B}
    return for_


@pytest.mark.parametrize(("method", "name"), METHODS)
def test_red_in_a_difference_of_losses_speaks_for_the_other_class(
    model: LoadedModel, picture: np.ndarray, method: AttributionMethod, name: str
) -> None:
    by_score, by_loss = (compared(model, picture, method, objective) for objective in ("logit", "loss"))
    # log p(A) − log p(B) is logit A − logit B: the difference of the losses is that of the scores, turned round.
    expected = by_score.difference.map
    np.testing.assert_allclose(-by_loss.difference.map, expected, atol=1e-4 * np.abs(expected).max())
    assert red_speaks_for(describe_comparison(by_score)) == A
    assert red_speaks_for(describe_comparison(by_loss)) == B


def test_red_in_a_difference_of_probabilities_raises_the_first(
    model: LoadedModel, picture: np.ndarray
) -> None:
    pair = compared(model, picture, "gradient", "probability")
    assert red_speaks_for(describe_comparison(pair)) == A
    # A small step along the difference: the network then holds A more probable against B.
    batch = model.preprocess(picture)
    step = 1e-3 * np.sign(pair.difference.raw)
    before, after = (
        model.module(x).softmax(1)[0].numpy() for x in (batch, batch + batch.new_tensor(step)[None])
    )
    assert after[0] - after[1] > before[0] - before[1]


@pytest.mark.parametrize(("method", "name"), METHODS)
@pytest.mark.parametrize(
    ("objective", "words"),
    [("logit", "the logit (score)"), ("loss", "the cross-entropy loss"), ("probability", "the probability")],
)
def test_a_comparison_is_named_as_completely_as_a_single_map(
    model: LoadedModel,
    picture: np.ndarray,
    method: AttributionMethod,
    name: str,
    objective: Objective,
    words: str,
) -> None:
    pair = compared(model, picture, method, objective)
    sentence = describe_comparison(pair)
    assert sentence.startswith(name)
    assert f"{words} of class 0 ({A}) and of class 1 ({B})" in sentence
    assert ("at layer " + pair.a.layer in sentence) == (method in ("grad_cam", "hires_cam"))
    assert (f"{pair.a.patch_px} × {pair.a.patch_px} input pixels" in sentence) == (method == "occlusion")
    reach = pair.limits[0][1]
    assert f"One scale for all three, −{number(reach)} to {number(reach)}" in sentence
    magnitudes = [np.abs(view.map) for view in (pair.a, pair.b, pair.difference)]
    largest = max(float(m.max()) for m in magnitudes)
    assert ("the largest value is" in sentence) == (largest > reach)
    if largest > reach:
        assert f"the largest value is {number(largest)}" in sentence
        assert f"which {PIXEL_QUANTILE:.1%} of the pixels stay within" in sentence
        assert all((m <= reach).mean() >= PIXEL_QUANTILE - 1 / m.size for m in magnitudes)
    else:
        assert method in ("grad_cam", "hires_cam", "occlusion")


def test_maps_without_a_sign_are_not_said_to_have_one(model: LoadedModel, picture: np.ndarray) -> None:
    sentence = describe_comparison(explorer.compare_classes(model, picture, (0, 1), "gradient", signed=False))
    assert "the sign is left out" in sentence
    assert f"red matters more for 0 ({A}) than for 1 ({B})" in sentence
    assert "speaks for" not in sentence
