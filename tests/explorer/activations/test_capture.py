"""Activations: one forward pass, true values, nothing left behind, and never another user's image."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

import explorer
from explorer.activations.capture import ActivationCache, capture_all
from explorer.errors import ExplorerError
from explorer.fields.theoretical import receptive_fields
from explorer.layers.listing import list_layers
from explorer.networks.load import LoadedModel, from_module
from explorer.networks.preprocessing import Preprocess
from tests.conftest import random_image
from tests.explorer.networks.test_hooks import hooks_on
from tests.sample_networks import LABELS, Branching, Plain, loaded


@contextmanager
def forward_passes(model: LoadedModel) -> Iterator[list[int]]:
    """Counts how often the first convolution runs, with how many images."""
    first = next(m for m in model.module.modules() if isinstance(m, nn.Conv2d))
    runs: list[int] = []
    plain = first.forward

    def counted(x: torch.Tensor) -> torch.Tensor:
        runs.append(len(x))
        return plain(x)

    first.forward = counted  # type: ignore[method-assign]
    try:
        yield runs
    finally:
        del first.forward


def test_the_sheets_question(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    receptive_fields(small_resnet18)  # taken apart, and its fields checked: once per network
    with forward_passes(small_resnet18) as runs:
        found = explorer.capture_activations(small_resnet18, picture, ["bn1", "layer2.0", "fc"])
    assert runs == [1]
    assert list(found) == ["bn1", "layer2.0", "fc"]
    assert found["bn1"].shape == (64, 32, 32)
    assert found["bn1"].values.dtype == np.float32
    assert found["bn1"].values.min() < 0
    assert found["layer2.0"].layer == "layer2.0.relu_1"
    assert found["layer2.0"].shape == (128, 8, 8)
    assert found["fc"].shape == (1000, 1, 1)
    module = small_resnet18.module
    with torch.no_grad():
        batch = small_resnet18.preprocess(picture)
        expected = module.bn1(module.conv1(batch))[0].numpy()
        logits = module(batch)[0].numpy()
    np.testing.assert_allclose(found["bn1"].values, expected, atol=1e-5)
    np.testing.assert_allclose(found["fc"].values[:, 0, 0], logits, atol=1e-4)


def test_all_layers_by_default(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.capture_activations(small_resnet18, picture)
    layers = list_layers(small_resnet18)
    assert list(found) == [layer.name for layer in layers]
    assert [a.shape for a in found.values()] == [layer.shape for layer in layers]
    assert [a.kind for a in found.values()] == [layer.kind for layer in layers]


def test_the_same_layer_twice_is_fine(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.capture_activations(small_resnet18, picture, ["layer1", "layer1.1.relu_1"])
    np.testing.assert_array_equal(found["layer1"].values, found["layer1.1.relu_1"].values)


def test_no_layer_at_all(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    assert explorer.capture_activations(small_resnet18, picture, []) == {}


def test_an_unknown_layer_costs_no_forward_pass(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    list_layers(small_resnet18)
    with forward_passes(small_resnet18) as runs, pytest.raises(ExplorerError, match="did you mean 'layer4'"):
        explorer.capture_activations(small_resnet18, picture, ["layer1", "layr4"])
    assert runs == []


def test_captured_values_can_not_be_written_to(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    found = explorer.capture_activations(small_resnet18, picture, ["conv1"])["conv1"]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 0


def test_framing_reaches_the_network(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    crop = explorer.capture_activations(small_resnet18, picture, ["conv1"])["conv1"]
    stretched = explorer.capture_activations(small_resnet18, picture, ["conv1"], framing="stretch")["conv1"]
    with torch.no_grad():
        expected = small_resnet18.module.conv1(small_resnet18.preprocess(picture, "stretch"))[0].numpy()
    np.testing.assert_allclose(stretched.values, expected, atol=1e-5)
    assert not np.allclose(crop.values, stretched.values)
    assert crop.placement.scale[0] == crop.placement.scale[1]
    assert stretched.placement.scale[0] != stretched.placement.scale[1]


def test_a_unit_lies_on_the_image_pixel_under_its_centre(small_resnet18: LoadedModel) -> None:
    # 90×140 → short side 72 → 72×112; 64 px cut out of the middle from (4, 24). A cell of the input is
    # 90/72 = 1.25 px wide. Unit i of conv1 (7 wide, stride 2, padding 3) is centred on input cell 2i, one of
    # layer2 (stride 8) on 8i.
    placement = explorer.capture_activations(small_resnet18, random_image(0, 90, 140), ["conv1", "layer2"])
    conv1, layer2 = placement["conv1"].placement, placement["layer2"].placement
    for i, j in ((0, 0), (3, 5)):
        assert conv1.to_image(i, j) == pytest.approx(
            ((4 + 2 * i + 0.5) * 1.25 - 0.5, (24 + 2 * j + 0.5) * 1.25 - 0.5)
        )
        assert layer2.to_image(i, j) == pytest.approx(
            ((4 + 8 * i + 0.5) * 1.25 - 0.5, (24 + 8 * j + 0.5) * 1.25 - 0.5)
        )
    assert conv1.seen == (5, 30, 85, 110)


class Fails(Branching):
    """Stops half way when the image is black."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        if x.isnan().any():
            raise RuntimeError("half way")
        return self.fc(self.second(x).mean((2, 3)))


