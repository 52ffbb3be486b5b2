"""Attribution: what captum and pytorch-grad-cam find, for the class asked for, with its sign."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, Occlusion, Saliency
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

import explorer
from explorer.activations.captions import describe_attribution
from explorer.errors import ExplorerError
from explorer.images.overlay import place
from explorer.layers.listing import channels_first, find_layer, list_layers
from explorer.networks.load import LoadedModel, from_module
from explorer.saliency.attribution import PIXEL_QUANTILE
from explorer.saliency.class_activation_maps import default_cam_layer
from tests.conftest import SMALL, random_image
from tests.explorer.networks.test_hooks import hooks_on
from tests.sample_networks import LABELS, Branching, Plain, loaded

METHODS = (
    "gradient",
    "input_x_gradient",
    "smooth_grad",
    "integrated_gradients",
    "grad_cam",
    "hires_cam",
    "occlusion",
)
QUICK = {"samples": 3, "steps": 4}


@pytest.fixture(scope="module")
def model(small_resnet18: LoadedModel) -> LoadedModel:
    return small_resnet18


@pytest.fixture(scope="module")
def trainable(small_resnet18: LoadedModel) -> nn.Module:
    """A copy that takes gradients, for those references that can't do without."""
    return copy.deepcopy(small_resnet18.module).requires_grad_(True).eval()


def close(ours: np.ndarray, theirs: torch.Tensor) -> None:
    """Equal to 1e-5 of the largest value."""
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    assert np.abs(expected).max() > 0


def ready(model: LoadedModel, image: np.ndarray) -> torch.Tensor:
    return model.preprocess(image).requires_grad_()


# Against captum and pytorch-grad-cam. A class that is not the predicted one, each time.


@pytest.mark.parametrize("target", [7, 243])
def test_gradient_is_captums_signed_saliency(model: LoadedModel, picture: np.ndarray, target: int) -> None:
    found = explorer.attribute(model, picture, target)
    theirs = Saliency(model.module).attribute(ready(model, picture), target=target, abs=False)
    close(found.raw, theirs[0])
    assert found.raw.shape == (3, 64, 64)
    assert found.raw.min() < 0 < found.raw.max()
    # Signed: the sum over the colours. Unsigned: the largest magnitude of them (Simonyan et al.).
    np.testing.assert_allclose(found.map, found.raw.sum(axis=0), atol=1e-6)
    unsigned = explorer.attribute(model, picture, target, signed=False)
    np.testing.assert_allclose(unsigned.map, np.abs(found.raw).max(axis=0), atol=1e-6)


def test_gradient_with_real_weights(bundled: LoadedModel, cheetah: np.ndarray) -> None:
    found = explorer.attribute(bundled, cheetah, 285)
    theirs = Saliency(bundled.module).attribute(ready(bundled, cheetah), target=285, abs=False)
    close(found.raw, theirs[0])


