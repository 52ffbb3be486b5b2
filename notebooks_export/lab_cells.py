"""The cells of the labs' results: fields on the picture, convolutions by hand, data, runs and their mistakes."""

from __future__ import annotations

from typing import Any

from explorer.session import FIGURE_DPI
from notebooks_export.cells import Given, literal, written
from notebooks_export.own_data import ABSENT
from training import TrainConfig


def _figure(code: str) -> list[str]:
    return [
        "file = io.BytesIO()",
        f'{code}.savefig(file, dpi={FIGURE_DPI}, facecolor="white")',
        "Image.open(file)",
    ]


def receptive_field(given: Given) -> list[str]:
    """The field of a layer's units."""
    return [
        f"field = {written('explorer.receptive_field', given.model, repr(given['layer']))}",
        "height, width = field.local_size",
        'print(f"{field.layer} sees {height} × {width} px." + describe_mixing(field))',
        'print(f"Units are {field.stride} px apart, the first is centred on {field.start}.")',
    ]


def field_picture(given: Given) -> list[str]:
    """A unit's field on the picture, or a pixel and who sees it."""
    framing = repr(given["framing"])
    lines = [
        f"field = {written('explorer.receptive_field', given.model, repr(given['layer']))}",
        f"placement = {given.model}.preprocess.placement(*{given.image}.shape[:2], {framing})",
    ]
    if given["pixel"] is not None:
        row, column = given["pixel"]
        return [
            *lines,
            f"seeing = units_seeing(field, placement, {row}, {column})",
            f"print(describe_pixel(field, {row}, {column}, seeing))",
            f"Image.fromarray(field_picture({given.image}, placement, pixel=({row}, {column})))",
        ]
    row, column = given["unit"]
    return [
        *lines,
        f"print(describe_unit(field, {row}, {column}, placement, {given.model}.preprocess.crop_px))",
        f"Image.fromarray(field_picture({given.image}, placement, field.box({row}, {column})))",
    ]


def effective_field(given: Given) -> list[str]:
    """How much each pixel of its field moves a unit, over the picture and others."""
    call = written(
        *("explorer.effective_receptive_field", given.model, repr(given["layer"]), "pictures"),
        unit=given["unit"],
        framing=given["framing"],
    )
    others = [
        "pictures += [",
        "    explorer.read_image(explorer.sample_images()[name])",
        f"    for name in {literal(list(given['others']))}",
        "]",
    ]
    return [
        f"pictures = [{given.image}]",
        *(others if given["others"] else []),
        f"found = {call}",
        "print(describe_effective(found))",
        f"placement = {given.model}.preprocess.placement(*{given.image}.shape[:2], {given['framing']!r})",
        "inner = central_half(found.box)",
        f"drawn = field_picture({given.image}, placement, found.box, inner=inner, heat=found.values)",
        "Image.fromarray(drawn)",
    ]


def network_fields(given: Given) -> list[str]:
    """The fields of every map of a network."""
    return _fields(f"network_fields({given.model})")


def catalogue_fields(given: Given) -> list[str]:
    """The same for a network of the catalogue, whose weights don't matter."""
    return _fields(f"catalogue_fields({given['name']!r})")


def _fields(call: str) -> list[str]:
    return [f"fields = {call}", "print(describe_fields(fields))", *_figure("growth_figure(fields)")]


def stack(given: Given) -> list[str]:
    """The field behind each layer of a stack."""
    layers = [f"    StackLayer({kind!r}, {k}, {s}, {p}, {d})," for kind, k, s, p, d in given["layers"]]
    side = given["input_px"]
    return [
        "# kind, kernel, stride, padding, dilation; pairs are (height, width)",
        "layers = [",
        *layers,
        "]",
        f"print(describe_stack(layers, {(side, side)}))" if side else "print(describe_stack(layers))",
        *_figure("stack_figure(layers)"),
    ]


