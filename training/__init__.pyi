from .config import RECIPES, TrainConfig
from .data.examples import augmentation_pairs, gallery
from .data.load import Dataset, channel_statistics, class_counts, load_dataset
from .loop.train import train
from .networks.build import build_network, count_parameters, describe, list_networks
from .report.classes import class_shares
from .report.inside import first_convolution, look_inside
from .report.mistakes import cell_images
from .report.paper.data import gallery_figure
from .report.paper.inside import film_figure, first_layer_figure
from .report.paper.mistakes import confusion_figure, mistakes_figure
from .report.paper.runs import accuracy_figure, classes_figure, runs_figure
from .report.predictions import confident_mistakes, predict_images
from .report.sheet import tile
from .report.words import (
    compare_histories,
    describe_classes,
    describe_confusion,
    describe_film,
    describe_first_layer,
    describe_histories,
    describe_mistakes,
    recorded_history,
)
from .results import EpochResult, Progress
from .runs.trained import epochs_of, load_trained, shipped_runs, trained_runs

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
