"""Each public function's call as the Python of a notebook's cell: the code shown is the code that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pprint import pformat
from typing import Any

from training import TrainConfig

WIDTH = 88
"""Longest line of code: what fits between the margins of a page."""
_NAME = 18  # room for what the result is assigned to


@dataclass(frozen=True)
class Given:
    """A step's arguments, checked and complete, and the variables that hold its network and its picture."""

    arguments: Mapping[str, Any]
    model: str = ""
    image: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]


def written(function: str, *positional: str, **named: Any) -> str:
    """A call as Python, on one line if it fits, else an argument a line; ``positional`` are code already."""
    parts = [*positional, *(f"{name}={literal(value)}" for name, value in named.items())]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= WIDTH - _NAME and "\n" not in line:
        return line
    inner = ",\n".join(parts).replace("\n", "\n    ")
    return f"{function}(\n    {inner},\n)"


def literal(value: Any) -> str:
    """A checked value as Python."""
    if isinstance(value, TrainConfig):
        default = TrainConfig()
        changed = {f.name: getattr(value, f.name) for f in fields(value)}
        return written(
            "training.TrainConfig", **{n: v for n, v in changed.items() if v != getattr(default, n)}
        )
    return pformat(value, width=WIDTH - 12, compact=True)


def shown(given: Given, view: str, **options: Any) -> str:
    """The cell's last line: the map over the picture, or alone with each cell a square."""
    if given["shown"] == "map":
        colormap = (
            literal(given["colormap"]) if given.arguments.get("colormap") else f"default_colormap({view})"
        )
        limits = literal(given["limits"]) if given.arguments.get("limits") else f"{view}.limits"
        values = "view.values" if view == "view" else f"{view}.map"
        return f"Image.fromarray(enlarged(colourise({values}, {limits}, {colormap}), 448))"
    laid = written("explorer.overlay", given.image, view, literal(given["alpha"]), **options)
    return f"picture = {laid}\nImage.fromarray(picture)"


def architecture(given: Given) -> list[str]:
    """The network's modules and how many parameters it has."""
    return [f"print({given.model}.module)", f'print(f"{{{given.model}.parameters:,}} parameters")']


def predict(given: Given) -> list[str]:
    """The most probable classes."""
    found = written("explorer.predict", given.model, given.image, top=given["top"], framing=given["framing"])
    line = 'print(f"{found.probability:6.1%}  {found.index:4d}  {found.label}")'
    return [f"for found in {found}:", f"    {line}"]


def _explained(given: Given) -> dict[str, Any]:
    options = {"objective": given["objective"], "framing": given["framing"]}
    return options | ({"layer": given["layer"]} if given["layer"] else {})


def attribute(given: Given) -> list[str]:
    """What speaks for a class."""
    options = {"method": given["method"], "signed": given["signed"], **_explained(given)}
    call = written("explorer.attribute", given.model, given.image, repr(given["target"]), **options)
    return [f"found = {call}", "print(describe_attribution(found))", shown(given, "found", fade=True)]


def compare(given: Given) -> list[str]:
    """Two classes and their difference side by side on one scale."""
    options = {"targets": given["targets"], "method": given["method"], **_explained(given)}
    call = written("explorer.compare_classes", given.model, given.image, **options)
    alpha = literal(given["alpha"])
    return [
        f"pair = {call}",
        "print(describe_comparison(pair))",
        "panels = [",
        f"    explorer.overlay({given.image}, view, {alpha}, limits=pair.limits, fade=True)",
        "    for view in (pair.a, pair.b, pair.difference)",
        "]",
        "Image.fromarray(np.hstack(panels))",
    ]


def receptive_field(given: Given) -> list[str]:
    """The field of a layer's units."""
    return [
        f"field = {written('explorer.receptive_field', given.model, repr(given['layer']))}",
        "height, width = field.local_size",
        'print(f"{field.layer} sees {height} × {width} px." + describe_mixing(field))',
        'print(f"Units are {field.stride} px apart, the first is centred on {field.start}.")',
    ]


def stack(given: Given) -> list[str]:
    """The field behind each layer of a stack."""
    layers = [
        f"    StackLayer({kind!r}, {(k, k)}, {(s, s)}, {(p, p)}, {(d, d)}),"
        for kind, k, s, p, d in given["layers"]
    ]
    return [
        "# kind, kernel, stride, padding, dilation; pairs are (height, width)",
        "layers = [",
        *layers,
        "]",
        "for field in stack_fields(layers):",
        '    print(f"{field.layer.settings}: {field.arithmetic(0)} px")',
        'print("written out:", written_out(layers, 0))',
    ]


