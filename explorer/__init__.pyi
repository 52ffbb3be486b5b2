from .activations.captions import describe_activation, describe_attribution, describe_comparison
from .activations.capture import Activation, ActivationCache, Capture, capture_activations
from .activations.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from .activations.largest_values import (
    describe_largest_values,
    largest_values,
    largest_values_picture,
)
from .activations.layer_comparison import (
    compare_layers,
    describe_layer_comparison,
    layer_comparison_picture,
)
from .activations.reduction import PCABasis, Reduction, reduce, strongest_channels
from .convolution.arithmetic import Convolution, Window, convolve, output_size
from .convolution.display import window_at
from .convolution.paper import downsampling_figure, window_figure
from .convolution.pooling import compare_downsampling, pool
from .convolution.reading import read_off
from .convolution.size import derive_size
from .convolution.words import describe_downsampling, describe_window
from .errors import ExplorerError
from .fields.effective import EffectiveField, central_half, effective_receptive_field
from .fields.paper.growth import network_fields_figure, stack_fields_figure
from .fields.paper.picture import field_picture
from .fields.report import describe_network_fields, describe_stack_fields, units_seeing
from .fields.stack import StackLayer, stack_fields
from .fields.theoretical import (
    ReceptiveField,
    catalogue_fields,
    network_fields,
    receptive_field,
    receptive_fields,
)
from .fields.words import describe_effective_field, describe_mixing, describe_pixel, describe_unit
from .images.decode import read_image, sample_images
from .images.geometry import Placement
from .images.overlay import colourise, default_colormap, enlarged, overlay
from .layers.architecture import architecture
from .layers.architecture_words import architecture_table, describe_network
from .layers.listing import Layer, list_layers
from .networks.catalogue import ModelInfo, catalogue
from .networks.inspect import CheckpointInfo, inspect_checkpoint
from .networks.load import LoadedModel, from_module, load_model
from .networks.predictions import Prediction, predict
from .networks.preprocessing import Preprocess
from .practice.exercises import Exercise, Marking, make_exercise, mark_exercise
from .practice.paper import exercise_figure
from .practice.words import describe_answer, describe_exercise, describe_marking
from .saliency.attribution import Attribution, ClassComparison, attribute, compare_classes
from .saliency.class_activation_maps import GradCAM, HiResCAM
from .saliency.gradient_methods import Gradient, InputXGradient, IntegratedGradients, SmoothGrad
from .saliency.occlusion import Occlusion
from .version import __version__

__all__ = [
    "Activation",
    "ActivationCache",
    "Attribution",
    "Capture",
    "CheckpointInfo",
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
    "inspect_checkpoint",
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
