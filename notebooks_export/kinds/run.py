"""Networks to train, runs that are done, and what trained networks get right and wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from explorer.errors import ExplorerError
from explorer.networks.preprocessing import Framing
from notebooks_export.kinds import run_table
from notebooks_export.kinds.cell import Given, figure_shown, literal, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope
from notebooks_export.kinds.parameters import (
    MAX_EPOCHS,
    MAX_RUNS,
    REMEDY,
    ClassIndex,
    ClassLabel,
    ImageReference,
    NetworkReference,
    NetworkToTrain,
    OfNetwork,
    OfPicture,
    Parameters,
    Recipe,
    RecordedEpoch,
    RecordedRecipe,
    Share,
    Title,
    several,
    whole,
)
from training import TrainConfig
from training.report.classes import MOST_CLASSES
from training.report.inside import MOST_SNAPSHOTS
from training.report.words import recorded_rows

_Runs = several(1, MAX_RUNS)
ABSENT = "pictures-that-did-not-come-along"
"""In place of the folder of pictures of one's own that no session could take along."""


def _epochs_of_one_run(value: Any) -> Any:
    """In the order of their epochs; refused unless all are of one run, each named once."""
    if not isinstance(value, Mapping) or not 1 <= len(value) <= MOST_SNAPSHOTS:
        rule = f"is not a mapping of 1 to {MOST_SNAPSHOTS} epochs of a run, RUN@EPOCH, to their test accuracy"
        raise ExplorerError(f"{value!r:.80}", rule, REMEDY)
    named = {str(key): str(key).rpartition("@") for key in value}
    epochs = {key: int(epoch) for key, (run, _, epoch) in named.items() if run and epoch.isdecimal()}
    if len({run for run, _, _ in named.values()}) > 1 or len(set(epochs.values())) < len(value):
        rule = "are not different epochs of one run"
        raise ExplorerError(f"{', '.join(map(str, value)):.80}", rule, "name each RUN@EPOCH once")
    return {key: value[key] for key in sorted(value, key=epochs.__getitem__)}


class Network(Parameters):
    """A network to train, before it is trained."""

    name: NetworkToTrain = "lenet"
    classes: Annotated[int, whole(2, 10_000)] = 10
    image_size: Annotated[int, whole(8, 512)] = 32


class Runs(Parameters):
    """Runs by a short title: recipes alone, which are trained, or with what was recorded of them."""

    configs: Annotated[dict[Title, RecordedRecipe], _Runs]
    recorded: Annotated[dict[Title, Annotated[list[RecordedEpoch], several(1, MAX_EPOCHS)]], _Runs] | None = (
        None
    )
    test_images: Annotated[dict[Title, Annotated[int, whole(1, 10**9)]], several(0, MAX_RUNS)] = {}  # noqa: RUF012
    shown: Literal["epochs", "curves", "accuracy", "loss", "gap"] = "curves"


class Classes(Parameters):
    """A run's accuracy on each class after an epoch, as it was recorded."""

    config: RecordedRecipe
    epoch: Annotated[int, whole(1, 100_000)]
    recorded: Annotated[tuple[tuple[ClassLabel, Share], ...], several(1, MOST_CLASSES)]
    classes: Annotated[int, whole(1, 100_000)]


class Predictions(OfNetwork):
    """A trained network's answers to the test images of a data set."""

    config: Recipe
    shown: Literal["confusion", "mistakes"] = "confusion"
    cell: tuple[Annotated[int, whole(0, 9_999)], Annotated[int, whole(0, 9_999)]] | None = None
    count: Annotated[int, whole(1, 24)] = 12


class OverEpochs(Parameters):
    """One picture, seen by a run's network after several of its epochs: RUN@EPOCH → test accuracy or None."""

    models: Annotated[dict[NetworkReference, Share | None], BeforeValidator(_epochs_of_one_run)]
    image: ImageReference
    framing: Framing = "crop"
    target: ClassIndex


def _network(given: Given) -> list[str]:
    """A network's layers and its trainable parameters."""
    name = literal(given["name"])
    call = written("training.build_network", name, literal(given["classes"]), literal(given["image_size"]))
    return [
        f"network = {call}",
        "print(network)",
        'print(f"{training.count_parameters(network):,} trainable parameters")',
    ]


def _runs(given: Given) -> list[str]:
    """Training runs and their accuracies over the epochs; of runs that are done, what was recorded."""
    if given["recorded"] is not None:
        return _recorded(given)
    return [
        *_mapping("configs", given["configs"]),
        "histories = {}",
        "for title, config in configs.items():",
        "    print(title)",
        "    histories[title] = []",
        "    for result in training.train(config):",
        "        histories[title].append(result)",
        "        accuracies = (result.train_accuracy, result.test_accuracy)",
        '        print("epoch {}: train {:.1%}, test {:.1%}".format(result.epoch, *accuracies))',
        *figure_shown("training.accuracy_figure(histories)"),
    ]


def _recorded(given: Given) -> list[str]:
    shown = given["shown"]
    quantities = ("accuracy", "loss") if shown == "curves" else (shown,)
    figure = f"training.runs_figure(configs, histories, {quantities!r})"
    listed = (
        ["print(training.describe_histories(histories))"]
        if shown in ("curves", "epochs")
        else [
            f"test_images = {literal(given['test_images'])}",
            "print(training.compare_histories(configs, histories, test_images))",
        ]
    )
    return [
        *_mapping("configs", given["configs"]),
        *_absent(*given["configs"].values()),
        "# Epoch, training and test accuracy, training and test loss; of long runs some of the epochs.",
        "recorded = {",
        *(line for title, rows in given["recorded"].items() for line in _rows(title, rows)),
        "}",
        "train_again = False  # True trains anew with the recipes above, which may take long",
        "histories = {title: training.recorded_history(rows) for title, rows in recorded.items()}",
        "if train_again:",
        "    histories = {title: list(training.train(config)) for title, config in configs.items()}",
        *listed,
        *figure_shown("training.accuracy_figure(histories)" if shown == "epochs" else figure),
    ]


