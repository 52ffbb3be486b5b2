"""Names that handed-in notebooks import from modules that are elsewhere by now.

Cells of today name public names of ``explorer`` and ``training`` alone. Those of before named modules; for them this
table says which public name it is now, and one import finder makes the modules up when they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any

FORMER_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "explorer.architecture": {"architecture": "architecture"},
        "explorer.architecture_text": {
            "describe_network": "describe_network",
            "table_text": "architecture_table",
        },
        "explorer.captions": {
            "describe_activation": "describe_activation",
            "describe_attribution": "describe_attribution",
            "describe_comparison": "describe_comparison",
        },
        "explorer.channel_grid": {
            "channel_grid": "channel_grid",
            "describe_grid": "describe_channel_grid",
            "grid_picture": "channel_grid_picture",
        },
        "explorer.convolution_drawing": {"window_at": "window_at"},
        "explorer.convolution_figures": {
            "downsampling_figure": "downsampling_figure",
            "window_figure": "window_figure",
        },
        "explorer.convolution_words": {
            "describe_downsampling": "describe_downsampling",
            "describe_window": "describe_window",
        },
        "explorer.effective_receptive_field": {"central_half": "central_half"},
        "explorer.layer_comparison": {
            "compare_layers": "compare_layers",
            "describe_layers": "describe_layer_comparison",
            "layers_picture": "layer_comparison_picture",
        },
        "explorer.overlay": {
            "colourise": "colourise",
            "default_colormap": "default_colormap",
            "enlarged": "enlarged",
        },
        "explorer.practice_figure": {"exercise_figure": "exercise_figure"},
        "explorer.practice_words": {
            "describe_answer": "describe_answer",
            "describe_exercise": "describe_exercise",
            "describe_marking": "describe_marking",
        },
        "explorer.receptive_field": {
            "catalogue_fields": "catalogue_fields",
            "network_fields": "network_fields",
        },
        "explorer.receptive_field_figures": {
            "growth_figure": "network_fields_figure",
            "stack_figure": "stack_fields_figure",
        },
        "explorer.receptive_field_picture": {"field_picture": "field_picture"},
        "explorer.receptive_field_report": {
            "describe_fields": "describe_network_fields",
            "describe_stack": "describe_stack_fields",
            "units_seeing": "units_seeing",
        },
        "explorer.receptive_field_stack": {"StackLayer": "StackLayer"},
        "explorer.receptive_field_words": {
            "describe_effective": "describe_effective_field",
            "describe_mixing": "describe_mixing",
            "describe_pixel": "describe_pixel",
            "describe_unit": "describe_unit",
        },
        "explorer.vector_view": {
            "bars_picture": "largest_values_picture",
            "describe_values": "describe_largest_values",
            "largest_values": "largest_values",
        },
        "training.explain": {"confident_mistakes": "confident_mistakes"},
        "training.figures": {
            "accuracy_figure": "accuracy_figure",
            "augmentation_pairs": "augmentation_pairs",
            "confusion_figure": "confusion_figure",
            "tile": "tile",
        },
        "training.film": {"describe_film": "describe_film", "film_figure": "film_figure"},
        "training.inside": {"first_convolution": "first_convolution", "look_inside": "look_inside"},
        "training.mistake_views": {"cell_images": "cell_images"},
        "training.reports": {
            "classes_figure": "classes_figure",
            "compare_histories": "compare_histories",
            "describe_classes": "describe_classes",
            "describe_confusion": "describe_confusion",
            "describe_first_layer": "describe_first_layer",
            "describe_histories": "describe_histories",
            "describe_mistakes": "describe_mistakes",
            "first_layer_figure": "first_layer_figure",
            "gallery_figure": "gallery_figure",
            "mistakes_figure": "mistakes_figure",
            "predict_images": "predict_images",
            "recorded_history": "recorded_history",
            "runs_figure": "runs_figure",
        },
        "training.run_views": {"class_shares": "class_shares"},
    }
)
"""Former module → name that notebooks import from it → public name of its package today."""


class FormerModule(ModuleType):
    """A module that is gone: its names are those of its package.

    Importing it puts it in the place of a public function of the same name, such as ``explorer.overlay``: called, it
    is that function.
    """

    function: Any = None

    def __getattr__(self, name: str) -> Any:
        package, _, _ = self.__name__.partition(".")
        if name not in FORMER_NAMES[self.__name__]:
            raise AttributeError(
                f"module {self.__name__!r} has no name {name!r} any more; see {package}.__all__"
            )
        found = getattr(import_module(package), FORMER_NAMES[self.__name__][name])
        return found.function if isinstance(found, FormerModule) else found

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.function(*args, **named)


class FormerModuleFinder(MetaPathFinder, Loader):
    """Finds :data:`FORMER_NAMES`, after Python found nothing else of that name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where to load it from: from here."""
        return ModuleSpec(fullname, self) if fullname in FORMER_NAMES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module whose names are looked up when they are asked for."""
        package, _, name = spec.name.partition(".")
        made = FormerModule(spec.name)
        made.function = getattr(import_module(package), name, None)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is run."""


def find_former_modules() -> None:
    """Let Python find them; once is enough."""
    if not any(isinstance(finder, FormerModuleFinder) for finder in sys.meta_path):
        sys.meta_path.append(FormerModuleFinder())
