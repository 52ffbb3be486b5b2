"""Each method's options as an object and as keywords, and what a map is: its method says so, no shape does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import torch
from torch import nn

import explorer
from explorer import (
    ExplorerError,
    GradCAM,
    Gradient,
    HiResCAM,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    SmoothGrad,
)
from explorer.networks.load import LoadedModel, from_module
from explorer.saliency.attribution import PIXEL_QUANTILE
from explorer.saliency.method import AttributionMethod, Cell, MethodOptions, OnProgress, RawMap
from explorer.saliency.target_score import TargetScore
from tests.conftest import SMALL
from tests.sample_networks import LABELS, Plain, loaded

OBJECTS = (
    *(Gradient(), InputXGradient(), SmoothGrad(), IntegratedGradients()),
    *(GradCAM(), HiResCAM(), Occlusion()),
)
CHANGED: list[tuple[MethodOptions, dict[str, Any]]] = [
    (SmoothGrad(samples=3, noise=0.4, seed=7), {"samples": 3, "noise": 0.4, "seed": 7}),
    (IntegratedGradients(steps=5), {"steps": 5}),
    (GradCAM(layer="first"), {"layer": "first"}),
    (HiResCAM(layer="first"), {"layer": "first"}),
    (Occlusion(patch_px=20), {"patch_px": 20}),
]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return loaded(Plain)


def same(one: explorer.Attribution, other: explorer.Attribution) -> None:
    for name in ("values", "raw", "map"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    told = ("method", "layer", "patch_px", "cell", "placement", "limits", "logit", "probability")
    assert [getattr(one, name) for name in told] == [getattr(other, name) for name in told]


def test_every_name_has_its_class_and_every_class_is_public() -> None:
    assert tuple(method.name for method in OBJECTS) == get_args(AttributionMethod)
    for method in OBJECTS:
        assert type(method).__name__ in explorer.__all__


@pytest.mark.parametrize("method", OBJECTS, ids=lambda method: method.name)
def test_a_name_means_the_usual_options(
    model: LoadedModel, picture: np.ndarray, method: MethodOptions
) -> None:
    by_name = explorer.attribute(model, picture, 1, method.name)
    same(by_name, explorer.attribute(model, picture, 1, method))
    assert by_name.method == method.name


@pytest.mark.parametrize(("method", "flat"), CHANGED, ids=lambda given: getattr(given, "name", ""))
def test_keywords_mean_the_fields_of_the_object(
    model: LoadedModel, picture: np.ndarray, method: MethodOptions, flat: dict[str, Any]
) -> None:
    # Those of other methods are accepted and do nothing, as before there were objects.
    others = {"samples": 2, "noise": 0.1, "seed": 1, "steps": 2, "patch_px": 30, "layer": "first"}
    found = explorer.attribute(model, picture, 1, method)
    same(explorer.attribute(model, picture, 1, method.name, **flat), found)
    same(explorer.attribute(model, picture, 1, method.name, **{**others, **flat}), found)
    pair = explorer.compare_classes(model, picture, (1, 2), method)
    same(pair.a, found)
    same(explorer.compare_classes(model, picture, (1, 2), method.name, **flat).b, pair.b)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: SmoothGrad(samples=0), "samples 0 is too small; choose at least 1"),
        (lambda: SmoothGrad(samples=2.5), "samples 2.5 is no whole number"),  # type: ignore[arg-type]
        (lambda: SmoothGrad(noise=-0.1), "noise -0.1 is negative; choose 0 or more"),
        (lambda: SmoothGrad(noise=float("nan")), "noise nan is no number"),
        (lambda: SmoothGrad(noise="much"), "noise 'much' is no number"),  # type: ignore[arg-type]
        (lambda: SmoothGrad(seed=2**64), "is no whole number of 64 bits"),
        (lambda: SmoothGrad(seed=0.5), "seed 0.5 is no whole number"),  # type: ignore[arg-type]
        (lambda: IntegratedGradients(steps=0), "steps 0 is too small"),
        (lambda: IntegratedGradients(steps=None), "steps None is no whole number"),  # type: ignore[arg-type]
        (lambda: GradCAM(layer=4), "layer 4 is no name"),  # type: ignore[arg-type]
        (lambda: HiResCAM(layer=b"conv"), "is no name; give a name that explorer.list_layers"),  # type: ignore[arg-type]
        (lambda: Occlusion(patch_px=0), "patch size 0 is too small"),
        (lambda: Occlusion(patch_px="3"), "patch size '3' is no whole number"),  # type: ignore[arg-type]
    ],
)
def test_options_out_of_range_are_refused_where_they_are_given(make: Any, sentence: str) -> None:
    with pytest.raises(ExplorerError, match=sentence):
        make()


def test_numbers_of_numpy_are_numbers(model: LoadedModel, picture: np.ndarray) -> None:
    theirs = SmoothGrad(samples=np.int64(2), noise=np.float32(0.25), seed=np.int32(3))  # type: ignore[arg-type]
    same(
        explorer.attribute(model, picture, 1, theirs),
        explorer.attribute(model, picture, 1, SmoothGrad(2, 0.25, 3)),
    )


@pytest.mark.parametrize("seed", [-(2**63), -1, 2**64 - 1])
def test_every_seed_that_is_accepted_works(model: LoadedModel, picture: np.ndarray, seed: int) -> None:
    assert np.abs(explorer.attribute(model, picture, 1, SmoothGrad(samples=1, seed=seed)).map).max() > 0


def test_what_could_mean_two_things_is_refused(model: LoadedModel, picture: np.ndarray) -> None:
    with pytest.raises(ExplorerError, match=r"samples beside SmoothGrad\(.*; give all options to SmoothGrad"):
        explorer.attribute(model, picture, 1, SmoothGrad(), samples=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sample'"):
        explorer.attribute(model, picture, 1, "smooth_grad", sample=3)  # type: ignore[call-arg]
    for wrong in ("SmoothGrad", None, 3, ["gradient"], SmoothGrad):
        with pytest.raises(ExplorerError, match="is unknown; choose one of gradient, input_x_gradient"):
            explorer.attribute(model, picture, 1, wrong)  # type: ignore[arg-type]
    # A number out of range is refused even with a method that has no use for it.
    with pytest.raises(ExplorerError, match="samples 0"):
        explorer.attribute(model, picture, 1, "gradient", samples=0)


# What a map is.


class ThreeChannels(nn.Module):
    """A layer with as many channels as a picture has colours; channel by channel another pattern."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 3, 5, stride=4), nn.Linear(3 * 15 * 15, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).flatten(1))


