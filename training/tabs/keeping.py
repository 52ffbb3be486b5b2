"""What the training lab's Keep buttons record: data, networks, runs that are done, and what they get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from explorer.errors import ExplorerError
from explorer.session.steps import step_of
from explorer.tabs.convolution.keep import Kept
from explorer.tabs.keeping import looked_at, picture_of
from explorer.tabs.looking.keep import keep_attribution
from explorer.workbench import Explanation, Workbench
from training.data.examples import augmentation_pairs, gallery
from training.data.load import Dataset
from training.data.opened import Choice, Opened, is_here
from training.networks.build import build_network, count_parameters
from training.report.classes import class_shares
from training.report.comparison import Group, Member
from training.report.curves import Quantity
from training.report.inside import Scene, first_convolution, snapshots
from training.report.mistakes import Pair, cell_images
from training.report.paper.data import gallery_figure
from training.report.paper.inside import film_figure, first_layer_figure
from training.report.paper.mistakes import confusion_figure, mistakes_figure
from training.report.paper.runs import classes_figure, runs_figure
from training.report.predictions import Predictions, confident_mistakes
from training.report.sheet import tile
from training.report.words import (
    Row,
    compare_histories,
    describe_classes,
    describe_confusion,
    describe_film,
    describe_first_layer,
    describe_histories,
    describe_mistakes,
    recorded_history,
    recorded_rows,
)
from training.results import EpochResult
from training.runs import folders as runs
from training.runs.catalogue import facts_of, name_of
from training.runs.folders import Run
from training.runs.own_pictures import knobs_with, recorded_knobs
from training.words import dataset_title, network_title, recipe_title

MOST_RUNS = 12
MOST_MISTAKES = 24
_MOST_TITLE = 80
_PAIRS = 6
Normalization = tuple[float, float] | Literal["measured"] | None


def keep_gallery(opened: Opened, seed: int) -> Kept:
    """Ten images of each class."""
    config = opened.choice.config()
    knobs, files = knobs_with(config, opened.data)
    arguments = {"config": knobs, "per_class": 10, "seed": seed}
    figure = gallery_figure(gallery(opened.data, per_class=10, seed=seed))
    title = f"{dataset_title(config)}: images of each class"
    return step_of("data.gallery", arguments, title, "", figure), files


def keep_network(network: str, classes: int, image_size: int) -> Kept:
    """A network's layers and its parameters, before it is trained."""
    with torch.device("meta"):
        built = build_network(network, classes, image_size)
    arguments = {"name": network, "classes": classes, "image_size": image_size}
    sentence = f"{built}\n{count_parameters(built):,} trainable parameters"
    return step_of("network.untrained", arguments, f"Network: {network_title(network)}", sentence), []


def keep_pairs(
    opened: Opened, augmentation: Sequence[str], seed: int, normalization: Normalization = None
) -> Kept:
    """Training images above what augmentation makes of them; cut-out leaves what ``normalization`` makes 0."""
    if not augmentation:
        raise ExplorerError("without augmentation", "every image stays as it is", "choose one, such as flip")
    config = replace(opened.choice.config(), augmentation=tuple(augmentation), normalization=normalization)
    knobs, files = knobs_with(config, opened.data)
    arguments = {"config": knobs, "count": _PAIRS, "seed": seed}
    pairs = augmentation_pairs(opened.data, config, _PAIRS, seed)
    originals, changed = zip(*pairs, strict=True)
    picture = tile([*originals, *changed], columns=len(pairs), scale=3)
    title = "Originals, and what augmentation makes of them"
    return step_of("data.augmentation", arguments, title, "", picture), files


def keep_curves(run: Run) -> Kept:
    """One run's accuracies and losses, as they were recorded; training again is for who asks for it."""
    history = runs.history(run.folder)
    if not history:
        raise ExplorerError(
            f"the run {run.name!r}", "has no finished epoch", "let it train for one epoch first"
        )
    title = recipe_title(run.config)
    short = title[:_MOST_TITLE]
    recorded = {short: recorded_rows(history)}
    histories = _read_back(recorded)
    knobs, files = recorded_knobs({short: run})
    step = step_of(
        "run.history",
        {"configs": knobs, "recorded": recorded},
        f"Training: {title}",
        describe_histories(histories),
        runs_figure({short: run.config}, histories),
    )
    return step, files


def keep_classes(run: Run, epoch: int) -> Kept:
    """How a run did on each class after an epoch, as it was recorded."""
    facts = facts_of(run)
    result = next((found for found in runs.history(run.folder) if found.epoch == epoch), None)
    if result is None or facts is None:
        rule, remedy = "has no results yet", "let it train for one epoch first"
        raise ExplorerError(f"epoch {epoch} of the run {run.name!r}", rule, remedy)
    # With the digits and letters that a notebook writes out.
    shares = [(_printable(label), round(share, 6)) for label, share in class_shares(result, facts.labels)]
    classes = len(facts.labels)
    knobs, files = recorded_knobs({run.name: run})
    arguments = {
        "config": knobs[run.name],
        "epoch": epoch,
        "recorded": [list(pair) for pair in shares],
        "classes": classes,
    }
    step = step_of(
        "run.classes",
        arguments,
        f"{recipe_title(run.config)}: each class after epoch {epoch}",
        describe_classes(epoch, shares, classes),
        classes_figure(epoch, shares, classes),
    )
    return step, files