def test_input_x_gradient_is_captums(model: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.attribute(model, picture, 7, "input_x_gradient")
    theirs = InputXGradient(model.module).attribute(ready(model, picture), target=7)
    close(found.raw, theirs[0])


def black(model: LoadedModel) -> torch.Tensor:
    image = np.zeros((64, 64, 3), np.uint8)
    return model.preprocess(image, "stretch")


@pytest.mark.parametrize("steps", [2, 20])
def test_integrated_gradients_are_captums(model: LoadedModel, picture: np.ndarray, steps: int) -> None:
    found = explorer.attribute(model, picture, 7, "integrated_gradients", steps=steps)
    theirs = IntegratedGradients(model.module).attribute(
        ready(model, picture), baselines=black(model), target=7, n_steps=steps, method="riemann_middle"
    )
    close(found.raw, theirs[0].float())


def test_integrated_gradients_add_up_to_the_score_difference(picture: np.ndarray) -> None:
    model = loaded(Plain)  # smooth: few steps are enough
    found = explorer.attribute(model, picture, 3, "integrated_gradients", steps=64)
    with torch.no_grad():
        scores = [model.module(b)[0, 3].item() for b in (model.preprocess(picture), black(model))]
    assert found.raw.sum() == pytest.approx(scores[0] - scores[1], rel=1e-2)


@pytest.mark.parametrize("layer", ["conv1", "bn1", "layer1.0.add", "layer2.0.relu", "layer4"])
@pytest.mark.parametrize("target", [7, 243])
def test_grad_cam_is_captums(model: LoadedModel, picture: np.ndarray, layer: str, target: int) -> None:
    found = explorer.attribute(model, picture, target, "grad_cam", layer=layer)
    if layer in ("layer1.0.add", "layer2.0.relu"):
        theirs = by_autograd(model, picture, target, layer)
    else:
        # LayerGradCam skips the ReLU unless asked.
        cam = LayerGradCam(model.module, model.module.get_submodule(layer))
        theirs = cam.attribute(ready(model, picture), target=target)[0]
    close(found.raw, theirs)
    assert found.layer == find_layer(model, layer).name


def by_autograd(model: LoadedModel, image: np.ndarray, target: int, layer: str) -> torch.Tensor:
    """Grad-CAM at a step that is no module's only output, with the block written out."""
    m = model.module
    x = m.maxpool(m.relu(m.bn1(m.conv1(ready(model, image)))))
    block = m.layer1[0]
    if layer == "layer1.0.add":
        at = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x))))) + x
        rest = m.layer1[1](block.relu(at))
        rest = m.layer2(rest)
    else:
        block, x = m.layer2[0], m.layer1(x)
        at = block.relu(block.bn1(block.conv1(x)))
        rest = m.layer2[1](block.relu(block.bn2(block.conv2(at)) + block.downsample(x)))
    logits = m.fc(m.avgpool(m.layer4(m.layer3(rest))).flatten(1))
    (slope,) = torch.autograd.grad(logits[0, target], at)
    return (slope.mean((2, 3), keepdim=True) * at).sum(1).detach()