def convolve(given: Given) -> list[str]:
    """A convolution with the arithmetic of its first windows."""
    lines = [*_convolution(given), "print(conv.size_formula)"]
    if given["windows"]:
        lines += [
            f"for window in list(conv.windows)[:{given['windows']}]:",
            '    terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(window.patch.flat, window.kernel.flat))',
            '    print(f"{terms} + ({window.bias:g}) = {window.pre_activation:g} → {window.output:g}")',
        ]
    return [*lines, "print(conv.output)"]


def window(given: Given) -> list[str]:
    """One window of a convolution: its arithmetic, and where it lies."""
    where = ", ".join(str(given[name]) for name in ("kernel_index", "row", "column"))
    return [
        *_convolution(given),
        f"print(describe_window(conv, window_at(conv, {where})))",
        *_figure(f"window_figure(conv, {where})"),
    ]


def downsampling(given: Given) -> list[str]:
    """Stride, max-pooling and average-pooling on the same input."""
    call = written(
        "explorer.compare_downsampling", "conv", factor=given["factor"], kernel_index=given["kernel_index"]
    )
    return [
        *_convolution(given),
        f"ways = {call}",
        "print(describe_downsampling(ways))",
        *_figure("downsampling_figure(ways)"),
    ]


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


def exercise(given: Given) -> list[str]:
    """An exercise in convolution by hand, with an answer and its marks where there are some."""
    names = ("size", "kernel", "stride", "padding", "dilation")
    sizes = {name: given[name] for name in names if given[name] is not None}
    options = {name: given[name] for name in ("seed", "level", "asked")} | sizes
    lines = [
        f"exercise = {written('explorer.make_exercise', **options)}",
        "print(describe_exercise(exercise))",
    ]
    if given["answer"] is None:
        return [*lines, *_figure("exercise_figure(exercise)")]
    lines.append(f"answer = {literal([list(row) for row in given['answer']])}")
    if not given["marked"]:
        return [*lines, "print(describe_answer(answer))", *_figure("exercise_figure(exercise, answer)")]
    return [
        *lines,
        "print(describe_marking(explorer.mark_exercise(exercise, answer)))",
        *_figure("exercise_figure(exercise, answer, marked=True)"),
    ]


def _convolution(given: Given) -> list[str]:
    usual = {"groups": 1, "padding_mode": "zeros"}
    names = ("stride", "padding", "dilation", "groups", "padding_mode", "activation")
    options = {name: given[name] for name in names if given[name] not in (None, usual.get(name))}
    return [
        f"x = np.array({literal(given['x'])})",
        f"kernel = np.array({literal(given['kernel'])})",
        f"conv = {written('explorer.convolve', 'x', 'kernel', bias=given['bias'], **options)}",
    ]