def convolve(given: Given) -> list[str]:
    """A convolution with the arithmetic of its first windows."""
    usual = {"groups": 1, "padding_mode": "zeros"}
    names = ("stride", "padding", "dilation", "groups", "padding_mode", "activation")
    options = {name: given[name] for name in names if given[name] not in (None, usual.get(name))}
    lines = [
        f"x = np.array({literal(given['x'])})",
        f"kernel = np.array({literal(given['kernel'])})",
        f"conv = {written('explorer.convolve', 'x', 'kernel', bias=given['bias'], **options)}",
        "print(conv.size_formula)",
    ]
    if given["windows"]:
        lines += [
            f"for window in list(conv.windows)[:{given['windows']}]:",
            '    terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(window.patch.flat, window.kernel.flat))',
            '    print(f"{terms} + ({window.bias:g}) = {window.pre_activation:g} → {window.output:g}")',
        ]
    return [*lines, "print(conv.output)"]


def read_off(given: Given) -> list[str]:
    """When 0/1 kernels fire."""
    return [
        f"for kernel in {literal(given['kernels'])}:",
        f"    print(kernel, explorer.read_off(kernel, bias={given['bias']!r}).rule)",
    ]


def derive_size(given: Given) -> list[str]:
    """The output size, step by step."""
    names = ("size", "kernel", "stride", "padding", "dilation")
    return [
        f"derivation = {written('explorer.derive_size', **{name: given[name] for name in names})}",
        "for step in derivation.steps:",
        '    print(f"{step.title}: {step.arithmetic}")',
        '    print(f"    {step.reason}")',
    ]


def _figure(name: str) -> list[str]:
    return [
        "file = io.BytesIO()",
        f'{name}.savefig(file, dpi=120, facecolor="white")',
        "Image.open(file)",
    ]


def gallery(given: Given) -> list[str]:
    """Images of each class with its label."""
    return [
        f"data = training.load_dataset({literal(given['config'])})",
        f"images = {written('training.gallery', 'data', per_class=given['per_class'], seed=given['seed'])}",
        'figure = Figure(figsize=(6.4, 0.56 * len(images)), layout="constrained")',
        "for row, (label, shown) in enumerate(images.items(), start=1):",
        "    axes = figure.add_subplot(len(images), 1, row, xticks=[], yticks=[])",
        "    axes.imshow(tile(shown, columns=len(shown)))",
        '    axes.set_ylabel(label, rotation=0, ha="right", va="center")',
        *_figure("figure"),
    ]


def build_network(given: Given) -> list[str]:
    """A network's layers and its trainable parameters."""
    call = written(
        "training.build_network", repr(given["name"]), literal(given["classes"]), literal(given["image_size"])
    )
    return [
        f"network = {call}",
        "print(network)",
        'print(f"{training.count_parameters(network):,} trainable parameters")',
    ]


def train(given: Given) -> list[str]:
    """Training runs and their accuracies over the epochs."""
    runs = ",\n".join(f"{title!r}: {literal(config)}" for title, config in given["configs"].items())
    return [
        "configs = {",
        "    " + runs.replace("\n", "\n    ") + ",",
        "}",
        "histories = {}",
        "for title, config in configs.items():",
        "    print(title)",
        "    histories[title] = []",
        "    for result in training.train(config):",
        "        histories[title].append(result)",
        "        accuracies = (result.train_accuracy, result.test_accuracy)",
        '        print("epoch {}: train {:.1%}, test {:.1%}".format(result.epoch, *accuracies))',
        *_figure("accuracy_figure(histories)"),
    ]


def augmentation(given: Given) -> list[str]:
    """Images above what augmentation makes of them."""
    config = literal(given["config"])
    options = {name: given[name] for name in ("count", "seed")}
    return [
        f"config = {config}",
        f"pairs = {written('augmentation_pairs', 'training.load_dataset(config)', 'config', **options)}",
        "originals, changed = zip(*pairs)",
        "Image.fromarray(tile([*originals, *changed], columns=len(pairs), scale=3))",
    ]
