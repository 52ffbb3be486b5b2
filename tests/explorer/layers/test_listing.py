"""Layers: torchvision's own names and values, in order; and networks that trip up those who look into them."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as zoo
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import explorer
from explorer.errors import ExplorerError
from explorer.layers.listing import (
    GraphTrace,
    HookTrace,
    channels_first,
    find_layer,
    list_layers,
    stages,
    trace,
)
from explorer.networks.load import LoadedModel, from_module
from tests.conftest import SMALL, random_image
from tests.explorer.networks.test_hooks import hooks_on
from tests.sample_networks import IN_PLACE, LABELS, Branching, LateBranch, ModulesInAList, Plain, loaded

FAMILIES = [
    "alexnet",
    "vgg11",
    "resnet18",
    "densenet121",
    "googlenet",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "mnasnet0_5",
    "regnet_y_400mf",
    "efficientnet_b0",
    "efficientnet_lite0",
    "convnext_tiny",
    "vit_b_32",
    "swin_t",
    "maxvit_t",
]


@cache
def of_random_weights(name: str) -> LoadedModel:
    """Built once for all tests here: a transformer takes seconds to fill with random numbers."""
    return explorer.load_model(name, weights=None)


def raw(model: LoadedModel, names: list[str], image: np.ndarray) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return trace(model).run(model.preprocess(image), names)


def graph_names(module: nn.Module) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # train mode's nodes differ; we ask for eval mode's
        return get_graph_node_names(module)[1]


# ResNet-18, the sheet's network.


def test_names_are_torchvisions_in_execution_order(resnet18: LoadedModel) -> None:
    names = [layer.name for layer in list_layers(resnet18)]
    assert names == graph_names(zoo.resnet18(weights=None))[1:]  # without the input
    assert names[:4] == ["conv1", "bn1", "relu", "maxpool"]
    assert "layer1.0.relu_1" in names
    assert "layer1.0.add" in names


def test_shapes_and_kinds(resnet18: LoadedModel) -> None:
    # Stride 2 in the first convolution, 2 in the pooling, and 2 at the start of layers 2 to 4.
    expected = {
        "conv1": ("Conv2d", (64, 224 // 2, 224 // 2)),
        "maxpool": ("MaxPool2d", (64, 224 // 4, 224 // 4)),
        "layer1.0.add": ("add", (64, 224 // 4, 224 // 4)),
        "layer2.1.relu_1": ("ReLU", (128, 224 // 8, 224 // 8)),
        "layer3.0.downsample.0": ("Conv2d", (256, 224 // 16, 224 // 16)),
        "layer4.1.bn2": ("BatchNorm2d", (512, 224 // 32, 224 // 32)),
        "avgpool": ("AdaptiveAvgPool2d", (512, 1, 1)),
        "fc": ("Linear", (1000, 1, 1)),
    }
    for name, (kind, shape) in expected.items():
        layer = find_layer(resnet18, name)
        assert (layer.kind, layer.shape) == (kind, shape), name
        assert layer.size_bytes == 4 * np.prod(shape)
        assert layer.is_map == (shape[1] > 1)


def test_all_values_are_those_of_a_network_that_writes_nothing_in_place(small_resnet18: LoadedModel) -> None:
    twin = zoo.resnet18(weights=None).eval()
    twin.load_state_dict(small_resnet18.module.state_dict())
    for module in twin.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    names = [layer.name for layer in list_layers(small_resnet18)]
    batch = small_resnet18.preprocess(random_image(0))
    ours = raw(small_resnet18, names, random_image(0))
    with torch.no_grad():
        theirs = create_feature_extractor(twin, {n: n for n in names}, suppress_diff_warning=True)(batch)
        # Even there, ``out += identity`` writes into bn2's output: run up to bn2 alone.
        alone = {
            n: create_feature_extractor(twin, {n: n}, suppress_diff_warning=True)(batch)[n]
            for n in names
            if n.endswith((".bn2", "downsample.1"))
        }
    for name in names:
        expected = alone.get(name, theirs[name])
        assert torch.allclose(ours[name], expected, atol=1e-5), name


def test_captured_is_before_relu_and_before_the_addition(small_resnet18: LoadedModel) -> None:
    image = random_image(0)
    names = ["bn1", "relu", "layer1.0.bn1", "layer1.0.bn2", "layer1.0.add", "layer1.0.relu_1", "maxpool"]
    seen = raw(small_resnet18, names, image)
    for name in ("bn1", "layer1.0.bn1", "layer1.0.bn2", "layer1.0.add"):
        assert seen[name].min() < 0, name
    assert torch.equal(seen["relu"], seen["bn1"].clamp(min=0))
    assert torch.allclose(seen["layer1.0.add"], seen["layer1.0.bn2"] + seen["maxpool"])
    assert not torch.allclose(seen["layer1.0.add"], seen["layer1.0.bn2"])
    assert torch.equal(seen["layer1.0.relu_1"], seen["layer1.0.add"].clamp(min=0))


def test_what_is_captured_does_not_depend_on_what_else_is(small_resnet18: LoadedModel) -> None:
    image = random_image(0)
    names = [layer.name for layer in list_layers(small_resnet18)]
    together = raw(small_resnet18, names, image)
    for name in ("bn1", "layer1.0.bn2", "layer2.0.downsample.1", "layer4.1.add", "fc"):
        assert torch.equal(raw(small_resnet18, [name], image)[name], together[name])


# Every family.


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_taken_apart(name: str) -> None:
    model = of_random_weights(name)
    taken_apart = trace(model)
    assert isinstance(taken_apart, GraphTrace)
    image = random_image(0, 300, 400)
    names = list(taken_apart.layers)
    seen = raw(model, [*names, taken_apart.output], image)
    with torch.no_grad():
        assert torch.allclose(seen[taken_apart.output], model.module(model.preprocess(image)), atol=1e-5)
    for layer in taken_apart.layers.values():
        assert tuple(channels_first(seen[layer.name], layer).shape) == layer.shape
    # Every convolution of the network is among the layers, under its own name.
    convolutions = {
        path
        for path, m in model.module.named_modules()
        if isinstance(m, nn.Conv2d) and not is_training_head(path)
    }
    missing = {c for c in convolutions if c not in taken_apart.layers}
    assert not missing
    kinds = {path: type(m).__name__ for path, m in model.module.named_modules()}
    assert all(
        layer.kind == kinds[layer.name] for layer in taken_apart.layers.values() if layer.name in kinds
    )
    assert 3 <= len(stages(model)) <= 8
    assert hooks_on(model.module) == 0


def is_training_head(path: str) -> bool:
    return path.startswith(("aux1.", "aux2.", "AuxLogits."))


def test_transformers_show_their_tokens_on_the_image() -> None:
    model = of_random_weights("vit_b_32")
    # 224 / 32 = 7 patches a side, 768 channels; the class token has no place.
    layer = find_layer(model, "encoder.layers.encoder_layer_3.mlp.4")
    assert layer.shape == (768, 7, 7)
    assert layer.layout == "class_and_tokens"
    image = random_image(0, 300, 400)
    output = raw(model, [layer.name], image)[layer.name]
    assert output.shape == (1, 1 + 49, 768)
    placed = channels_first(output, layer)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        assert torch.equal(placed[:, row, column], output[0, 1 + 7 * row + column])


def test_channels_last_is_turned_round() -> None:
    model = of_random_weights("swin_t")
    layer = find_layer(model, "features.3.0.add")
    assert layer.layout == "channels_last"
    assert layer.shape == (192, 28, 28)
    output = raw(model, [layer.name], random_image(0, 300, 400))[layer.name]
    assert torch.equal(channels_first(output, layer)[:, 3, 8], output[0, 3, 8])


# Names.


class Numbered(nn.Module):
    """Modules whose own names look like second calls, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(3, 4, 3)
        self.conv_2 = nn.Conv2d(4, 4, 3)
        self.relu = nn.ReLU()
        self.relu_1 = nn.Tanh()
        self.fc = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv_2(self.relu(self.conv_1(x))))
        return self.fc(self.relu_1(x).mean((2, 3)))


