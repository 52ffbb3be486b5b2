"""Data and runs in figures and lines of text on paper: for notebooks and what is handed in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer.activations import Activation
from explorer.captions import number
from explorer.errors import ExplorerError
from explorer.models import LoadedModel
from explorer.overlay import DIVERGING
from training.batches import Split, make_normalization
from training.config import TrainConfig, comparable
from training.data import Dataset
from training.evaluation import predict_split
from training.explain import (
    Mistake,
    Predictions,
    compare_seeds,
    explain_gap,
    plain_and_augmented,
    spread,
)
from training.figures import COLORS, first_kernels, tile
from training.inside import spread_out
from training.mistake_views import confusions
from training.results import EpochResult
from training.run_views import classes_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Histories = Mapping[str, Sequence[EpochResult]]
Row = Sequence[float | None]
QUANTITIES = {"accuracy": "accuracy (%)", "loss": "loss", "gap": "training minus test accuracy (points)"}
_MOST_EXPLAINED = 2
MOST_EPOCHS = 120
_COLUMNS = 6
_LONGEST_LABEL = 32
_MOST_KERNELS = 16


def recorded_history(rows: Sequence[Row]) -> list[EpochResult]:
    """The results of a run that is done, from (epoch, training accuracy, test accuracy, training loss, test loss).

    Accuracies in [0, 1]; ``None`` and what isn't recorded become NaN.
    """
    results = []
    for epoch, *numbers in rows:
        train, test, train_loss, test_loss = (math.nan if v is None else float(v) for v in numbers)
        unknown = (math.nan, math.nan, math.nan)  # seconds, images per second, learning rate
        results.append(EpochResult(int(epoch or 0), train, test, train_loss, test_loss, *unknown, ()))
    return results


def recorded_rows(history: Sequence[EpochResult], last: int | None = None) -> list[list[float | None]]:
    """What :func:`recorded_history` reads back, as a notebook writes it out: of long runs evenly chosen epochs.

    ``last`` is the last epoch of the longest run that is shown beside this one.
    """
    chosen = set(spread_out(range(1, (last or history[-1].epoch) + 1), MOST_EPOCHS))
    rows = []
    for result in history:
        numbers = (result.train_accuracy, result.test_accuracy, result.train_loss, result.test_loss)
        if result.epoch in chosen:
            known = (round(number, 6) if math.isfinite(number) else None for number in numbers)
            rows.append([result.epoch, *known])
    return rows


def describe_histories(histories: Histories) -> str:
    """Every epoch's accuracies, run by run."""
    lines = []
    for title, results in histories.items():
        lines.append(title)
        lines += [
            f"epoch {result.epoch}: train {result.train_accuracy:.1%}, test {result.test_accuracy:.1%}"
            for result in results
        ]
    return "\n".join(lines)


def compare_histories(
    configs: Mapping[str, TrainConfig], histories: Histories, test_images: Mapping[str, int]
) -> str:
    """The last epochs in a table, mean ± spread over seeds, and the gap between training and test in words.

    Args:
        configs: title → recipe.
        test_images: title → how many images the test accuracy was counted on; without, nothing is said of a run's gap.
    """
    groups = _by_recipe(configs, histories)
    rows: list[tuple[str, ...]] = [("recipe", "epochs", "training", "test", "gap", "best test")]
    rows += [_summary(title, [histories[member] for member in members]) for title, members in groups.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        row[0].ljust(widths[0])
        + "".join(cell.rjust(width + 3) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n\n".join(["\n".join(table), *_explained(groups, configs, histories, test_images)])


def runs_figure(
    configs: Mapping[str, TrainConfig], histories: Histories, quantities: Sequence[str] = ("accuracy", "loss")
) -> Figure:
    """Test (solid) and training (dashed) of each run over the epochs; of several seeds the mean ± one deviation.

    Args:
        quantities: any of :data:`QUANTITIES`, a pair of axes each.
    """
    from matplotlib.figure import Figure

    # One run needs no name in its legend.
    alone = len(histories) == 1
    figure = Figure(figsize=(5.2 * max(1.25, len(quantities)), 4.0), layout="constrained", facecolor="white")
    groups = _by_recipe(configs, histories)
    panels: Sequence[Axes] = figure.subplots(1, len(quantities), squeeze=False)[0]
    for axes, quantity in zip(panels, quantities, strict=True):
        for place, (title, members) in enumerate(groups.items()):
            named = "" if alone else f"{title}, "
            _draw_group(axes, quantity, named, [histories[m] for m in members], COLORS[place % len(COLORS)])
        _finish(axes, quantity)
    return figure


def describe_classes(epoch: int, shares: Sequence[tuple[str, float]], classes: int) -> str:
    """The test accuracy of each class after an epoch, a line a class.

    Args:
        shares: (label, accuracy in [0, 1]), as :func:`training.run_views.class_shares` picks them.
        classes: of how many classes they are.
    """
    return "\n".join([classes_title(epoch, classes), *(f"{label}: {share:.1%}" for label, share in shares)])


def classes_figure(epoch: int, shares: Sequence[tuple[str, float]], classes: int) -> Figure:
    """The same as bars, the first class at the top."""
    from matplotlib.figure import Figure

    size = (6.4, 0.9 + 0.28 * len(shares))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot(xlim=(0, 100), xlabel="of the class's test images right (%)")
    rows = range(len(shares))
    bars = axes.barh(rows, [100 * share for _, share in shares], height=0.66, color=COLORS[0])
    axes.bar_label(bars, [f"{share:.0%}" for _, share in shares], padding=3, fontsize=8)
    axes.set_yticks(rows, [_clipped(label) for label, _ in shares], parse_math=False)
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_title(classes_title(epoch, classes), fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _clipped(label: str) -> str:
    """Longer ones would leave no room for the bars."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def gallery_figure(images: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """A row of images (n, S, S, 3) for each label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 0.56 * len(images)), layout="constrained", facecolor="white")
    for row, (label, shown) in enumerate(images.items(), start=1):
        axes = figure.add_subplot(len(images), 1, row, xticks=[], yticks=[])
        axes.imshow(tile(shown, columns=len(shown)))
        axes.set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)
    return figure