def _absent(*configs: TrainConfig) -> list[str]:
    """What to do where pictures of one's own didn't come along."""
    if all(config.data_dir != ABSENT for config in configs):
        return []
    return ["# To train again, put the folder of the pictures, or a zip of it, in data_dir's place."]


def _classes(given: Given) -> list[str]:
    """A run's accuracy on each class after an epoch, as it was recorded."""
    rows = [f"    ({label!r}, {share!r})," for label, share in given["recorded"]]
    epoch, count = given["epoch"], given["classes"]
    return [
        f"config = {literal(given['config'])}",
        *_absent(given["config"]),
        f"# After epoch {epoch}: test accuracy of each class.",
        *("recorded = [", *rows, "]"),
        "train_again = False  # True trains anew with the recipe above, which may take long",
        "if train_again:",
        f"    result = list(training.train(config))[{epoch - 1}]",
        "    recorded = training.class_shares(result, training.load_dataset(config).labels)",
        f"print(training.describe_classes({epoch}, recorded, {count}))",
        *figure_shown(f"training.classes_figure({epoch}, recorded, {count})"),
    ]


def _rows(title: str, rows: Any) -> list[str]:
    return [f"    {title!r}: [", *(f"        {row!r}," for row in rows), "    ],"]


def _mapping(name: str, values: Any) -> list[str]:
    rows = ",\n".join(f"{title!r}: {literal(value)}" for title, value in values.items())
    return [f"{name} = {{", "    " + rows.replace("\n", "\n    ") + ",", "}"]


def _predictions(given: Given) -> list[str]:
    """A trained network's answers to its test images: the confusion matrix, or images with what it said."""
    lines = [
        f"data = training.load_dataset({literal(given['config'])})",
        f"predictions = training.predict_images({given.model}, data)",
    ]
    if given["shown"] == "confusion":
        return [
            *lines,
            "print(training.describe_confusion(predictions))",
            *figure_shown("training.confusion_figure(predictions.confusion, predictions.labels)"),
        ]
    count, cell = given["count"], given["cell"]
    chosen = (
        f"training.confident_mistakes(predictions, {count})"
        if cell is None
        else f"training.cell_images(predictions, {cell[0]}, {cell[1]})[:{count}]"
    )
    return [
        *lines,
        f"mistakes = {chosen}",
        "print(training.describe_mistakes(mistakes, predictions.labels))",
        *figure_shown("training.mistakes_figure(mistakes, predictions.labels, data)"),
    ]


def _first_layer(given: Given) -> list[str]:
    """The first convolution's kernels and their maps on a picture."""
    capture = written(
        *("explorer.capture_activations", given.model, given.image, "[layer]"), framing=given["framing"]
    )
    return [
        f"layer = training.first_convolution({given.model}).name",
        f"activation = {capture}[layer]",
        f"print(training.describe_first_layer({given.model}.module, activation))",
        *figure_shown(f"training.first_layer_figure({given.model}.module, activation)"),
    ]


def _over_epochs(given: Given) -> list[str]:
    """One picture, seen by a run's network after several of its epochs."""
    epochs = [int(reference.rpartition("@")[2]) for reference in given["models"]]
    held = zip(epochs, given.models, strict=True)
    reached = zip(epochs, given["models"].values(), strict=True)
    recorded = {epoch: share for epoch, share in reached if share is not None}
    call = written(
        *("training.look_inside", "networks", given.image, repr(given["target"]), "test_accuracy=recorded"),
        framing=given["framing"],
    )
    return [
        *("networks = {", *(f"    {epoch}: {variable}," for epoch, variable in held), "}"),
        "# The accuracy on all test images, as it was recorded.",
        f"recorded = {literal(recorded)}",
        f"found = {call}",
        "print(training.describe_film(found))",
        *figure_shown("training.film_figure(found)"),
    ]


def _run_results(scope: Scope) -> Mapping[str, Any]:
    return {"histories": {title: recorded_rows(found) for title, found in scope["histories"].items()}}


def _confusion_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    return Numbers({"confusion": scope["predictions"].confusion})


def _first_layer_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    values = scope["activation"].values
    return Numbers({"maps": values}, planes=tuple(range(len(values))))


KINDS = (
    Kind("network.untrained", Network, _network, former=("training.build_network",)),
    Kind(
        "run.history",
        Runs,
        _runs,
        former=("training.train",),
        results=_run_results,
        record=run_table.run_files,
    ),
    Kind("run.classes", Classes, _classes, former=("training.reports.classes_figure",)),
    Kind(
        "run.predictions",
        Predictions,
        _predictions,
        former=("training.reports.predict_images",),
        numbers=_confusion_numbers,
        opens_images=True,
    ),
    Kind("run.epochs", OverEpochs, _over_epochs, former=("training.inside.look_inside",)),
    Kind(
        "run.first_layer",
        OfPicture,
        _first_layer,
        former=("training.reports.first_layer_figure",),
        numbers=_first_layer_numbers,
    ),
)
