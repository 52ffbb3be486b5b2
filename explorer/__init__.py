"""Look inside a convolutional network: the public names, nothing else."""

from explorer.activations import Activation, ActivationCache, Capture, capture_activations
from explorer.architecture import architecture
from explorer.architecture_text import architecture_table, describe_network
from explorer.attribution import Attribution, ClassComparison, attribute, compare_classes
from explorer.captions import describe_activation, describe_attribution, describe_comparison
from explorer.catalogue import ModelInfo, catalogue
from explorer.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from explorer.convolution import Convolution, Window, convolve, output_size
from explorer.convolution_drawing import window_at
from explorer.convolution_figures import downsampling_figure, window_figure
from explorer.convolution_reading import read_off
from explorer.convolution_size import derive_size
from explorer.convolution_words import describe_downsampling, describe_window
from explorer.effective_receptive_field import EffectiveField, central_half, effective_receptive_field
from explorer.errors import ExplorerError
from explorer.images import Placement, read_image, sample_images
from explorer.layer_comparison import compare_layers, describe_layer_comparison, layer_comparison_picture
from explorer.layers import Layer, list_layers
from explorer.models import LoadedModel, from_module, load_model
from explorer.overlay import colourise, default_colormap, enlarged, overlay
from explorer.pooling import compare_downsampling, pool
from explorer.practice import Exercise, Marking, make_exercise
from explorer.practice import mark as mark_exercise
from explorer.practice_figure import exercise_figure
from explorer.practice_words import describe_answer, describe_exercise, describe_marking
from explorer.predictions import Prediction, predict
from explorer.preprocessing import Preprocess
from explorer.receptive_field import (
    ReceptiveField,
    catalogue_fields,
    network_fields,
    receptive_field,
    receptive_fields,
)
from explorer.receptive_field_figures import network_fields_figure, stack_fields_figure
from explorer.receptive_field_picture import field_picture
from explorer.receptive_field_report import describe_network_fields, describe_stack_fields, units_seeing
from explorer.receptive_field_stack import StackLayer, stack_fields
from explorer.receptive_field_words import (
    describe_effective_field,
    describe_mixing,
    describe_pixel,
    describe_unit,
)
from explorer.reduction import PCABasis, Reduction, reduce, strongest_channels
from explorer.vector_view import describe_largest_values, largest_values, largest_values_picture
from explorer.version import __version__

__all__ = [
    "Activation",
    "ActivationCache",
    "Attribution",
    "Capture",
    "ClassComparison",
    "Convolution",
    "EffectiveField",
    "Exercise",
    "ExplorerError",
    "Layer",
    "LoadedModel",
    "Marking",
    "ModelInfo",
    "PCABasis",
    "Placement",
    "Prediction",
    "Preprocess",
    "ReceptiveField",
    "Reduction",
    "StackLayer",
    "Window",
    "__version__",
    "architecture",
    "architecture_table",
    "attribute",
    "capture_activations",
    "catalogue",
    "catalogue_fields",
    "central_half",
    "channel_grid",
    "channel_grid_picture",
    "colourise",
    "compare_classes",
    "compare_downsampling",
    "compare_layers",
    "convolve",
    "default_colormap",
    "derive_size",
    "describe_activation",
    "describe_answer",
    "describe_attribution",
    "describe_channel_grid",
    "describe_comparison",
    "describe_downsampling",
    "describe_effective_field",
    "describe_exercise",
    "describe_largest_values",
    "describe_layer_comparison",
    "describe_marking",
    "describe_mixing",
    "describe_network",
    "describe_network_fields",
    "describe_pixel",
    "describe_stack_fields",
    "describe_unit",
    "describe_window",
    "downsampling_figure",
    "effective_receptive_field",
    "enlarged",
    "exercise_figure",
    "field_picture",
    "from_module",
    "largest_values",
    "largest_values_picture",
    "layer_comparison_picture",
    "list_layers",
    "load_model",
    "make_exercise",
    "mark_exercise",
    "network_fields",
    "network_fields_figure",
    "output_size",
    "overlay",
    "pool",
    "predict",
    "read_image",
    "read_off",
    "receptive_field",
    "receptive_fields",
    "reduce",
    "sample_images",
    "stack_fields",
    "stack_fields_figure",
    "strongest_channels",
    "units_seeing",
    "window_at",
    "window_figure",
]