def predict_images(model: LoadedModel, data: Dataset) -> Predictions:
    """What a trained network says of every test image of a data set.

    Raises:
        ExplorerError: the data set has other classes.
    """
    if tuple(data.labels) != tuple(model.labels):
        remedy = "give the data set that the network was trained on"
        raise ExplorerError(f"the data set {data.name!r}", "has other classes than the network", remedy)
    device = torch.device("cpu")
    split = Split(torch.from_numpy(np.array(data.test_images)), torch.from_numpy(np.array(data.test_classes)))
    normalize = make_normalization(model.preprocess.mean, model.preprocess.std, device)
    # A copy: the loaded network is shared, and stays as it is.
    network = deepcopy(model.module).to(device).to(memory_format=torch.channels_last)
    answers = [logits.softmax(1).numpy() for logits, _ in predict_split(network, split, normalize)]
    return Predictions(data.labels, np.array(data.test_classes), np.concatenate(answers))


def describe_confusion(predictions: Predictions) -> str:
    """How many test images are right, how many of each class, and the most frequent confusions."""
    counts = predictions.confusion
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    lines = [f"{right:,} of {total:,} test images are right ({right / total:.1%})."]
    lines += [
        f"{label}: {counts[index, index]} of {counts[index].sum()} right"
        for index, label in enumerate(predictions.labels)
    ]
    often = [words for words, _ in confusions(predictions, 5)]
    return "\n".join(lines + ([f"Most often: {', '.join(often)}."] if often else []))


def describe_mistakes(mistakes: Sequence[Mistake], labels: Sequence[str]) -> str:
    """A line per image: what it is, what it was taken for, and how probable the network held both."""
    return "\n".join(
        f"test image {m.index}: {labels[m.true_class]} {m.true_probability:.1%}, "
        f"taken for {labels[m.predicted_class]} {m.probability:.1%}"
        for m in mistakes
    )