@pytest.mark.parametrize(("method", "reference"), [("grad_cam", GradCAM), ("hires_cam", HiResCAM)])
@pytest.mark.parametrize("layer", ["layer2", "layer4"])
def test_cams_are_pytorch_grad_cams(
    model: LoadedModel,
    trainable: nn.Module,
    picture: np.ndarray,
    method: str,
    reference: Callable[..., GradCAM],
    layer: str,
) -> None:
    found = explorer.attribute(model, picture, 243, method, layer=layer)  # type: ignore[arg-type]
    target = [ClassifierOutputTarget(243)]
    layers = [trainable.get_submodule(layer)]
    with reference(model=trainable, target_layers=layers) as cam:
        batch = model.preprocess(picture)
        scaled = cam(input_tensor=batch, targets=target)
        activations, gradients = (
            [t.detach().numpy() for t in kept]
            for kept in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
        )
        raw = cam.get_cam_image(batch, layers[0], target, activations[0], gradients[0], False)
    close(found.raw, torch.from_numpy(raw))
    # And what it shows, after its ReLU and scaling to [0, 1].
    positive = explorer.attribute(model, picture, 243, method, layer=layer, signed=False).map  # type: ignore[arg-type]
    np.testing.assert_array_equal(positive, np.maximum(found.raw[0], 0))
    assert (
        np.corrcoef(positive.ravel(), scaled[0][:: 64 // len(positive), :: 64 // len(positive)].ravel())[0, 1]
        > 0.5
    )


@pytest.mark.parametrize("patch", [16, 13, 32])
def test_occlusion_is_captums_and_a_plain_loops(model: LoadedModel, picture: np.ndarray, patch: int) -> None:
    stride = patch // 2
    found = explorer.attribute(model, picture, 7, "occlusion", patch_px=patch)
    batch = model.preprocess(picture)
    places = range(0, 64 - patch + stride, stride)
    falls = np.zeros((len(places), len(places)))
    with torch.no_grad():
        whole = model.module(batch)[0, 7].item()
        for i, top in enumerate(places):
            for j, left in enumerate(places):
                covered = batch.clone()
                covered[..., top : top + patch, left : left + patch] = 0  # the mean colour
                falls[i, j] = whole - model.module(covered)[0, 7].item()
    # Differences of scores around 1: equal to 1e-5 of the scores.
    np.testing.assert_allclose(found.raw[0], falls, atol=1e-5)
    assert np.abs(falls).max() > 0.01
    # captum gives each pixel the mean over the squares that cover it.
    theirs = Occlusion(model.module).attribute(
        batch, sliding_window_shapes=(3, patch, patch), strides=(3, stride, stride), target=7
    )
    total, times = np.zeros((64, 64)), np.zeros((64, 64))
    for i, top in enumerate(places):
        for j, left in enumerate(places):
            total[top : top + patch, left : left + patch] += found.raw[0, i, j]
            times[top : top + patch, left : left + patch] += 1
    np.testing.assert_allclose(total / times, theirs[0, 0].numpy(), atol=2e-5)


@pytest.mark.parametrize(("side", "patch"), [(224, 32), (64, 9), (32, 5), (28, 4), (3, 1)])
def test_occlusions_square_is_a_seventh_of_the_side(side: int, patch: int, picture: np.ndarray) -> None:
    """By default as by a loop that covers that much, and the caption says how much."""
    preprocess = replace(SMALL, resize_px=side, crop_px=side)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(27, 5))
    with torch.no_grad():
        module[2].weight.copy_(torch.linspace(-1, 1, 5 * 27).sin().reshape(5, 27))
    model = from_module(module, preprocess, LABELS, name="pooled", weights="none")
    found = explorer.attribute(model, picture, 2, "occlusion")
    batch, stride, falls = preprocess(picture), max(1, patch // 2), []
    with torch.no_grad():
        for top in range(0, side - patch + stride, stride):
            for left in range(0, side - patch + stride, stride):
                covered = batch.clone()
                covered[..., top : top + patch, left : left + patch] = 0
                falls.append((module(batch) - module(covered))[0, 2].item())
    np.testing.assert_allclose(found.raw.ravel(), falls, atol=1e-5)
    assert found.patch_px == patch
    assert f"a grey square of {patch} × {patch} input pixels" in describe_attribution(found)
    # On anything but a 3 px picture it hides a part and moves over the rest.
    assert len(falls) >= 9
    assert np.ptp(falls) > 0
    assert explorer.attribute(model, picture, 2).patch_px == 0


@pytest.mark.parametrize("patch", [1, 100])
def test_occlusion_by_the_smallest_and_the_largest_square(picture: np.ndarray, patch: int) -> None:
    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 2, 3), nn.Linear(2, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).mean((2, 3)))

    from explorer.networks.preprocessing import Preprocess

    preprocess = Preprocess(resize_px=12, crop_px=10, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = from_module(Tiny(), preprocess, LABELS, name="tiny", weights="random")
    found = explorer.attribute(model, picture, 1, "occlusion", patch_px=patch)
    assert found.raw.shape == ((1, 10, 10) if patch == 1 else (1, 1, 1))
    assert np.isfinite(found.values).all()


def test_a_square_of_occlusion_lies_where_it_covered(picture: np.ndarray) -> None:
    # A network that sees one spot of its input only: row 40 to 44, column 20 to 24.
    class Spot(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, 40:44, 20:24].mean((1, 2, 3))[:, None].expand(-1, 5)

    model = from_module(Spot(), SMALL, LABELS, name="spot", weights="none")
    image = np.full((90, 140, 3), 255, np.uint8)
    found = explorer.attribute(model, image, 0, "occlusion", patch_px=8)
    rows, columns = np.nonzero(found.values > 0.9 * found.values.max())
    # 90×140 → 72×112, cut from (4, 24): input (41.5, 21.5) → ((41.5 + 4 + .5) · 1.25 − .5, …).
    assert rows.mean() == pytest.approx((41.5 + 4.5) * 1.25 - 0.5, abs=2.5)
    assert columns.mean() == pytest.approx((21.5 + 24.5) * 1.25 - 0.5, abs=2.5)


# SmoothGrad: its limits, and its noise.


def test_smooth_grad_without_noise_is_the_gradient(model: LoadedModel, picture: np.ndarray) -> None:
    smooth = explorer.attribute(model, picture, 7, "smooth_grad", noise=0.0, samples=3)
    plain = explorer.attribute(model, picture, 7)
    np.testing.assert_allclose(smooth.raw, plain.raw, atol=1e-5 * np.abs(plain.raw).max())


def test_smooth_grad_is_the_mean_over_noisy_copies(model: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.attribute(model, picture, 7, "smooth_grad", noise=0.2, samples=10, seed=3)
    batch = model.preprocess(picture)
    generator = torch.Generator().manual_seed(3)
    sigma = 0.2 * (batch.max() - batch.min())
    total = torch.zeros(3, 64, 64)
    for _ in range(10):
        noisy = (batch + sigma * torch.randn(3, 64, 64, generator=generator)).requires_grad_()
        total += torch.autograd.grad(model.module(noisy)[0, 7], noisy)[0][0]
    close(found.raw, total / 10)


def test_smooth_grad_repeats_itself_and_moves_no_global_random_numbers(
    model: LoadedModel, picture: np.ndarray
) -> None:
    before = torch.random.get_rng_state()
    one = explorer.attribute(model, picture, 7, "smooth_grad", **QUICK)  # type: ignore[arg-type]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    same = explorer.attribute(model, picture, 7, "smooth_grad", **QUICK)  # type: ignore[arg-type]
    other = explorer.attribute(model, picture, 7, "smooth_grad", seed=1, **QUICK)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.raw, same.raw)
    assert not np.allclose(one.raw, other.raw)


# What is explained.


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_loss_and_probability_by_hand(model: LoadedModel, picture: np.ndarray, method: str) -> None:
    values = {}
    for objective in ("logit", "loss", "probability"):
        batch = ready(model, picture)
        m = model.module
        at = m.layer1(m.maxpool(m.relu(m.bn1(m.conv1(batch)))))
        logits = m.fc(m.avgpool(m.layer4(m.layer3(m.layer2(at)))).flatten(1))
        if objective == "logit":
            score = logits[0, 243]
        elif objective == "loss":
            score = nn.functional.cross_entropy(logits, torch.tensor([243]))
        else:
            score = logits.softmax(1)[0, 243]
        if method == "gradient":
            expected = torch.autograd.grad(score, batch)[0][0]
        else:
            (slope,) = torch.autograd.grad(score, at)
            expected = (slope.mean((2, 3), keepdim=True) * at).sum(1).detach()
        layer = "layer1" if method == "grad_cam" else None
        found = explorer.attribute(model, picture, 243, method, objective=objective, layer=layer)  # type: ignore[arg-type]
        close(found.raw, expected)
        assert found.objective == objective
        values[objective] = found.raw
    # d loss / dx = −(d p / dx) / p: another sign and another size, the same shape.
    ratio = values["loss"] / np.where(values["probability"] == 0, np.nan, values["probability"])
    assert np.nanmedian(ratio) == pytest.approx(-1 / found.probability, rel=1e-2)


def test_an_unlikely_class_has_a_gradient_by_logit_though_its_softmax_is_dead(picture: np.ndarray) -> None:
    model = loaded(Plain)
    with torch.no_grad():
        model.module.fc.bias[:] = torch.tensor([200.0, 0, 0, 0, 0])
    by_logit = explorer.attribute(model, picture, 1)
    by_probability = explorer.attribute(model, picture, 1, objective="probability")
    assert by_logit.objective == "logit"
    assert np.abs(by_logit.raw).max() > 1e-6
    assert np.abs(by_probability.raw).max() == 0
    assert by_probability.constant
    assert not by_logit.constant


@pytest.mark.parametrize("method", METHODS)
def test_the_class_asked_for_is_explained_not_the_predicted_one(picture: np.ndarray, method: str) -> None:
    model = loaded(Plain)
    best = explorer.predict(model, picture, top=5)
    maps = {}
    for prediction in best:
        found = explorer.attribute(model, picture, prediction.index, method, **QUICK)  # type: ignore[arg-type]
        assert found.target == prediction.index
        assert found.label == prediction.label
        assert found.logit == pytest.approx(prediction.logit, abs=1e-5)
        assert found.probability == pytest.approx(prediction.probability, abs=1e-6)
        maps[prediction.index] = found.raw
    assert all(not np.allclose(maps[0], maps[i]) for i in range(1, 5))
    by_name = explorer.attribute(model, picture, "class 3", method, **QUICK)  # type: ignore[arg-type]
    np.testing.assert_array_equal(by_name.raw, maps[3])


@pytest.mark.parametrize("target", [-1, 1000, "Egyptian catt", None])
def test_no_other_class_takes_the_place_of_one_that_does_not_exist(
    resnet18: LoadedModel, picture: np.ndarray, target: object
) -> None:
    with pytest.raises(ExplorerError, match="class"):
        explorer.attribute(resnet18, picture, target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "grad-cam"}, "method 'grad-cam' is unknown; choose one of gradient"),
        ({"objective": "softmax"}, "objective 'softmax' is unknown; choose one of logit, loss, probability"),
        ({"method": "grad_cam", "layer": "layr4"}, "did you mean 'layer4'"),
        ({"method": "smooth_grad", "samples": 0}, "samples 0"),
        ({"method": "smooth_grad", "noise": -0.1}, "noise -0.1"),
        ({"method": "integrated_gradients", "steps": 0}, "steps 0"),
        ({"method": "occlusion", "patch_px": 0}, "patch size 0"),
    ],
)
def test_unknown_names_and_odd_numbers(
    model: LoadedModel, picture: np.ndarray, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ExplorerError, match=sentence):
        explorer.attribute(model, picture, 1, **options)  # type: ignore[arg-type]


