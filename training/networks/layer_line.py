"""A network written as a line of layers, and what is wrong with it, layer by layer.

Layers are separated by commas or new lines: a kind, its numbers in order, then ``name=value``::

    conv CHANNELS KERNEL [stride=1] [padding=0] [dilation=1]     batchnorm
    maxpool SIZE [stride=SIZE] [padding=0]                       avgpool SIZE [stride=SIZE] [padding=0]
    relu   gelu   tanh   sigmoid   dropout SHARE                 globalpool   flatten   linear [FEATURES]

A last ``linear`` without a number has one output per class.

>>> [type(layer).__name__ for layer in build_layers("flatten, linear 8, relu, linear", 10, 32)]
['Flatten', 'Linear', 'ReLU', 'Linear']
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from explorer.errors import ExplorerError, suggest

Shape = tuple[int, ...]
MAX_PARAMETERS = 100_000_000
_MAX_NUMBER = 65_536


@dataclass(frozen=True)
class LineLayer:
    """One parsed layer: ``text`` as written, ``position`` from 1."""

    position: int
    text: str
    kind: str
    numbers: tuple[float, ...]
    options: dict[str, int]

    def __str__(self) -> str:
        return f"layer {self.position} {self.text!r}"


@dataclass(frozen=True)
class _Kind:
    numbers: tuple[str, ...]
    options: tuple[str, ...]
    make: Callable[[LineLayer, Shape], nn.Module]


def is_layer_line(text: str) -> bool:
    """Whether ``text`` is layers rather than a network's name."""
    return any(c in text for c in ", \n")


def build_layers(line: str, classes: int, image_size: int = 32) -> nn.Sequential:
    """The network that ``line`` describes, for (n, 3, S, S) in and (n, classes) logits out.

    Layers are named by kind and number: conv1, relu1, conv2 …

    Raises:
        ExplorerError: names the layer and the size that does not fit.
    """
    layers = parse_layers(line)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shape: Shape = (3, image_size, image_size)
    seen: dict[str, int] = {}
    parameters = 0
    for layer in layers:
        if layer is layers[-1] and layer.kind == "linear" and not layer.numbers:
            layer = LineLayer(layer.position, layer.text, "linear", (classes,), {})
        _check_numbers(layer)
        parameters += _count_ahead(layer, shape)
        if parameters > MAX_PARAMETERS:
            raise _refused(
                str(layer), f"brings more than {MAX_PARAMETERS:,} parameters", "pool or shrink before it"
            )
        out = _output_shape(layer, shape)
        module, shape = KINDS[layer.kind].make(layer, shape), out
        seen[layer.kind] = seen.get(layer.kind, 0) + 1
        modules[f"{layer.kind}{seen[layer.kind]}"] = module
    if shape != (classes,):
        raise _refused(
            f"the last layer's output {_sizes(shape)}",
            f"is not one number for each of {classes} classes",
            "end with 'flatten, linear'",
        )
    return nn.Sequential(modules)


def parse_layers(line: str) -> list[LineLayer]:
    """Split and check the words of ``line``; sizes are checked by :func:`build_layers`."""
    texts = [text.strip() for text in line.replace("\n", ",").split(",")]
    texts = [" ".join(text.split()) for text in texts if text]
    if not texts:
        raise _refused("the list of layers", "is empty", "begin with 'conv 6 5, relu, …'")
    return [_parse_layer(position, text) for position, text in enumerate(texts, 1)]


def _parse_layer(position: int, text: str) -> LineLayer:
    kind, *words = text.lower().split()
    where = f"layer {position} {text!r}"
    if kind not in KINDS:
        raise _refused(where, "is of unknown kind", suggest(kind, KINDS, f"the list {', '.join(KINDS)}"))
    numbers: list[float] = []
    options: dict[str, int] = {}
    for word in words:
        name, equals, value = word.rpartition("=")
        if equals and name not in KINDS[kind].options:
            known = ", ".join(KINDS[kind].options) or "none"
            raise _refused(where, f"has no option {name!r}", f"its options: {known}")
        number = _number(value, where)
        if not equals:
            numbers.append(number)
        elif number != int(number):
            raise _refused(where, f"needs a whole number for {name}", f"write {name}={int(number)}")
        else:
            options[name] = int(number)
    return LineLayer(position, text, kind, tuple(numbers), options)


