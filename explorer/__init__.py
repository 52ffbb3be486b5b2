"""Look inside a convolutional network: the public names, nothing else."""

from explorer.activations import Activation, ActivationCache, Capture, capture_activations
from explorer.attribution import Attribution, ClassComparison, attribute, compare_classes
from explorer.catalogue import ModelInfo, catalogue
from explorer.errors import ExplorerError
from explorer.images import Placement, read_image, sample_images
from explorer.layers import Layer, list_layers
from explorer.models import LoadedModel, from_module, load_model
from explorer.overlay import overlay
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
    "ExplorerError",
    "Layer",
    "LoadedModel",
    "ModelInfo",
    "PCABasis",
    "Placement",
    "Prediction",
    "Preprocess",
    "ReceptiveField",
    "Reduction",
    "attribute",
    "capture_activations",
    "catalogue",
    "compare_classes",
    "from_module",
    "list_layers",
    "load_model",
    "overlay",
    "predict",
    "read_image",
    "receptive_field",
    "receptive_fields",
    "reduce",
    "sample_images",
    "strongest_channels",
]