# Whatever is around us.


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", METHODS)
def test_a_caller_without_gradients_gets_the_same(
    picture: np.ndarray, method: str, around: Callable[[], torch.no_grad]
) -> None:
    model = loaded(Plain)
    expected = explorer.attribute(model, picture, 1, method, **QUICK).raw  # type: ignore[arg-type]
    fresh = loaded(Plain)
    with around():
        inside = explorer.attribute(fresh, picture, 1, method, **QUICK).raw  # type: ignore[arg-type]
    np.testing.assert_array_equal(inside, expected)
    assert np.abs(inside).max() > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frozen", [True, False])
def test_parameters_keep_their_gradients(picture: np.ndarray, method: str, frozen: bool) -> None:
    model = loaded(Plain)
    for i, p in enumerate(model.module.parameters()):
        p.requires_grad_(not frozen)
        p.grad = None if i == 0 else torch.full_like(p, 3.0)
    explorer.attribute(model, picture, 1, method, **QUICK)  # type: ignore[arg-type]
    first, *others = model.module.parameters()
    assert first.grad is None
    assert all((p.grad == 3).all() for p in others)
    assert all(p.requires_grad != frozen for p in model.module.parameters())


def test_train_mode_is_neither_used_nor_lost(picture: np.ndarray) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model = from_module(module, SMALL, LABELS[:4], name="trained", weights="random")
    expected = explorer.attribute(model, picture, 1).raw
    module.train()
    before = module[1].running_mean.clone()
    np.testing.assert_array_equal(explorer.attribute(model, picture, 1).raw, expected)
    assert all(m.training for m in module.modules())
    assert torch.equal(module[1].running_mean, before)