def mistakes_figure(mistakes: Sequence[Mistake], labels: Sequence[str], data: Dataset) -> Figure:
    """The images with what they are, and in bold what they were taken for; raises ExplorerError without any."""
    from matplotlib.figure import Figure

    if not mistakes:
        raise ExplorerError("no images", "can't be drawn", "choose a cell of the matrix that has some")
    rows = -(-len(mistakes) // _COLUMNS)
    figure = Figure(figsize=(8.0, 1.72 * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False, subplot_kw={"xticks": [], "yticks": []}).ravel()
    for axes, m in zip(panels, mistakes, strict=False):
        axes.imshow(np.asarray(data.test_images[m.index]), interpolation="nearest")
        axes.spines[:].set_visible(False)
        truth = f"{labels[m.true_class]} {m.true_probability:.1%}"
        axes.set_title(truth, fontsize=7, pad=2, parse_math=False)
        taken_for = f"{labels[m.predicted_class]} {m.probability:.1%}"
        axes.set_xlabel(taken_for, fontsize=7, fontweight="bold", labelpad=2, parse_math=False)
    for axes in panels[len(mistakes) :]:
        axes.set_axis_off()
    return figure


def describe_first_layer(network: nn.Module, activation: Activation) -> str:
    """What :func:`first_layer_figure` draws, with its numbers."""
    count, height, width = activation.shape
    many = f"the first {_MOST_KERNELS} of {count}" if count > _MOST_KERNELS else f"all {count}"
    said = f"{activation.layer}, {many} channels."
    weights = _first_weights(network)
    if weights is not None:
        largest = number(float(np.abs(weights).max()))
        said += (
            f" Above, its {weights.shape[2]}×{weights.shape[3]} kernels over red, green and blue: weights from "
            f"{number(float(weights.min()))} to {number(float(weights.max()))}; grey is 0, white {largest}, "
            f"black −{largest}."
        )
    values = activation.values
    return said + (
        f" Below, their {height}×{width} maps on this picture: red positive, blue negative; values from "
        f"{number(float(values.min()))} to {number(float(values.max()))}."
    )


def first_layer_figure(network: nn.Module, activation: Activation) -> Figure:
    """The first convolution's kernels, where they read three colours, and below each its map on a picture."""
    from matplotlib.figure import Figure

    maps = activation.values[:_MOST_KERNELS]
    columns = min(len(maps), 8)
    weights = _first_weights(network)
    kinds = 1 if weights is None else 2
    rows = kinds * -(-len(maps) // columns)
    figure = Figure(figsize=(8.0, 8.0 / columns * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    reach = float(np.abs(maps).max()) or 1.0
    for index, values in enumerate(maps):
        row, column = kinds * (index // columns), index % columns
        if weights is not None:
            panels[row][column].imshow(first_kernels(network)[index], interpolation="nearest")
        below = panels[row + kinds - 1][column]
        below.imshow(values, cmap=DIVERGING[0], vmin=-reach, vmax=reach, interpolation="nearest")
    return figure


def _first_weights(network: nn.Module) -> NDArray[np.float32] | None:
    """(n, 3, k, k) weights of the first convolution; None where it doesn't read three colours."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or first.groups != 1:
        return None
    weights: NDArray[np.float32] = first.weight.detach().cpu().numpy()
    return weights


def _by_recipe(configs: Mapping[str, TrainConfig], histories: Histories) -> dict[str, list[str]]:
    """Title of a recipe → titles of its runs, which differ in nothing but the seed: the longest of each seed."""
    together: dict[TrainConfig, dict[int, str]] = {}
    for title in sorted(histories, key=lambda title: -len(histories[title])):
        together.setdefault(comparable(configs[title]), {}).setdefault(configs[title].seed, title)
    order = list(dict.fromkeys(comparable(configs[title]) for title in histories))
    groups = [[together[recipe][seed] for seed in sorted(together[recipe])] for recipe in order]
    return {_common(members): members for members in groups}


def _common(titles: Sequence[str]) -> str:
    if len(titles) == 1:
        return titles[0]
    return f"{titles[0].rpartition(', seed ')[0] or titles[0]} ({len(titles)} seeds)"


def _summary(title: str, runs: Sequence[Sequence[EpochResult]]) -> tuple[str, ...]:
    def told(values: list[float]) -> str:
        deviation = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        return f"{100 * np.mean(values):.1f}{deviation}".replace("-", "−")

    last = [run[-1] for run in runs]
    return (
        title,
        str(min(result.epoch for result in last)),
        f"{told([result.train_accuracy for result in last])} %",
        f"{told([result.test_accuracy for result in last])} %",
        f"{told([result.train_accuracy - result.test_accuracy for result in last])} points",
        f"{told([max(result.test_accuracy for result in run) for run in runs])} %",
    )


def _explained(
    groups: Mapping[str, Sequence[str]],
    configs: Mapping[str, TrainConfig],
    histories: Histories,
    test_images: Mapping[str, int],
) -> list[str]:
    """The gap of the first recipes, each from its first run, and what augmentation did where two differ in it alone."""
    first = [members[0] for members in groups.values()]
    said = []
    for title in first[:_MOST_EXPLAINED]:
        if title not in test_images:
            continue
        augmented = bool(configs[title].augmentation)
        words = explain_gap(histories[title], test_images[title], augmented=augmented)
        said.append(f"{title}: {words}" if len(first) > 1 else words)
    names, members = list(groups), list(groups.values())
    pairs = plain_and_augmented([configs[title] for title in first])
    for plain, other in pairs:
        if first[plain] in test_images:
            one, two = ([histories[title] for title in members[place]] for place in (plain, other))
            words = compare_seeds(one, two, test_images[first[plain]])
            said.append(f"{names[other]}, against {names[plain]}: {words}" if len(pairs) > 1 else words)
    return said


def _draw_group(
    axes: Axes, quantity: str, named: str, runs: Sequence[Sequence[EpochResult]], color: str
) -> None:
    if quantity == "gap":
        train, test = (spread(runs, f"{part}_accuracy") for part in ("train", "test"))
        gap = 100 * (np.array(train.mean) - np.array(test.mean))
        axes.plot(train.epochs, gap, color=color, marker=".", label=named.rstrip(", ") or "gap")
        return
    scale = 100 if quantity == "accuracy" else 1
    for part, style in (("train", "--"), ("test", "-")):
        found = spread(runs, f"{part}_{quantity}")
        mean, deviation = scale * np.array(found.mean), scale * np.array(found.deviation)
        axes.plot(found.epochs, mean, style, color=color, marker=".", label=f"{named}{part}")
        if found.runs > 1 and part == "test":
            axes.fill_between(found.epochs, mean - deviation, mean + deviation, color=color, alpha=0.2)


def _finish(axes: Axes, quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_ylabel(QUANTITIES[quantity])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    for text in axes.legend(frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
