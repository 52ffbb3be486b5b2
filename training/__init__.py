"""Train a small network, watch it, stop it, resume it, compare it."""

from training.config import RECIPES, TrainConfig
from training.data import Dataset, channel_statistics, class_counts, gallery, load_dataset
from training.explain import confident_mistakes
from training.figures import accuracy_figure, augmentation_pairs, confusion_figure, tile
from training.film import describe_film, film_figure
from training.inside import first_convolution, look_inside
from training.loop import train
from training.mistake_views import cell_images
from training.networks import build_network, count_parameters, describe, list_networks
from training.reports import (
    classes_figure,
    compare_histories,
    describe_classes,
    describe_confusion,
    describe_first_layer,
    describe_histories,
    describe_mistakes,
    first_layer_figure,
    gallery_figure,
    mistakes_figure,
    predict_images,
    recorded_history,
    runs_figure,
)
from training.results import EpochResult, Progress
from training.run_views import class_shares
from training.trained import epochs_of, load_trained, shipped_runs, trained_runs

__all__ = [
    "RECIPES",
    "Dataset",
    "EpochResult",
    "Progress",
    "TrainConfig",
    "accuracy_figure",
    "augmentation_pairs",
    "build_network",
    "cell_images",
    "channel_statistics",
    "class_counts",
    "class_shares",
    "classes_figure",
    "compare_histories",
    "confident_mistakes",
    "confusion_figure",
    "count_parameters",
    "describe",
    "describe_classes",
    "describe_confusion",
    "describe_film",
    "describe_first_layer",
    "describe_histories",
    "describe_mistakes",
    "epochs_of",
    "film_figure",
    "first_convolution",
    "first_layer_figure",
    "gallery",
    "gallery_figure",
    "list_networks",
    "load_dataset",
    "load_trained",
    "look_inside",
    "mistakes_figure",
    "predict_images",
    "recorded_history",
    "runs_figure",
    "shipped_runs",
    "tile",
    "train",
    "trained_runs",
]