# Where it is looked for, and what comes out.


def test_the_last_map_before_pooling_is_the_default(model: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.attribute(model, picture, 7, "grad_cam")
    assert found.layer == "layer4.1.relu_1"
    np.testing.assert_array_equal(
        found.raw, explorer.attribute(model, picture, 7, "grad_cam", layer="layer4").raw
    )


@pytest.mark.parametrize(
    ("name", "layer"),
    [("alexnet", "features.12"), ("vgg11", "features.20"), ("squeezenet1_1", "classifier.2")],
)
def test_the_default_layer_of_other_families(name: str, layer: str) -> None:
    # AlexNet's and VGG's last pooling; SqueezeNet's classes are maps until they are averaged.
    model = explorer.load_model(name, weights=None)
    found = default_cam_layer(model)
    assert found.name == layer
    assert found.is_map


def test_a_transformer_is_looked_into_before_its_last_attention() -> None:
    model = explorer.load_model("vit_b_32", weights=None)
    layer = default_cam_layer(model)
    assert layer.name == "encoder.layers.encoder_layer_11.ln_1"
    # torchvision starts a transformer's head at zero: nothing would have an influence.
    torch.nn.init.normal_(model.module.heads.head.weight, generator=torch.Generator().manual_seed(0))
    found = explorer.attribute(model, random_image(0, 100, 150), 7, "grad_cam")
    assert found.raw.shape == (1, 7, 7)
    assert np.abs(found.raw).max() > 0


class ReadsOneToken(nn.Module):
    """A transformer in plain products of matrices; the class is read from its first token."""

    def __init__(self, untraceable: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8)
        self.first = nn.Parameter(torch.ones(1, 1, 8))
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.after = nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)
        self.untraceable = untraceable

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.untraceable and float(x.detach().sum()) == 0.125:
            x = -x
        x = torch.cat([self.first, x], 1)
        for block in self.blocks:
            x = block(x)
            x = x + (x @ x.transpose(1, 2)).softmax(2) @ x
        return self.head(self.after(x)[:, 0])