def keep_comparison(groups: Sequence[Group], quantity: Quantity) -> Kept:
    """Several runs beside each other, with the gaps in words."""
    found = _titled(groups)
    if len(found) > MOST_RUNS:
        rule = f"are more than a step holds ({MOST_RUNS})"
        raise ExplorerError(f"{len(found)} runs", rule, "choose fewer to compare")
    configs = {title: member.config for title, member in found.items()}
    last = max(member.history[-1].epoch for member in found.values())
    recorded = {title: recorded_rows(member.history, last) for title, member in found.items()}
    test_images = {title: m.test_images for title, m in found.items() if m.test_images is not None}
    histories = _read_back(recorded)
    knobs, files = recorded_knobs({title: member.run for title, member in found.items() if member.run})
    step = step_of(
        "run.history",
        {"configs": knobs, "recorded": recorded, "test_images": test_images, "shown": quantity},
        "Runs compared: " + " or ".join(group.title for group in groups),
        compare_histories(configs, histories, test_images),
        runs_figure(configs, histories, (quantity,)),
    )
    return step, files


def keep_confusion(run: Run, epoch: int, chosen: Choice | None, found: Predictions, images: Dataset) -> Kept:
    """How often each class was taken for each."""
    arguments, files = _tested(run, epoch, chosen, images)
    figure = confusion_figure(found.confusion, found.labels)
    title = f"What {run.name} takes for what, after epoch {epoch}"
    arguments |= {"shown": "confusion"}
    return step_of(_PREDICT, arguments, title, describe_confusion(found), figure), files


def keep_mistakes(
    run: Run, epoch: int, chosen: Choice | None, found: Predictions, images: Dataset, cell: Pair | None
) -> Kept:
    """The surest mistakes, or the images of one cell of the confusion matrix."""
    arguments, files = _tested(run, epoch, chosen, images)
    picked = confident_mistakes(found, MOST_MISTAKES) if cell is None else cell_images(found, *cell)
    picked = picked[:MOST_MISTAKES]
    title = "The mistakes of which it was surest"
    if cell is not None:
        title = f"{found.labels[cell[0]]}, taken for {found.labels[cell[1]]}"
    arguments |= {"shown": "mistakes", "cell": list(cell) if cell else None, "count": MOST_MISTAKES}
    figure = mistakes_figure(picked, found.labels, images)
    return step_of(_PREDICT, arguments, title, describe_mistakes(picked, found.labels), figure), files


def keep_first_layer(bench: Workbench, run: Run, epoch: int, scene: Scene) -> Kept:
    """The first convolution's kernels and maps after an epoch."""
    selection = bench.select(name_of(run, epoch), scene.image_path)
    arguments, files = looked_at(bench, selection)
    model = bench.model(selection.model)
    layer = first_convolution(model).name
    activation = bench.capture(selection, (layer,)).activations[layer]
    step = step_of(
        "run.first_layer",
        arguments,
        f"{layer} of {run.name} {_when(epoch)}",
        describe_first_layer(model.module, activation),
        first_layer_figure(model.module, activation),
    )
    return step, files


def keep_saliency(bench: Workbench, run: Run, epoch: int, scene: Scene) -> Kept:
    """What speaks for the picture's class after an epoch."""
    selection = bench.select(name_of(run, epoch), scene.image_path)
    step, files = keep_attribution(bench.open(selection), Explanation(scene.target), "overlay", 0.9)
    return replace(step, title=f"{step.title} {_when(epoch)}"), files


def keep_film(bench: Workbench, run: Run, scene: Scene, epochs: Sequence[int]) -> Kept:
    """The strip of epochs: kernels, maps, saliency, and what the network says."""
    reference, files = picture_of(bench.select(name_of(run, epochs[-1]), scene.image_path))
    found = [
        # With the digits that a notebook writes out.
        replace(m, test_accuracy=None if m.test_accuracy is None else round(m.test_accuracy, 6))
        for m in snapshots(bench, run, scene, epochs=epochs)
    ]
    arguments = {
        "models": {name_of(run, m.epoch): m.test_accuracy for m in found},
        "image": reference,
        "target": scene.target,
    }
    title = f"{scene.words}, over {len(found)} epochs of {run.name}"
    step = step_of("run.epochs", arguments, title, describe_film(found), film_figure(found))
    return step, files


_PREDICT = "run.predictions"


def _read_back(recorded: Mapping[str, Sequence[Row]]) -> dict[str, list[EpochResult]]:
    """The results with the digits that are recorded: what is kept is what the notebook shows."""
    return {title: recorded_history(rows) for title, rows in recorded.items()}


def _printable(label: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in label)


def _titled(groups: Sequence[Group]) -> dict[str, Member]:
    """A short title of its own for each run."""
    found: dict[str, Member] = {}
    for group in groups:
        for member in group.members:
            seed = f", seed {member.config.seed}" if len(group.members) > 1 else ""
            title, count = f"{group.title[: _MOST_TITLE - len(seed) - 4]}{seed}", 1
            while title in found:
                count += 1
                title = f"{title.removesuffix(f' ({count - 1})')} ({count})"
            found[title] = member
    return found


def _tested(
    run: Run, epoch: int, chosen: Choice | None, images: Dataset
) -> tuple[dict[str, Any], list[bytes]]:
    """The network, and the images that it was tested on: its own, or those that were open in their place."""
    config = run.config
    own = Choice(config.dataset, config.data_dir, config.image_size, config.skip_broken)
    data = own.config() if is_here(own) or chosen is None else chosen.config()
    if is_here(own) and data.dataset != "folder":  # of pictures of one's own those that were used go along
        data = replace(data, max_train_images=config.max_train_images, max_test_images=config.max_test_images)
    knobs, files = knobs_with(data, images)
    return {"model": name_of(run, epoch), "config": knobs}, files


def _when(epoch: int) -> str:
    return "before training" if epoch == 0 else f"after epoch {epoch}"