def state_of(model: LoadedModel) -> dict[str, object]:
    module = model.module
    return {
        "modes": [m.training for m in module.modules()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "grad": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "values": [v.clone() for v in module.state_dict().values()],
        "hooks": hooks_on(module),
        "attributes": sorted(vars(module)),
    }


def assert_unchanged(model: LoadedModel, before: dict[str, object]) -> None:
    after = state_of(model)
    for key in ("modes", "requires_grad", "hooks", "attributes"):
        assert after[key] == before[key], key
    for key in ("grad", "values"):
        for one, other in zip(after[key], before[key], strict=True):  # type: ignore[call-overload]
            assert one is None if other is None else torch.equal(one, other), key


@pytest.mark.parametrize("kind", ["graph", "hooks"])
def test_nothing_is_left_behind(kind: str, picture: np.ndarray) -> None:
    model = loaded(Plain if kind == "graph" else Branching)
    model.module.train()
    model.module.first.eval()
    for p in model.module.parameters():
        p.requires_grad_()
        p.grad = torch.ones_like(p)
    before = state_of(model)
    gc.collect()
    graphs = live_graphs()
    explorer.capture_activations(model, picture)
    explorer.predict(model, picture)
    for method in ("gradient", "grad_cam", "integrated_gradients", "occlusion"):
        explorer.attribute(model, picture, 1, method)  # type: ignore[arg-type]
    assert_unchanged(model, before)
    gc.collect()
    assert live_graphs() == graphs
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_train_mode_is_neither_used_nor_lost(small_resnet18: LoadedModel, picture: np.ndarray) -> None:
    expected = explorer.capture_activations(small_resnet18, picture, ["bn1", "layer3"])
    module = small_resnet18.module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    module.train()
    module.layer2.eval()
    flags = [m.training for m in module.modules()]
    try:
        found = explorer.capture_activations(small_resnet18, picture, ["bn1", "layer3"])
        cached = ActivationCache().capture(small_resnet18, picture)
        assert [m.training for m in module.modules()] == flags
    finally:
        module.eval()
    for name in ("bn1", "layer3"):
        np.testing.assert_array_equal(found[name].values, expected[name].values)
    np.testing.assert_array_equal(cached.activations["bn1"].values, expected["bn1"].values)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def live_graphs() -> int:
    """Tensors in memory that hold on to a graph."""
    return sum(1 for o in gc.get_objects() if type(o) is torch.Tensor and o.grad_fn is not None)


def test_nothing_is_left_behind_after_a_failure(picture: np.ndarray) -> None:
    model = loaded(Fails)
    list_layers(model)
    model.module.train()
    model.module.relu.eval()
    with torch.no_grad():
        model.module.first.weight.fill_(float("nan"))
    before = state_of(model)
    for what in (
        lambda: explorer.capture_activations(model, picture),
        lambda: explorer.predict(model, picture),
        lambda: explorer.attribute(model, picture, 0),
        lambda: explorer.attribute(model, picture, 0, "grad_cam", layer="first"),
    ):
        with pytest.raises(RuntimeError, match="half way"):
            what()
        after = state_of(model)
        assert (after["modes"], after["hooks"]) == (before["modes"], before["hooks"])


@pytest.mark.parametrize("kind", ["graph", "hooks"])
def test_thirty_two_at_once_get_what_each_would_get_alone(kind: str, small_resnet18: LoadedModel) -> None:
    model = small_resnet18 if kind == "graph" else loaded(Branching)
    layer = "layer2" if kind == "graph" else "relu_1"
    images = [random_image(seed, 60 + seed, 110 - seed) for seed in range(32)]

    def ask(i: int) -> list[np.ndarray]:
        found = explorer.capture_activations(model, images[i], ["bn1" if kind == "graph" else "first", layer])
        gradient = explorer.attribute(model, images[i], i % 5)
        cam = explorer.attribute(model, images[i], i % 5, "grad_cam", layer=layer)
        best = explorer.predict(model, images[i])
        return [
            *(a.values for a in found.values()),
            gradient.values,
            cam.values,
            np.array([(p.index, p.probability) for p in best]),
        ]

    alone = [ask(i) for i in range(32)]
    assert not np.array_equal(alone[0][0], alone[1][0])
    start = threading.Barrier(32, timeout=60)

    def ask_together(i: int) -> list[np.ndarray]:
        start.wait()
        return ask(i)

    with ThreadPoolExecutor(32) as pool:
        for i, mine in enumerate(pool.map(ask_together, range(32))):
            for one, expected in zip(mine, alone[i], strict=True):
                np.testing.assert_array_equal(one, expected)
    assert hooks_on(model.module) == 0


def test_thirty_two_first_visitors_of_a_new_network() -> None:
    model = loaded(Plain, seed=9)
    twin = loaded(Plain, seed=9)
    images = [random_image(seed) for seed in range(32)]
    expected = [explorer.capture_activations(twin, image)["second"].values for image in images]
    start = threading.Barrier(32, timeout=60)

    def ask(image: np.ndarray) -> np.ndarray:
        start.wait()
        return explorer.capture_activations(model, image)["second"].values

    with ThreadPoolExecutor(32) as pool:
        for mine, other in zip(pool.map(ask, images), expected, strict=True):
            np.testing.assert_array_equal(mine, other)


# The cache.


def test_another_layer_of_the_same_image_needs_no_forward_pass(
    small_resnet18: LoadedModel, picture: np.ndarray
) -> None:
    list_layers(small_resnet18)
    cache = ActivationCache()
    with forward_passes(small_resnet18) as runs:
        first = cache.capture(small_resnet18, picture, ["layer1"])
        second = cache.capture(small_resnet18, picture.copy(), ["bn1", "layer4.1.add"])
        cache.capture(small_resnet18, picture)
    assert runs == [1]
    assert second is first
    assert set(first.activations) == {layer.name for layer in list_layers(small_resnet18)}
    with torch.no_grad():
        logits = small_resnet18.module(small_resnet18.preprocess(picture))[0].numpy()
    np.testing.assert_allclose(first.logits, logits, atol=1e-4)
    assert cache.used_bytes == first.size_bytes


def test_another_image_framing_or_network_is_another_pass(
    small_resnet18: LoadedModel, picture: np.ndarray
) -> None:
    cache = ActivationCache()
    other_image = picture.copy()
    other_image[0, 0, 0] ^= 1
    found = [
        cache.capture(small_resnet18, picture),
        cache.capture(small_resnet18, other_image),
        cache.capture(small_resnet18, picture, framing="stretch"),
    ]
    assert len({id(f) for f in found}) == 3
    # Two networks of the same class and name: the cache goes by identity.
    one, two = loaded(Plain, seed=0), loaded(Plain, seed=1)
    a, b = cache.capture(one, picture), cache.capture(two, picture)
    assert not np.allclose(a.logits, b.logits)


def test_the_networks_own_framing_is_the_default(picture: np.ndarray) -> None:
    own = Preprocess(resize_px=64, crop_px=64, mean=(0.5,) * 3, std=(0.5,) * 3, framing="stretch")
    model = from_module(Plain(), own, LABELS, name="stretched", weights="random")
    cached = ActivationCache().capture(model, picture).activations["first"]
    np.testing.assert_array_equal(cached.values, explorer.capture_activations(model, picture)["first"].values)
    assert cached.placement.seen == (0, 0, 90, 140)


def test_beyond_half_the_budget_only_stages_and_what_is_asked_for_are_kept(
    small_resnet18: LoadedModel, picture: np.ndarray
) -> None:
    whole = capture_all(small_resnet18, picture)
    cache = ActivationCache(budget_bytes=int(1.5 * whole.size_bytes))
    with forward_passes(small_resnet18) as runs:
        first = cache.capture(small_resnet18, picture, ["bn1"])
        assert "bn1" in first.activations
        assert "layer4.1.relu_1" in first.activations  # a stage
        assert "layer1.0.bn1" not in first.activations
        assert runs == [1]
        second = cache.capture(small_resnet18, picture, ["layer1.0.bn1"])
        assert runs == [1, 1]
        assert {"bn1", "layer1.0.bn1"} <= set(second.activations)
        cache.capture(small_resnet18, picture, ["bn1", "layer1.0.bn1"])
        assert runs == [1, 1]
    np.testing.assert_array_equal(
        second.activations["layer1.0.bn1"].values, whole.activations["layer1.0.bn1"].values
    )


def test_many_images_keep_to_the_budget(picture: np.ndarray) -> None:
    model = loaded(Plain)
    size = capture_all(model, picture).size_bytes
    cache = ActivationCache(budget_bytes=5 * size)
    for seed in range(12):
        cache.capture(model, random_image(seed), ["second"])
        assert cache.used_bytes <= 5 * size
    with forward_passes(model) as runs:
        cache.capture(model, random_image(11), ["first"])
        assert runs == []
        cache.capture(model, random_image(0), ["first"])
        assert runs == [1]


def test_an_unknown_layer_leaves_the_cache_as_it_was(
    small_resnet18: LoadedModel, picture: np.ndarray
) -> None:
    cache = ActivationCache()
    before = cache.capture(small_resnet18, picture)
    with pytest.raises(ExplorerError, match="layr4"):
        cache.capture(small_resnet18, picture, ["layr4"])
    assert cache.capture(small_resnet18, picture) is before


def test_many_threads_and_one_image_make_one_pass(picture: np.ndarray) -> None:
    model = loaded(Plain)
    receptive_fields(model)
    cache = ActivationCache()
    start = threading.Barrier(16, timeout=30)

    def ask() -> object:
        start.wait()
        return cache.capture(model, picture, ["second"])

    with forward_passes(model) as runs, ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(ask) for _ in range(16)]
        assert len({id(a.result(30)) for a in answers}) == 1
    assert runs == [1]
