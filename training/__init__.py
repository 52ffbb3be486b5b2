"""Train a small network, watch it, stop it, resume it, compare it."""

from training.config import RECIPES, TrainConfig
from training.data.examples import augmentation_pairs, gallery
from training.data.load import Dataset, channel_statistics, class_counts, load_dataset
from training.loop.train import train
from training.networks.build import build_network, count_parameters, describe, list_networks
from training.report.classes import class_shares
from training.report.inside import first_convolution, look_inside
from training.report.mistakes import cell_images
from training.report.paper.data import gallery_figure
from training.report.paper.inside import film_figure, first_layer_figure
from training.report.paper.mistakes import confusion_figure, mistakes_figure
from training.report.paper.runs import accuracy_figure, classes_figure, runs_figure
from training.report.predictions import confident_mistakes, predict_images
from training.report.sheet import tile
from training.report.words import (
    compare_histories,
    describe_classes,
    describe_confusion,
    describe_film,
    describe_first_layer,
    describe_histories,
    describe_mistakes,
    recorded_history,
)
from training.results import EpochResult, Progress
from training.runs.trained import epochs_of, load_trained, shipped_runs, trained_runs

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