@pytest.mark.parametrize("untraceable", [False, True])
def test_the_default_layer_is_the_last_that_the_classes_depend_on(untraceable: bool) -> None:
    """Behind the last attention only the first token counts; of what it looked at the last map is what it was given."""
    torch.manual_seed(0)
    model = from_module(ReadsOneToken(untraceable), SMALL, LABELS, name="tokens", weights="random")
    names = [layer.name for layer in list_layers(model) if layer.is_map]
    assert "after" in names
    assert default_cam_layer(model).name == "blocks.1"


def test_a_network_whose_classes_depend_on_no_map_says_what_to_choose(picture: np.ndarray) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.looks, self.head = nn.Conv2d(3, 4, 3), nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.mean((2, 3))) + 0 * self.looks(x).detach().mean()

    model = from_module(Aside(), SMALL, LABELS, name="aside", weights="random")
    with pytest.raises(
        ExplorerError, match="has no map that its classes depend on; choose a layer by its name, such as"
    ):
        default_cam_layer(model)


def test_a_network_without_a_map_says_so(picture: np.ndarray) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 5))
    model = from_module(module, SMALL, LABELS, name="mlp", weights="random")
    with pytest.raises(ExplorerError, match="mlp has no layer with a map"):
        explorer.attribute(model, picture, 1, "grad_cam")
    assert np.abs(explorer.attribute(model, picture, 1).values).max() > 0


def test_a_layer_without_influence_is_named(picture: np.ndarray) -> None:
    class Aside(Branching):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            if self.second(y).mean() > 1e9:
                y = 2 * y
            return self.fc(y.mean((2, 3)))

    model = loaded(Aside)
    with pytest.raises(ExplorerError, match="'second' has no influence"):
        explorer.attribute(model, picture, 1, "grad_cam", layer="second")


def test_cam_at_every_layer(picture: np.ndarray) -> None:
    for network in (Plain, Branching):
        model = loaded(network)
        for layer in list_layers(model):
            found = explorer.attribute(model, picture, 2, "grad_cam", layer=layer.name)
            assert found.raw.shape == (1, *layer.shape[1:])
            act = explorer.capture_activations(model, picture, [layer.name])[layer.name].values
            assert channels_first(torch.from_numpy(act.copy())[None], layer).shape == layer.shape
    assert hooks_on(model.module) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("framing", ["crop", "stretch"])
def test_values_are_the_map_on_the_images_grid(picture: np.ndarray, method: str, framing: str) -> None:
    model = loaded(Plain)
    found = explorer.attribute(model, picture, 1, method, framing=framing, **QUICK)  # type: ignore[arg-type]
    assert found.values.shape == (90, 140)
    assert found.values.dtype == np.float32
    top, left, bottom, right = found.placement.seen
    assert (top, left, bottom, right) == ((5, 30, 85, 110) if framing == "crop" else (0, 0, 90, 140))
    placed = place(found.map, found.placement, 90, 140)
    np.testing.assert_allclose(
        found.values[top:bottom, left:right], placed[top:bottom, left:right], atol=1e-5 * np.abs(placed).max()
    )
    outside = np.ones((90, 140), bool)
    outside[top:bottom, left:right] = False
    assert not found.values[outside].any()
    picture_out = explorer.overlay(picture, found)
    np.testing.assert_array_equal(picture_out[outside], picture[outside])
    assert (picture_out != picture).any()


