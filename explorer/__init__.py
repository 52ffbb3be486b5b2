"""Look inside a convolutional network: the public names, nothing else."""

from explorer.activations import Activation, ActivationCache, Capture, capture_activations
from explorer.attribution import Attribution, ClassComparison, attribute, compare_classes
from explorer.catalogue import ModelInfo, catalogue
from explorer.convolution import Convolution, Window, convolve, output_size
from explorer.convolution_reading import read_off
from explorer.convolution_size import derive_size
from explorer.effective_receptive_field import EffectiveField, effective_receptive_field
from explorer.errors import ExplorerError
from explorer.images import Placement, read_image, sample_images
from explorer.layers import Layer, list_layers
from explorer.models import LoadedModel, from_module, load_model
from explorer.overlay import overlay
from explorer.pooling import compare_downsampling, pool
from explorer.practice import Exercise, Marking, make_exercise
from explorer.practice import mark as mark_exercise
from explorer.predictions import Prediction, predict
from explorer.preprocessing import Preprocess
from explorer.receptive_field import ReceptiveField, receptive_field, receptive_fields
from explorer.reduction import PCABasis, Reduction, reduce, strongest_channels

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
    "Window",
    "attribute",
    "capture_activations",
    "catalogue",
    "compare_classes",
    "compare_downsampling",
    "convolve",
    "derive_size",
    "effective_receptive_field",
    "from_module",
    "list_layers",
    "load_model",
    "make_exercise",
    "mark_exercise",
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
    "strongest_channels",
]