def _number(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError as error:
        raise _refused(
            where, f"has {word!r} where a number belongs", "write, for example, 'conv 6 5'"
        ) from error
    if not 0 <= number <= _MAX_NUMBER:
        raise _refused(where, f"has {word}, which is not from 0 to {_MAX_NUMBER}", "choose a smaller number")
    return number


def _check_numbers(layer: LineLayer) -> None:
    names = KINDS[layer.kind].numbers
    if len(layer.numbers) != len(names):
        wanted = " ".join([layer.kind, *(name.upper() for name in names)])
        raise _refused(str(layer), f"has {len(layer.numbers)} numbers, not {len(names)}", f"write {wanted!r}")
    for name, number in zip(names, layer.numbers, strict=True):
        if name == "share":
            if number >= 1:
                raise _refused(str(layer), f"drops a share of {number:g}", "choose one in [0, 1)")
        elif number < 1 or number != int(number):
            raise _refused(str(layer), f"has {name} {number:g}", "choose a whole number of at least 1")
    for name in ("stride", "dilation"):
        if layer.options.get(name, 1) < 1:
            raise _refused(str(layer), f"has {name} {layer.options[name]}", "choose at least 1")


def _make_conv(layer: LineLayer, shape: Shape) -> nn.Module:
    channels, kernel = (int(n) for n in layer.numbers)
    _check_window(layer, shape, kernel)
    return nn.Conv2d(shape[0], channels, kernel, **layer.options)  # type: ignore[arg-type]


def _make_pool(module: type[nn.MaxPool2d] | type[nn.AvgPool2d]) -> Callable[[LineLayer, Shape], nn.Module]:
    def make(layer: LineLayer, shape: Shape) -> nn.Module:
        size = int(layer.numbers[0])
        _check_window(layer, shape, size)
        if 2 * layer.options.get("padding", 0) > size:
            raise _refused(
                str(layer), f"pads more than half its size {size}", f"choose padding of at most {size // 2}"
            )
        return module(size, **layer.options)  # type: ignore[arg-type]

    return make


def _check_window(layer: LineLayer, shape: Shape, kernel: int) -> None:
    _need_map(layer, shape)
    reach = (kernel - 1) * layer.options.get("dilation", 1) + 1
    padding = layer.options.get("padding", 0)
    side = shape[1] + 2 * padding
    if reach > side:
        padded = f" ({side} with padding {padding})" if padding else ""
        raise _refused(
            str(layer),
            f"needs an input of at least {reach}×{reach}, but gets {_sizes(shape)}{padded}",
            f"make its kernel at most {side}, pad it, or pool less before it",
        )


def _need_map(layer: LineLayer, shape: Shape) -> None:
    if len(shape) != 3:
        raise _refused(
            str(layer),
            f"needs channels × height × width, but gets {_sizes(shape)}",
            "move it before 'flatten'",
        )


def _make_linear(layer: LineLayer, shape: Shape) -> nn.Module:
    if len(shape) != 1:
        remedy = f"put 'flatten' before it, which gives {math.prod(shape)}"
        raise _refused(str(layer), f"needs a vector, but gets {_sizes(shape)}", remedy)
    return nn.Linear(shape[0], int(layer.numbers[0]))


def _make_batchnorm(layer: LineLayer, shape: Shape) -> nn.Module:
    return nn.BatchNorm2d(shape[0]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])


def _make_globalpool(layer: LineLayer, shape: Shape) -> nn.Module:
    _need_map(layer, shape)
    return nn.AdaptiveAvgPool2d(1)


KINDS: dict[str, _Kind] = {
    "conv": _Kind(("channels", "kernel"), ("stride", "padding", "dilation"), _make_conv),
    "maxpool": _Kind(("size",), ("stride", "padding"), _make_pool(nn.MaxPool2d)),
    "avgpool": _Kind(("size",), ("stride", "padding"), _make_pool(nn.AvgPool2d)),
    "globalpool": _Kind((), (), _make_globalpool),
    "batchnorm": _Kind((), (), _make_batchnorm),
    "relu": _Kind((), (), lambda layer, shape: nn.ReLU()),
    "gelu": _Kind((), (), lambda layer, shape: nn.GELU()),
    "tanh": _Kind((), (), lambda layer, shape: nn.Tanh()),
    "sigmoid": _Kind((), (), lambda layer, shape: nn.Sigmoid()),
    "dropout": _Kind(("share",), (), lambda layer, shape: nn.Dropout(layer.numbers[0])),
    "flatten": _Kind((), (), lambda layer, shape: nn.Flatten()),
    "linear": _Kind(("features",), (), _make_linear),
}


def _count_ahead(layer: LineLayer, shape: Shape) -> int:
    """Parameters that a layer will have, so that a typing mistake is refused before memory is taken."""
    if layer.kind == "conv":
        return int(layer.numbers[0] * (shape[0] * layer.numbers[1] ** 2 + 1))
    if layer.kind == "linear":
        return int(layer.numbers[0] * (math.prod(shape) + 1))
    return 0


def _output_shape(layer: LineLayer, shape: Shape) -> Shape:
    """By running a twin of the layer on torch's meta device: shapes without numbers."""
    try:
        with torch.device("meta"), torch.no_grad():
            twin = KINDS[layer.kind].make(layer, shape).eval()
            return tuple(twin(torch.empty(1, *shape)).shape[1:])
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise _refused(str(layer), f"does not take {_sizes(shape)} ({reason})", "change its sizes") from error


def _refused(value: str, rule: str, remedy: str) -> ExplorerError:
    """The line is a recipe's ``network``."""
    return ExplorerError(value, rule, remedy, parameter="network")


def _sizes(shape: Shape) -> str:
    return "×".join(map(str, shape))
