"""Stacks to start from: the exercise sheet's two, and the ways through well-known networks."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.fields.stack import StackLayer, conv, max_pool


@dataclass(frozen=True)
class StackPreset:
    """A stack, the side of the square input it is made for, and what it is there to show."""

    name: str
    shows: str
    layers: tuple[StackLayer, ...]
    input_px: int


def presets() -> dict[str, StackPreset]:
    """By name, the sheet's first."""
    made = [
        StackPreset(
            "Sheet: three 3×3, stride 1",
            "With stride 1 each 3×3 layer adds 2 pixels.",
            tuple(conv(3, name=f"conv{i}") for i in (1, 2, 3)),
            32,
        ),
        StackPreset(
            "Sheet: two 4×4, stride 2",
            "The second layer's 3 steps are 2 pixels wide each, since the first has stride 2.",
            tuple(conv(4, stride=2, name=f"conv{i}") for i in (1, 2)),
            32,
        ),
        StackPreset(
            "Dilated: 1, 2, 4, 8",
            "Doubling the dilation doubles each layer's part: the field grows exponentially, without stride.",
            tuple(conv(3, padding=d, dilation=d, name=f"conv{i + 1}") for i, d in enumerate((1, 2, 4, 8))),
            64,
        ),
        StackPreset("LeNet", "The sheet's network up to its first fully connected layer.", _lenet(), 32),
        StackPreset("AlexNet", "Large kernels and strides early on.", _alexnet(), 224),
        StackPreset("VGG-16", "Only 3×3 kernels: depth and five poolings do the work.", _vgg16(), 224),
        StackPreset(
            "ResNet-18",
            "The longest way through the network. A skip connection leads past two 3×3 layers and so sees less "
            "than they do: the union is theirs.",
            _resnet18(),
            224,
        ),
        StackPreset(
            "ResNet-50",
            "The longest way, as in torchvision: the stride of a stage lies in its first 3×3 layer.",
            _resnet50(),
            224,
        ),
        StackPreset(
            "ResNet-50, as first published",
            "The stride of a stage lies in its first 1×1 layer, so that the 3×3 behind it counts twice.",
            _resnet50(stride_first=True),
            224,
        ),
    ]
    return {preset.name: preset for preset in made}


def _lenet() -> tuple[StackLayer, ...]:
    return conv(5, name="conv1"), max_pool(2, name="pool1"), conv(5, name="conv2"), max_pool(2, name="pool2")


def _alexnet() -> tuple[StackLayer, ...]:
    return (
        conv(11, stride=4, padding=2, name="conv1"),
        max_pool(3, stride=2, name="pool1"),
        conv(5, padding=2, name="conv2"),
        max_pool(3, stride=2, name="pool2"),
        conv(3, padding=1, name="conv3"),
        conv(3, padding=1, name="conv4"),
        conv(3, padding=1, name="conv5"),
        max_pool(3, stride=2, name="pool5"),
    )


def _vgg16() -> tuple[StackLayer, ...]:
    layers: list[StackLayer] = []
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        layers += [conv(3, padding=1, name=f"conv{block}_{i + 1}") for i in range(count)]
        layers.append(max_pool(2, name=f"pool{block}"))
    return tuple(layers)


def _stem() -> list[StackLayer]:
    return [conv(7, stride=2, padding=3, name="conv1"), max_pool(3, stride=2, padding=1, name="maxpool")]


def _resnet18() -> tuple[StackLayer, ...]:
    layers = _stem()
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            stride = 2 if stage > 1 and block == 0 else 1
            name = f"layer{stage}.{block}"
            layers += [
                conv(3, stride=stride, padding=1, name=f"{name}.conv1"),
                conv(3, padding=1, name=f"{name}.conv2"),
            ]
    return tuple(layers)


def _resnet50(stride_first: bool = False) -> tuple[StackLayer, ...]:
    layers = _stem()
    for stage, count in enumerate((3, 4, 6, 3), start=1):
        for block in range(count):
            stride = 2 if stage > 1 and block == 0 else 1
            name = f"layer{stage}.{block}"
            layers += [
                conv(1, stride=stride if stride_first else 1, name=f"{name}.conv1"),
                conv(3, stride=1 if stride_first else stride, padding=1, name=f"{name}.conv2"),
                conv(1, name=f"{name}.conv3"),
            ]
    return tuple(layers)