@pytest.fixture(scope="module")
def three_channels() -> LoadedModel:
    torch.manual_seed(4)
    return from_module(ThreeChannels(), SMALL, LABELS, name="three", weights="random")


CELLS: dict[Cell, tuple[MethodOptions, ...]] = {
    "pixel": (Gradient(), InputXGradient(), SmoothGrad(2), IntegratedGradients(2)),
    "position": (GradCAM(), HiResCAM()),
    "square": (Occlusion(),),
}


@pytest.mark.parametrize("cell", CELLS)
def test_the_method_says_what_a_cell_is(three_channels: LoadedModel, picture: np.ndarray, cell: Cell) -> None:
    for method in CELLS[cell]:
        found = explorer.attribute(three_channels, picture, 1, method)
        assert found.cell == cell
        magnitudes = np.abs(found.map)
        reach = np.quantile(magnitudes, PIXEL_QUANTILE) if cell == "pixel" else magnitudes.max()
        assert found.limits == ((-float(reach), float(reach)),)
        assert (found.limits[0][1] < magnitudes.max()) == (cell == "pixel")
        # And goes on being what it is, with however many channels.
        assert replace(found, raw=np.zeros((3, 2, 2), np.float32)).limits == found.limits
        assert replace(found, raw=np.zeros((1, 2, 2), np.float32)).limits == found.limits
        assert explorer.compare_classes(three_channels, picture, (1, 2), method).difference.cell == cell


@dataclass(frozen=True)
class LayerTimesGradient(MethodOptions):
    """A method of somebody else: each activation times its slope, channel by channel; ``(3, 15, 15)``."""

    name: ClassVar[Any] = "layer_times_gradient"
    cell: ClassVar[Cell] = "position"

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        at = score.model.module.conv(score.batch).detach().requires_grad_()
        logits = score.model.module.fc(at.flatten(1))
        (slope,) = torch.autograd.grad(score.of(logits).sum(), at)
        return RawMap((at * slope)[0].detach(), logits.detach(), (2.0, 2.0), (4.0, 4.0), layer="conv")


@dataclass(frozen=True)
class GreyGradient(MethodOptions):
    """The gradient of a grey picture's brightness: one value a pixel; ``(1, 64, 64)``."""

    name: ClassVar[Any] = "grey_gradient"
    cell: ClassVar[Cell] = "pixel"

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        slope, logits = score.gradients(score.batch)
        return RawMap(slope.sum(dim=1), logits)


@pytest.mark.parametrize("signed", [True, False])
def test_three_values_a_position_are_no_colours(
    three_channels: LoadedModel, picture: np.ndarray, signed: bool
) -> None:
    """Summed over the channels they are HiResCAM, with its scale and, unsigned, its ReLU."""
    found, expected = (
        explorer.attribute(three_channels, picture, 1, method, signed=signed)
        for method in (LayerTimesGradient(), HiResCAM("conv"))
    )
    assert found.raw.shape == (3, 15, 15)
    assert expected.raw.shape == (1, 15, 15)
    np.testing.assert_allclose(found.map, expected.map, atol=1e-6)
    assert found.limits[0] == pytest.approx(expected.limits[0])
    assert found.limits[0][1] == np.abs(found.map).max()
    assert found.placement == expected.placement


def test_one_value_a_pixel_is_a_pixel(three_channels: LoadedModel, picture: np.ndarray) -> None:
    grey = explorer.attribute(three_channels, picture, 1, GreyGradient(), signed=False)
    colours = explorer.attribute(three_channels, picture, 1).raw
    np.testing.assert_allclose(grey.map, np.abs(colours.sum(axis=0)), atol=1e-6)
    assert 0 < grey.limits[0][1] < grey.map.max()
