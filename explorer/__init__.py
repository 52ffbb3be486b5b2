"""Look inside a convolutional network: the public names, nothing else."""

from explorer.activations.captions import describe_activation, describe_attribution, describe_comparison
from explorer.activations.capture import Activation, ActivationCache, Capture, capture_activations
from explorer.activations.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from explorer.activations.largest_values import (
    describe_largest_values,
    largest_values,
    largest_values_picture,
)
from explorer.activations.layer_comparison import (
    compare_layers,
    describe_layer_comparison,
    layer_comparison_picture,
)
from explorer.activations.reduction import PCABasis, Reduction, reduce, strongest_channels
from explorer.convolution.arithmetic import Convolution, Window, convolve, output_size
from explorer.convolution.display import window_at
from explorer.convolution.paper import downsampling_figure, window_figure
from explorer.convolution.pooling import compare_downsampling, pool
from explorer.convolution.reading import read_off
from explorer.convolution.size import derive_size
from explorer.convolution.words import describe_downsampling, describe_window
from explorer.errors import ExplorerError
from explorer.fields.effective import EffectiveField, central_half, effective_receptive_field
from explorer.fields.paper.growth import network_fields_figure, stack_fields_figure
from explorer.fields.paper.picture import field_picture
from explorer.fields.report import describe_network_fields, describe_stack_fields, units_seeing
from explorer.fields.stack import StackLayer, stack_fields
from explorer.fields.theoretical import (
    ReceptiveField,
    catalogue_fields,
    network_fields,
    receptive_field,
    receptive_fields,
)
from explorer.fields.words import describe_effective_field, describe_mixing, describe_pixel, describe_unit
from explorer.former_names import find_former_modules
from explorer.images.decode import read_image, sample_images
from explorer.images.geometry import Placement
from explorer.images.overlay import colourise, default_colormap, enlarged, overlay
from explorer.layers.architecture import architecture
from explorer.layers.architecture_words import architecture_table, describe_network
from explorer.layers.listing import Layer, list_layers
from explorer.networks.catalogue import ModelInfo, catalogue
from explorer.networks.load import LoadedModel, from_module, load_model
from explorer.networks.predictions import Prediction, predict
from explorer.networks.preprocessing import Preprocess
from explorer.practice.exercises import Exercise, Marking, make_exercise
from explorer.practice.exercises import mark as mark_exercise
from explorer.practice.paper import exercise_figure
from explorer.practice.words import describe_answer, describe_exercise, describe_marking
from explorer.saliency.attribution import Attribution, ClassComparison, attribute, compare_classes
from explorer.saliency.class_activation_maps import GradCAM, HiResCAM
from explorer.saliency.gradient_methods import Gradient, InputXGradient, IntegratedGradients, SmoothGrad
from explorer.saliency.occlusion import Occlusion
from explorer.shadowing import warn_if_shadowed
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
    "GradCAM",
    "Gradient",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "Layer",
    "LoadedModel",
    "Marking",
    "ModelInfo",
    "Occlusion",
    "PCABasis",
    "Placement",
    "Prediction",
    "Preprocess",
    "ReceptiveField",
    "Reduction",
    "SmoothGrad",
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

find_former_modules()
warn_if_shadowed()
