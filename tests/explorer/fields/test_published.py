"""The table of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", Distill 2019.

Each row by a network with the same kernels and strides in the same order; how many channels it has doesn't matter.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
from torch import nn
from torchvision import models as zoo
from torchvision.models.resnet import Bottleneck, ResNet

import explorer
from explorer.networks.preprocessing import Preprocess

PX = 160
"""The field doesn't depend on the input; Inception needs at least 75."""


def with_the_stride_in_front(layers: tuple[int, int, int, int]) -> nn.Module:
    """A ResNet as first published, and as in the table: torchvision moved its strides from the 1×1 to the 3×3."""
    network = ResNet(Bottleneck, list(layers), num_classes=2, width_per_group=4)
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return network


def of_timm(name: str) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=2)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "AlexNet": lambda: zoo.alexnet(num_classes=2),
    "VGG-16": lambda: zoo.vgg16(num_classes=2),
    "ResNet-50": lambda: with_the_stride_in_front((3, 4, 6, 3)),
    "ResNet-101": lambda: with_the_stride_in_front((3, 4, 23, 3)),
    "ResNet-152": lambda: with_the_stride_in_front((3, 8, 36, 3)),
    "ResNet-200": lambda: with_the_stride_in_front((3, 24, 36, 3)),
    "Inception-v3": lambda: zoo.inception_v3(num_classes=2, init_weights=False, aux_logits=False),
    "Inception-v4": of_timm("inception_v4"),
    "Inception-ResNet-v2": of_timm("inception_resnet_v2"),
    "MobileNet-v1": of_timm("mobilenetv1_100"),
}

INCEPTION_V3 = {
    "Conv2d_1a_3x3": 3,
    "Conv2d_2a_3x3": 7,
    "Conv2d_2b_3x3": 11,
    "maxpool1": 15,
    "Conv2d_3b_1x1": 15,
    "Conv2d_4a_3x3": 23,
    "maxpool2": 31,
    "Mixed_5b": 63,
    "Mixed_5c": 95,
    "Mixed_5d": 127,
    "Mixed_6a": 159,
    "Mixed_6b": 351,
    "Mixed_6c": 543,
    "Mixed_6d": 735,
    "Mixed_6e": 927,
    "Mixed_7a": 1055,
    "Mixed_7b": 1183,
    "Mixed_7c": 1311,
}

# Of MobileNet's blocks: the depthwise convolution's, which its pointwise one has, too.
MOBILENET_V1 = [3, 7, 11, 19, 27, 43, 59, 91, 123, 155, 187, 219, 251, 315]


def published() -> dict[str, dict[str, int]]:
    blocks = [
        name for name, _ in timm.create_model("mobilenetv1_100").named_modules() if name.endswith("conv_pw")
    ]
    assert len(blocks) == 13
    return {
        "AlexNet": {"features": 195},
        "VGG-16": {"features": 212},
        "ResNet-50": {"layer4": 483},
        "ResNet-101": {"layer4": 1027},
        "ResNet-152": {"layer4": 1507},
        "ResNet-200": {"layer4": 1763},
        "Inception-v3": INCEPTION_V3,
        "Inception-v4": {"features": 2071},
        "Inception-ResNet-v2": {"conv2d_7b": 3039},
        "MobileNet-v1": dict(zip(["conv_stem", *blocks], MOBILENET_V1, strict=True)),
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_fields_are_those_published(name: str) -> None:
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(NETWORKS[name](), preprocess, ["a", "b"], name=name, weights="random")
    expected = published()[name]
    found = {layer: explorer.receptive_field(model, layer) for layer in expected}
    assert {layer: field.local_size for layer, field in found.items()} == {
        layer: (size, size) for layer, size in expected.items()
    }
    assert {field.source for field in found.values()} == {"worked out"}