class NumberedBranching(Numbered):
    """The same, untraceable."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() < 1e9 else x


@pytest.mark.parametrize("network", [Numbered, NumberedBranching])
def test_a_modules_name_means_that_module(network: type[Numbered]) -> None:
    model = loaded(network)
    names = [layer.name for layer in list_layers(model)]
    assert names[:5] == ["conv_1", "relu", "conv_2", "relu_2", "relu_1"]
    seen = raw(model, names, random_image(0))
    with torch.no_grad():
        first = model.module.conv_1(model.preprocess(random_image(0)))
    assert torch.equal(seen["conv_1"], first)
    assert torch.equal(seen["relu_1"], seen["relu_2"].tanh())


def test_transformer_norms_keep_their_names() -> None:
    # torchvision calls ln_1 "ln" and ln_2 "ln_1".
    model = of_random_weights("vit_b_32")
    block = "encoder.layers.encoder_layer_0"
    names = [f"{block}.ln_1", f"{block}.add", f"{block}.ln_2"]
    seen = raw(model, names, random_image(0, 300, 400))
    with torch.no_grad():
        norm = model.module.get_submodule(f"{block}.ln_2")
        assert torch.allclose(seen[f"{block}.ln_2"], norm(seen[f"{block}.add"]), atol=1e-6)


@pytest.mark.parametrize("name", ["densenet121", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_names_are_torchvisions_or_inside_what_it_leaves_closed(name: str) -> None:
    theirs = graph_names(zoo.get_model(name, weights=None))
    positions = {n: i for i, n in enumerate(theirs)}
    found = []
    for layer in list_layers(of_random_weights(name)):
        known = layer.name
        while known not in positions:
            known, dot, _ = known.rpartition(".")
            assert dot, layer.name
        found.append(positions[known])
    assert found == sorted(found)


def test_a_modules_name_means_its_last_step(resnet18: LoadedModel) -> None:
    assert find_layer(resnet18, "layer1").name == "layer1.1.relu_1"
    assert find_layer(resnet18, "layer1.0").name == "layer1.0.relu_1"
    assert find_layer(resnet18, "layer2.0.downsample").name == "layer2.0.downsample.1"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("layr4", "layer4"), ("layer1.0.relu1", "layer1.0.relu"), ("layer1.0.conv_1", "layer1.0.conv1")],
)
def test_an_unknown_layer_gets_the_nearest(resnet18: LoadedModel, name: str, meant: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        find_layer(resnet18, name)
    assert str(caught.value).startswith(f"layer {name!r} is not in resnet18;")
    assert repr(meant) in caught.value.remedy
    assert "explorer.list_layers(model)" in caught.value.remedy


@pytest.mark.parametrize("name", ["", ".", "layer1.", "layer", "zzzzzz"])
def test_odd_names_are_unknown(resnet18: LoadedModel, name: str) -> None:
    with pytest.raises(ExplorerError, match="is not in resnet18"):
        find_layer(resnet18, name)


# Networks that write into their own tensors, branch, or hide.


@pytest.mark.parametrize("network", IN_PLACE)
def test_writing_in_place_changes_neither_outputs_nor_captures(network: type[Plain]) -> None:
    model = loaded(network)
    image = random_image(1)
    with torch.no_grad():
        batch = model.preprocess(image)
        logits = model.module(batch)
        first = model.module.first(batch)
    taken_apart = trace(model)
    seen = raw(model, ["first", "second", taken_apart.output], image)
    assert torch.equal(seen["first"], first)
    assert torch.allclose(seen[taken_apart.output], logits, atol=1e-6)
    start, output = taken_apart.run_from(model.preprocess(image), "first")
    assert torch.equal(start, first)
    assert torch.allclose(output, logits, atol=1e-6)


@pytest.mark.parametrize("network", [Branching, ModulesInAList])
def test_what_no_graph_can_tell_is_read_by_hooks(network: type[Plain]) -> None:
    model = loaded(network)
    assert isinstance(trace(model), HookTrace)
    image = random_image(1)
    seen = raw(model, ["first", "second", "output"], image)
    with torch.no_grad():
        assert torch.equal(seen["output"], model.module(model.preprocess(image)))
    assert hooks_on(model.module) == 0


def test_an_untraceable_networks_layers() -> None:
    layers = list_layers(loaded(Branching))
    assert [(layer.name, layer.kind) for layer in layers] == [
        ("first", "Conv2d"),
        ("relu", "ReLU"),
        ("second", "Conv2d"),
        ("relu_1", "ReLU"),
        ("fc", "Linear"),
        ("output", "Branching"),
    ]
    # (64 - 3) // 2 + 1 = 31, and (31 - 3) // 2 + 1 = 15.
    assert [layer.shape for layer in layers][:4] == [(4, 31, 31)] * 2 + [(4, 15, 15)] * 2


def test_containers_of_an_untraceable_network_are_layers_too() -> None:
    class Nested(Branching):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Tanh())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.block(self.first(x))
            return self.fc(x[:, :4].mean((2, 3))) if x.sum() < 1e9 else x

    model = loaded(Nested)
    seen = raw(model, ["block", "block.1"], random_image(0))
    assert torch.equal(seen["block"], seen["block.1"])


def test_a_module_called_output_does_not_hide_the_networks_own() -> None:
    class Output(Branching):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(5, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self.output(super().forward(x))

    model = loaded(Output)
    seen = raw(model, ["output", trace(model).output], random_image(0))
    assert torch.allclose(2 * seen["output"], seen[trace(model).output])


def test_a_branch_may_go_back_to_a_larger_map() -> None:
    class TwoBranches(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.coarse, self.relu = nn.Conv2d(4, 4, 3, stride=4), nn.ReLU()
            self.fine = nn.Conv2d(4, 4, 3, padding=1)

        def between(self, x: torch.Tensor) -> torch.Tensor:
            return self.coarse(x).mean() + self.fine(self.relu(x))

    class Untraceable(TwoBranches):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return super().between(x) if x.sum() < 1e9 else x

    for network, kind in ((TwoBranches, GraphTrace), (Untraceable, HookTrace)):
        model = loaded(network)
        assert isinstance(trace(model), kind)
        shapes = {layer.name: layer.shape for layer in list_layers(model)}
        assert shapes["first"] == (4, 31, 31)
        assert shapes["coarse"] == (4, 8, 8)
        assert shapes["relu"] == shapes["fine"] == (4, 31, 31)


def test_attention_matrices_are_no_maps() -> None:
    class Attention(Plain):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            tokens = torch.nn.functional.adaptive_avg_pool2d(x, 5).flatten(2).transpose(1, 2)  # (1, 25, 4)
            weights = (tokens @ tokens.transpose(1, 2))[:, None]  # (1, 1, 25, 25)
            mixed = weights.softmax(-1)[:, 0] @ tokens
            return mixed.transpose(1, 2).reshape(1, 4, 5, 5)

    layers = {layer.name: layer for layer in list_layers(loaded(Attention))}
    assert layers["adaptive_avg_pool2d"].shape == (4, 5, 5)
    assert "softmax" not in layers
    assert layers["transpose"].layout == "tokens"
    assert layers["transpose"].shape == (4, 5, 5)
    assert layers["reshape"].shape == (4, 5, 5)


# What taking a network apart leaves behind, and many at once.


def test_taking_apart_leaves_modes_weights_and_the_callers_setting(small_resnet18: LoadedModel) -> None:
    module = zoo.resnet18(weights=None)
    model = from_module(module, SMALL, LABELS, name="resnet18", weights="random")
    module.train()
    module.layer2.eval()
    flags = {path: m.training for path, m in module.named_modules()}
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with torch.inference_mode():
        list_layers(model)
    assert {path: m.training for path, m in module.named_modules()} == flags
    after = module.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert torch.is_grad_enabled()


def test_a_network_taken_apart_under_inference_mode_still_gives_gradients() -> None:
    class Constant(Plain):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.tensor(2.0)

    model = loaded(Constant)
    with torch.inference_mode():
        list_layers(model)
    assert isinstance(trace(model), GraphTrace)
    found = explorer.attribute(model, random_image(0), 1, "grad_cam", layer="first")
    assert np.abs(found.raw).max() > 0


def test_a_network_is_taken_apart_once_and_by_its_own_identity() -> None:
    one, other = loaded(Plain), loaded(Plain)
    assert trace(one) is trace(one)
    assert trace(one) is not trace(other)
    narrow = from_module(zoo.resnet18(weights=None), SMALL, LABELS, name="net", weights="random")
    wide = from_module(zoo.resnet34(weights=None), SMALL, LABELS, name="net", weights="random")
    assert len(list_layers(narrow)) < len(list_layers(wide))


def test_taking_a_network_apart_does_not_disturb_those_that_run(small_resnet18: LoadedModel) -> None:
    # torch.fx patches nn.Module for the whole process while it traces.
    image = random_image(0)
    shared = small_resnet18.module
    other = loaded(Branching)
    expected = [explorer.predict(small_resnet18, image), explorer.predict(other, image)]
    done = threading.Event()

    def keep_running() -> list[Any]:
        answers = []
        while not done.is_set():
            answers.append([explorer.predict(small_resnet18, image), explorer.predict(other, image)])
        return answers

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(keep_running) for _ in range(2)]
        try:
            # A network of its own, and the very module that the others are running.
            for module in (zoo.resnet18(), shared, shared, shared):
                model = from_module(module, SMALL, LABELS, name="resnet18", weights="random")
                assert len(list_layers(model)) == 69
        finally:
            done.set()
        for result in results:
            answers = result.result(60)
            assert answers
            assert all(answer == expected for answer in answers)


def test_many_threads_may_take_the_same_network_apart() -> None:
    model = loaded(Plain)
    start = threading.Barrier(16, timeout=30)

    def selection() -> list[str]:
        start.wait()
        return [layer.name for layer in list_layers(model)]

    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(selection) for _ in range(16)]
        assert {tuple(f.result(60)) for f in found} == {("first", "tanh", "second", "mean", "fc")}


def test_a_path_that_depends_on_the_image_may_leave_a_layer_out() -> None:
    model = loaded(LateBranch)
    bright, dark = np.full((70, 90, 3), 255, np.uint8), np.zeros((70, 90, 3), np.uint8)
    assert "second" in explorer.capture_activations(model, bright)
    assert "second" not in explorer.capture_activations(model, dark)
    for ask in (
        lambda: explorer.capture_activations(model, dark, ["second"]),
        lambda: explorer.attribute(model, dark, 1, "grad_cam", layer="second"),
    ):
        with pytest.raises(ExplorerError, match="'second' is not run for this image"):
            ask()


def test_the_film_strip_tells_the_story_from_first_to_last(resnet18: LoadedModel) -> None:
    listed = stages(resnet18)
    assert [layer.name for layer in listed][-4:] == [
        "layer1.1.relu_1",
        "layer2.1.relu_1",
        "layer3.1.relu_1",
        "layer4.1.relu_1",
    ]
    positions = [layer.name for layer in list_layers(resnet18)]
    order = [positions.index(layer.name) for layer in listed]
    assert order == sorted(order)
    assert all(layer.is_map for layer in listed)


def test_a_network_that_flattens_at_once_has_no_film_strip():
    flat = loaded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 5)))
    assert stages(flat) == []
    pooled = loaded(lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 32 * 32, 5)))
    assert [layer.kind for layer in stages(pooled)] == ["MaxPool2d"]


def test_maps_that_are_not_square_and_maps_that_grow():
    """Unequal strides make maps uneven, wide padding makes them grow: both stay maps, steps between included."""
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=(2, 1), padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 5, 2, padding=3),
        nn.BatchNorm2d(5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    preprocess = explorer.Preprocess(resize_px=32, crop_px=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    model = explorer.from_module(module, preprocess, list("abcde"), name="uneven", weights="random")
    shapes = {layer.name: layer.shape for layer in explorer.list_layers(model)}
    assert shapes == {
        "0": (8, 16, 32),
        "1": (8, 16, 32),
        "2": (5, 21, 37),
        "3": (5, 21, 37),
        "4": (5, 1, 1),
        "5": (5, 1, 1),
    }
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    seen = explorer.capture_activations(model, image, ["1"])["1"]
    with torch.no_grad():
        expected = module[1](module[0](model.preprocess(image)))[0]
    np.testing.assert_allclose(seen.values, expected, atol=1e-6)
    assert explorer.receptive_field(model, "1").stride == (2, 1)


def test_a_graph_keeps_no_tensor_in_memory() -> None:
    """Its notes are of shapes and sizes: the rehearsal's activations go with it, those of steps with several, too."""

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first, second = self.conv(x).chunk(2, 1)
            return self.head((first * second).mean((2, 3)))

    model = from_module(Halves(), SMALL, LABELS, name="halves", weights="random")
    taken = trace(model)
    assert isinstance(taken, GraphTrace)
    kept = [node.name for node in taken.graph.nodes for note in node.meta.values() if holds_a_tensor(note)]
    assert kept == []


def holds_a_tensor(note: object) -> bool:
    if isinstance(note, tuple | list):
        return any(holds_a_tensor(part) for part in note)
    return isinstance(note, torch.Tensor)