def test_signed_and_unsigned_scales(model: LoadedModel, picture: np.ndarray) -> None:
    for method in ("gradient", "grad_cam"):
        signed = explorer.attribute(model, picture, 7, method)  # type: ignore[arg-type]
        unsigned = explorer.attribute(model, picture, 7, method, signed=False)  # type: ignore[arg-type]
        (low, high), (zero, top) = signed.limits[0], unsigned.limits[0]
        assert low == -high
        assert zero == 0
        assert unsigned.values.min() >= 0
        if method == "grad_cam":
            assert high == pytest.approx(np.abs(signed.map).max())
            assert top == pytest.approx(max(float(signed.map.max()), 0))
        else:
            # A few pixels are far beyond all others, and the scale doesn't reach out for them.
            beyond = (np.abs(signed.map) > high).mean()
            assert 0 < beyond <= 1 - PIXEL_QUANTILE + 1e-3
            assert PIXEL_QUANTILE >= 0.98


# Two classes.


def test_the_difference_is_the_gradient_of_the_difference(model: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.compare_classes(model, picture, (243, 285), "gradient")
    batch = ready(model, picture)
    logits = model.module(batch)[0]
    difference = logits[243] - logits[285]
    (expected,) = torch.autograd.grad(difference, batch)
    close(found.difference.raw, expected[0])
    assert found.difference.logit == pytest.approx(difference.item(), abs=1e-5)
    assert (found.a.target, found.b.target) == (243, 285)


@pytest.mark.parametrize("method", METHODS)
def test_three_maps_on_one_scale(picture: np.ndarray, method: str) -> None:
    model = loaded(Plain)
    found = explorer.compare_classes(model, picture, ("class 1", 4), method, **QUICK)  # type: ignore[arg-type]
    a = explorer.attribute(model, picture, 1, method, **QUICK)  # type: ignore[arg-type]
    b = explorer.attribute(model, picture, 4, method, **QUICK)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.a.values, a.values)
    np.testing.assert_array_equal(found.b.values, b.values)
    np.testing.assert_allclose(found.difference.values, a.values - b.values, atol=1e-7)
    np.testing.assert_allclose(found.difference.map, a.map - b.map, atol=1e-7)
    ((low, high),) = found.limits
    assert low == -high
    for view in (found.a, found.b, found.difference):
        assert view.limits[0][1] <= high
    assert high in {view.limits[0][1] for view in (found.a, found.b, found.difference)}
    assert found.difference.signed
    assert found.difference.label == "class 1 − class 4"


def test_comparing_defaults_to_grad_cam_and_exchanging_turns_the_sign(
    model: LoadedModel, picture: np.ndarray
) -> None:
    one = explorer.compare_classes(model, picture, (243, 285))
    other = explorer.compare_classes(model, picture, (285, 243))
    assert one.a.method == "grad_cam"
    np.testing.assert_allclose(one.difference.values, -other.difference.values, atol=1e-7)
    assert one.limits == other.limits


def test_a_class_with_itself_is_refused(model: LoadedModel, picture: np.ndarray) -> None:
    with pytest.raises(ExplorerError, match="two different classes"):
        explorer.compare_classes(model, picture, (243, 243))
    with pytest.raises(ExplorerError, match="1000"):
        explorer.compare_classes(model, picture, (243, 1000))


# Progress.


@pytest.mark.parametrize("method", ["smooth_grad", "integrated_gradients", "occlusion"])
def test_progress_grows_to_one_and_may_cancel(picture: np.ndarray, method: str) -> None:
    class Cancelled(Exception):
        pass

    model = loaded(Plain)
    seen: list[float] = []
    explorer.attribute(model, picture, 1, method, samples=20, steps=20, on_progress=seen.append)  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1
    assert len(seen) > 2

    def cancel(share: float) -> None:
        if share > 0:
            raise Cancelled

    model.module.train()
    with pytest.raises(Cancelled):
        explorer.attribute(model, picture, 1, method, samples=20, steps=20, on_progress=cancel)  # type: ignore[arg-type]
    assert all(m.training for m in model.module.modules())
    assert torch.is_grad_enabled()
