"""Train a small network, watch it, stop it, resume it, compare it."""

from training.config import RECIPES, TrainConfig
from training.data import Dataset, channel_statistics, class_counts, gallery, load_dataset
from training.loop import train
from training.networks import build_network, count_parameters, describe, list_networks
from training.results import EpochResult, Progress
from training.trained import epochs_of, load_trained, shipped_runs, trained_runs

__all__ = [
    "RECIPES",
    "Dataset",
    "EpochResult",
    "Progress",
    "TrainConfig",
    "build_network",
    "channel_statistics",
    "class_counts",
    "count_parameters",
    "describe",
    "epochs_of",
    "gallery",
    "list_networks",
    "load_dataset",
    "load_trained",
    "shipped_runs",
    "train",
    "trained_runs",
]
