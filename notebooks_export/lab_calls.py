"""The labs' public functions that a step may name: parameters with their checks, defaults, imports, and the cell.

Four values each, those of :class:`notebooks_export.calls.Call`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from explorer.catalogue import catalogue
from explorer.convolution import PADDING_MODES
from explorer.errors import ExplorerError
from explorer.images import sample_images
from explorer.practice import ASKED, LEVELS
from explorer.preprocessing import Framing
from notebooks_export import arguments as allow
from notebooks_export import lab_cells
from notebooks_export.arguments import Check
from notebooks_export.cells import Given
from training.inside import MOST_MOMENTS
from training.run_views import MOST_CLASSES

Parts = tuple[Mapping[str, Check], Mapping[str, Any], tuple[str, ...], Callable[[Given], list[str]]]

_MODEL: dict[str, Check] = {"model": allow.model_reference}
_LOOK: dict[str, Check] = {
    **_MODEL,
    "image": allow.image_reference,
    "framing": allow.one_of(*get_args(Framing)),
}
_LAYER_SEEN: dict[str, Check] = {**_LOOK, "layer": allow.layer_name}
_SEED = allow.whole(0, 2**31)
_PLACE = allow.several(allow.whole(0, 100_000), 2, 2)
_SIDES = allow.several(allow.whole(1, 64), 2, 2)
_STRIDE = allow.several(allow.whole(0, 255), 2, 2)


def _class_share(name: str, value: Any) -> tuple[str, float]:
    """(label, accuracy in [0, 1])."""
    label, share = allow.several(lambda part, given: given, 2, 2)(name, value)
    if not isinstance(label, str) or not 1 <= len(label) <= 255 or not label.isprintable():
        rule = "is not of 1 to 255 printable characters"
        raise ExplorerError(f"{name}: label {label!r:.80}", rule, "correct the step, or remove it")
    return label, allow.number(0, 1)(name, share)


def _run_epochs(name: str, value: Any) -> dict[str, float | None]:
    """``RUN@EPOCH`` → recorded test accuracy in [0, 1] or None, of several epochs of one run, in their order."""
    if not isinstance(value, Mapping) or not 1 <= len(value) <= MOST_MOMENTS:
        rule = f"is not a mapping of 1 to {MOST_MOMENTS} epochs of a run, RUN@EPOCH, to their test accuracy"
        raise ExplorerError(f"{name} {value!r:.80}", rule, "correct the step, or remove it")
    share = allow.optional(allow.number(0, 1))
    checked = {allow.model_reference(name, key): share(f"{name} {key}", part) for key, part in value.items()}
    named = {key: key.rpartition("@") for key in checked}
    runs = {run for run, _, _ in named.values()}
    epochs = {key: int(epoch) for key, (run, _, epoch) in named.items() if run}
    if len(runs) > 1 or len(set(epochs.values())) < len(checked):
        rule = "are not different epochs of one run"
        raise ExplorerError(f"{name} {', '.join(checked):.80}", rule, "name each RUN@EPOCH once")
    return {key: checked[key] for key in sorted(checked, key=epochs.__getitem__)}


_CONVOLUTION: dict[str, Check] = {
    "x": allow.numbers,
    "kernel": allow.numbers,
    "bias": allow.optional(allow.numbers),
    **{name: allow.optional(_STRIDE) for name in ("stride", "padding", "dilation")},
    "groups": allow.whole(1, 255),
    "padding_mode": allow.one_of(*PADDING_MODES),
    "activation": allow.optional(allow.one_of("relu")),
}
_CONVOLVED: dict[str, Any] = {
    **dict.fromkeys(("bias", "stride", "padding", "dilation", "activation")),
    "groups": 1,
    "padding_mode": "zeros",
}
_FIELD_WORDS = "from explorer.receptive_field_words import"
_FIELD_PICTURE = "from explorer.receptive_field_picture import field_picture"
_FIELD_TABLE = (
    "import io",
    "from explorer.receptive_field_figures import growth_figure",
    "from explorer.receptive_field_report import describe_fields",
)

LAB_CALLS: Mapping[str, Parts] = {
    "explorer.receptive_field": (
        {**_MODEL, "layer": allow.layer_name},
        {},
        (f"{_FIELD_WORDS} describe_mixing",),
        lab_cells.receptive_field,
    ),
    "explorer.receptive_field_picture.field_picture": (
        {**_LAYER_SEEN, "unit": _PLACE, "pixel": allow.optional(_PLACE)},
        {"framing": "crop", "unit": (0, 0), "pixel": None},
        (
            _FIELD_PICTURE,
            "from explorer.receptive_field_report import units_seeing",
            f"{_FIELD_WORDS} describe_pixel, describe_unit",
        ),
        lab_cells.field_picture,
    ),
    "explorer.effective_receptive_field": (
        {
            **_LAYER_SEEN,
            "unit": _PLACE,
            "others": allow.several(allow.one_of(*sample_images()), 0, len(sample_images())),
        },
        {"framing": "crop", "others": ()},
        (
            "from explorer.effective_receptive_field import central_half",
            _FIELD_PICTURE,
            f"{_FIELD_WORDS} describe_effective",
        ),
        lab_cells.effective_field,
    ),
    "explorer.receptive_field.network_fields": (
        _MODEL,
        {},
        (*_FIELD_TABLE, "from explorer.receptive_field import network_fields"),
        lab_cells.network_fields,
    ),
    "explorer.receptive_field.catalogue_fields": (
        {"name": allow.one_of(*catalogue())},
        {},
        (*_FIELD_TABLE, "from explorer.receptive_field import catalogue_fields"),
        lab_cells.catalogue_fields,
    ),
    "explorer.receptive_field_stack.stack_fields": (
        {
            "layers": allow.several(allow.stack_layer, 1, 200),
            "input_px": allow.optional(allow.whole(1, 100_000)),
        },
        {"input_px": None},
        (
            "import io",
            "from explorer.receptive_field_figures import stack_figure",
            "from explorer.receptive_field_report import describe_stack",
            "from explorer.receptive_field_stack import StackLayer",
        ),
        lab_cells.stack,
    ),
    "explorer.convolve": (
        {**_CONVOLUTION, "windows": allow.whole(0, 100)},
        {**_CONVOLVED, "windows": 0},
        ("import numpy as np",),
        lab_cells.convolve,
    ),
    "explorer.read_off": (
        {"kernels": allow.several(allow.numbers, 1, 8), "bias": allow.number(-1e6, 1e6)},
        {"bias": 0},
        (),
        lab_cells.read_off,
    ),
    "explorer.derive_size": (
        {name: allow.whole(0, 100_000) for name in ("size", "kernel", "stride", "padding", "dilation")},
        {"stride": 1, "padding": 0, "dilation": 1},
        (),
        lab_cells.derive_size,
    ),
    "explorer.convolution_figures.window_figure": (
        {
            **_CONVOLUTION,
            "kernel_index": allow.whole(0, 10_000),
            "row": allow.whole(0, 100_000),
            "column": allow.whole(0, 100_000),
        },
        {**_CONVOLVED, "kernel_index": 0, "row": 0, "column": 0},
        (
            *("import io", "import numpy as np"),
            "from explorer.convolution_drawing import window_at",
            "from explorer.convolution_figures import window_figure",
            "from explorer.convolution_words import describe_window",
        ),
        lab_cells.window,
    ),
    "explorer.compare_downsampling": (
        {**_CONVOLUTION, "factor": allow.whole(2, 16), "kernel_index": allow.whole(0, 10_000)},
        {**_CONVOLVED, "factor": 2, "kernel_index": 0},
        (
            *("import io", "import numpy as np"),
            "from explorer.convolution_figures import downsampling_figure",
            "from explorer.convolution_words import describe_downsampling",
        ),
        lab_cells.downsampling,
    ),
    "explorer.make_exercise": (
        {
            "seed": allow.whole(-(10**15), 10**15),
            "level": allow.whole(1, len(LEVELS)),
            "asked": allow.one_of(*ASKED),
            **{name: allow.optional(_SIDES) for name in ("size", "kernel")},
            **{name: allow.optional(allow.whole(0, 255)) for name in ("stride", "padding", "dilation")},
            "answer": allow.optional(allow.several(allow.several(allow.typed, 1, 64), 1, 64)),
            "marked": allow.flag,
        },
        {
            "seed": 1,
            "level": 1,
            "asked": "relu",
            "answer": None,
            "marked": False,
            **dict.fromkeys(("size", "kernel", "stride", "padding", "dilation")),
        },
        (
            "import io",
            "from explorer.practice_figure import exercise_figure",
            "from explorer.practice_words import describe_answer, describe_exercise, describe_marking",
        ),
        lab_cells.exercise,
    ),
    "training.gallery": (
        {"config": allow.recipe, "per_class": allow.whole(1, 20), "seed": _SEED},
        {"per_class": 10, "seed": 0},
        ("import io", "import training", "from training.reports import gallery_figure"),
        lab_cells.gallery,
    ),
    "training.figures.augmentation_pairs": (
        {"config": allow.recipe, "count": allow.whole(1, 12), "seed": _SEED},
        {"count": 6, "seed": 0},
        ("import training", "from training.figures import augmentation_pairs, tile"),
        lab_cells.augmentation,
    ),
    "training.build_network": (
        {
            "name": allow.network_name,
            "classes": allow.whole(2, 10_000),
            "image_size": allow.whole(8, 512),
        },
        {"name": "lenet", "classes": 10, "image_size": 32},
        ("import training",),
        lab_cells.build_network,
    ),
    "training.train": (
        {
            "configs": allow.recipes,
            "recorded": allow.optional(allow.recorded),
            "test_images": allow.counts,
            "shown": allow.one_of("epochs", "curves", "accuracy", "loss", "gap"),
        },
        {"recorded": None, "test_images": {}, "shown": "curves"},
        (
            *("import io", "import training", "from training.figures import accuracy_figure"),
            "from training.reports import compare_histories, describe_histories, recorded_history, runs_figure",
        ),
        lab_cells.train,
    ),
    "training.reports.classes_figure": (
        {
            "config": allow.recorded_recipe,
            "epoch": allow.whole(1, 100_000),
            "recorded": allow.several(_class_share, 1, MOST_CLASSES),
            "classes": allow.whole(1, 100_000),
        },
        {},
        (
            *("import io", "import training"),
            "from training.reports import classes_figure, describe_classes",
            "from training.run_views import class_shares",
        ),
        lab_cells.classes,
    ),
    "training.reports.predict_images": (
        {
            **_MODEL,
            "config": allow.recipe,
            "shown": allow.one_of("confusion", "mistakes"),
            "cell": allow.optional(allow.several(allow.whole(0, 9_999), 2, 2)),
            "count": allow.whole(1, 24),
        },
        {"shown": "confusion", "cell": None, "count": 12},
        (
            *("import io", "import training"),
            "from training.explain import confident_mistakes",
            "from training.figures import confusion_figure",
            "from training.mistake_views import cell_images",
            "from training.reports import describe_confusion, describe_mistakes, mistakes_figure, predict_images",
        ),
        lab_cells.mistakes,
    ),
    "training.inside.look_inside": (
        {
            "models": _run_epochs,
            **{name: _LOOK[name] for name in ("image", "framing")},
            "target": allow.whole(0, 99_999),
        },
        {"framing": "crop"},
        (
            "import io",
            "from training.film import describe_film, film_figure",
            "from training.inside import look_inside",
        ),
        lab_cells.film,
    ),
    "training.reports.first_layer_figure": (
        _LOOK,
        {"framing": "crop"},
        (
            "import io",
            "from training.inside import first_convolution",
            "from training.reports import describe_first_layer, first_layer_figure",
        ),
        lab_cells.first_layer,
    ),
}