def gallery(given: Given) -> list[str]:
    """Images of each class with its label."""
    return [
        f"data = training.load_dataset({literal(given['config'])})",
        f"images = {written('training.gallery', 'data', per_class=given['per_class'], seed=given['seed'])}",
        *_figure("gallery_figure(images)"),
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


def build_network(given: Given) -> list[str]:
    """A network's layers and its trainable parameters."""
    name = literal(given["name"])
    call = written("training.build_network", name, literal(given["classes"]), literal(given["image_size"]))
    return [
        f"network = {call}",
        "print(network)",
        'print(f"{training.count_parameters(network):,} trainable parameters")',
    ]


def train(given: Given) -> list[str]:
    """Training runs and their accuracies over the epochs; of runs that are done, what was recorded."""
    if given["recorded"] is not None:
        return _recorded(given)
    return [
        *_mapping("configs", given["configs"]),
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


def _recorded(given: Given) -> list[str]:
    shown = given["shown"]
    quantities = ("accuracy", "loss") if shown == "curves" else (shown,)
    figure = f"runs_figure(configs, histories, {quantities!r})"
    told = (
        ["print(describe_histories(histories))"]
        if shown in ("curves", "epochs")
        else [
            f"test_images = {literal(given['test_images'])}",
            "print(compare_histories(configs, histories, test_images))",
        ]
    )
    return [
        *_mapping("configs", given["configs"]),
        *_absent(*given["configs"].values()),
        "# Epoch, training and test accuracy, training and test loss; of long runs some of the epochs.",
        "recorded = {",
        *(line for title, rows in given["recorded"].items() for line in _rows(title, rows)),
        "}",
        "train_again = False  # True trains anew with the recipes above, which may take long",
        "histories = {title: recorded_history(rows) for title, rows in recorded.items()}",
        "if train_again:",
        "    histories = {title: list(training.train(config)) for title, config in configs.items()}",
        *told,
        *_figure("accuracy_figure(histories)" if shown == "epochs" else figure),
    ]


def _absent(*configs: TrainConfig) -> list[str]:
    """What to do where pictures of one's own didn't come along."""
    if all(config.data_dir != ABSENT for config in configs):
        return []
    return ["# To train again, put the folder of the pictures, or a zip of it, in data_dir's place."]


def classes(given: Given) -> list[str]:
    """A run's accuracy on each class after an epoch, as it was recorded."""
    rows = [f"    ({label!r}, {share!r})," for label, share in given["recorded"]]
    epoch, count = given["epoch"], given["classes"]
    return [
        f"config = {literal(given['config'])}",
        *_absent(given["config"]),
        f"# After epoch {epoch}: test accuracy of each class.",
        *("recorded = [", *rows, "]"),
        "train_again = False  # True trains anew with the recipe above, which may take long",
        "if train_again:",
        f"    result = list(training.train(config))[{epoch - 1}]",
        "    recorded = class_shares(result, training.load_dataset(config).labels)",
        f"print(describe_classes({epoch}, recorded, {count}))",
        *_figure(f"classes_figure({epoch}, recorded, {count})"),
    ]


def _rows(title: str, rows: Any) -> list[str]:
    return [f"    {title!r}: [", *(f"        {row!r}," for row in rows), "    ],"]


def _mapping(name: str, values: Any) -> list[str]:
    rows = ",\n".join(f"{title!r}: {literal(value)}" for title, value in values.items())
    return [f"{name} = {{", "    " + rows.replace("\n", "\n    ") + ",", "}"]


def mistakes(given: Given) -> list[str]:
    """A trained network's answers to its test images: the confusion matrix, or images with what it said."""
    lines = [
        f"data = training.load_dataset({literal(given['config'])})",
        f"predictions = predict_images({given.model}, data)",
    ]
    if given["shown"] == "confusion":
        return [
            *lines,
            "print(describe_confusion(predictions))",
            *_figure("confusion_figure(predictions.confusion, predictions.labels)"),
        ]
    count, cell = given["count"], given["cell"]
    chosen = (
        f"confident_mistakes(predictions, {count})"
        if cell is None
        else f"cell_images(predictions, {cell[0]}, {cell[1]})[:{count}]"
    )
    return [
        *lines,
        f"mistakes = {chosen}",
        "print(describe_mistakes(mistakes, predictions.labels))",
        *_figure("mistakes_figure(mistakes, predictions.labels, data)"),
    ]


def first_layer(given: Given) -> list[str]:
    """The first convolution's kernels and their maps on a picture."""
    capture = written(
        *("explorer.capture_activations", given.model, given.image, "[layer]"), framing=given["framing"]
    )
    return [
        f"layer = first_convolution({given.model}).name",
        f"activation = {capture}[layer]",
        f"print(describe_first_layer({given.model}.module, activation))",
        *_figure(f"first_layer_figure({given.model}.module, activation)"),
    ]


def film(given: Given) -> list[str]:
    """One picture, seen by a run's network after several of its epochs."""
    epochs = [int(reference.rpartition("@")[2]) for reference in given["models"]]
    held = zip(epochs, given.models, strict=True)
    reached = zip(epochs, given["models"].values(), strict=True)
    recorded = {epoch: share for epoch, share in reached if share is not None}
    call = written(
        *("look_inside", "networks", given.image, repr(given["target"]), "test_accuracy=recorded"),
        framing=given["framing"],
    )
    return [
        *("networks = {", *(f"    {epoch}: {variable}," for epoch, variable in held), "}"),
        "# The accuracy on all test images, as it was recorded.",
        f"recorded = {literal(recorded)}",
        f"found = {call}",
        "print(describe_film(found))",
        *_figure("film_figure(found)"),
    ]
