"""The exercise sheet as a session: tasks 1 to 4 in one go, the discussions left to be written, or worked out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from explorer.catalogue import BUNDLED
from explorer.convolution_presets import presets
from explorer.errors import ExplorerError
from explorer.images import read_image, sample_images
from explorer.layers import list_layers, stages
from explorer.models import load_model
from explorer.predictions import predict
from explorer.session import Session, Step, content_hash, step_of
from notebooks_export import sheet_answers
from notebooks_export.arguments import SAMPLE
from training import EpochResult, TrainConfig, epochs_of, shipped_runs
from training.checkpoint import load_checkpoint
from training.config import changed_knobs
from training.reports import describe_histories, recorded_history, recorded_rows
from training.runs import history, read_run
from training.shelf import Choice, is_here

_PICTURE = f"{SAMPLE}Cheetah"


@dataclass(frozen=True)
class TrainingRun:
    """A run for the sheet: its recipe, its results by epoch, and how many test images they were counted on."""

    config: TrainConfig
    results: tuple[EpochResult, ...]
    test_images: int


def exercise_sheet(
    image: bytes | None = None,
    *,
    model: str | None = None,
    plain: str | Path | None = None,
    augmented: str | Path | None = None,
    teacher: bool = False,
) -> Session:
    """The sheet's session; :func:`~notebooks_export.perform` computes what its steps show.

    Args:
        image: the file of a picture of one's own, in place of a sample.
        model: the network of task 4; by default ResNet-18 if its weights are on this computer, else the bundled.
        plain, augmented: folders of the runs for tasks 3.3 (the baseline) and 3.4 (its variant), in place of
            those that come with the program.
        teacher: the discussions are worked out, from the numbers.

    Raises:
        ExplorerError: a picture or a run that can't be read, runs that a session can't take along or that saw
            other data, no such network.
    """
    runs = _runs(plain, augmented)
    name = model or _network()
    reference = content_hash(image) if image else _PICTURE
    session = Session(
        "Convolutional Neural Networks: exercise sheet" + (", with answers" if teacher else ""),
        (*_convolutions(), *_receptive_fields(), *_training(runs), *_looking(name, reference, image)),
        {reference: image} if image else {},
    )
    if not teacher:
        return session
    answers = sheet_answers.answers(*runs.values())
    return replace(session, steps=tuple(_answered(step, answers) for step in session.steps))


def _answered(step: Step, answers: Mapping[str, str]) -> Step:
    number = step.title.partition(" ")[0]
    return replace(step, comment=answers[number]) if step.function == "text" else step


def _discussion(number: str, title: str, question: str) -> Step:
    return Step("text", title=f"{number} {title}", text=question)


def _convolutions() -> list[Step]:
    sheet = next(iter(presets().values()))
    kernels = sheet.kernels[:, 0].tolist()
    given = {"x": sheet.x[0].tolist(), "kernel": kernels, "bias": list(sheet.biases), "activation": "relu"}
    return [
        Step(
            "explorer.convolve",
            {**given, "stride": [1, 1], "windows": 6},
            "1.1 Convolution, then ReLU, stride 1",
        ),
        _discussion(
            "1.2",
            "Patch, kernel and ReLU",
            "Describe how the input patch, the kernel and ReLU interact, and how the output of each patch can be "
            "read off without computing.",
        ),
        Step("explorer.read_off", {"kernels": kernels, "bias": -1}, "1.2 When each kernel fires"),
        Step("explorer.convolve", {**given, "stride": [2, 2]}, "1.3 The same with stride 2"),
        _discussion(
            "1.4",
            "What stride 2 is for",
            "What is stride 2 for? What other operation serves the same purpose?",
        ),
        _discussion(
            "1.5",
            "Output size",
            "Derive the output size of a convolution from kernel size, stride and padding, in one dimension.",
        ),
        Step(
            "explorer.derive_size", {"size": 6, "kernel": 2, "stride": 2}, "1.5 The derivation with numbers"
        ),
    ]


def _receptive_fields() -> list[Step]:
    function = "explorer.receptive_field_stack.stack_fields"
    return [
        Step(function, {"layers": [["conv", 3, 1, 0, 1]] * 3}, "2.1 Three 3×3 layers, stride 1"),
        Step(function, {"layers": [["conv", 4, 2, 0, 1]] * 2}, "2.2 Two 4×4 layers, stride 2"),
        _discussion(
            "2.3",
            "Depth and receptive field",
            "How does depth relate to the receptive field? With depth fixed, what else enlarges it?",
        ),
    ]


def _training(runs: Mapping[str, TrainingRun]) -> list[Step]:
    (title, plain), (other_title, augmented) = runs.items()
    here = is_here(Choice(plain.config.dataset, None, plain.config.image_size))
    # Made on this computer where the run's own images would have to be downloaded.
    shown = plain.config if here else TrainConfig(dataset="shapes10")
    changed = replace(shown, augmentation=augmented.config.augmentation or ("flip", "crop"))
    network = {
        "name": plain.config.network,
        "classes": len(plain.results[-1].class_accuracy),
        "image_size": plain.config.image_size,
    }
    return [
        Step("training.gallery", {"config": changed_knobs(shown)}, "3.1 Ten images of each class"),
        Step("training.build_network", network, "3.2 The network"),
        _recorded({title: plain}, "3.3 Training: accuracy by epoch"),
        _discussion("3.3", "The gap", "What does the gap between training and test accuracy show, and why?"),
        Step(
            "training.figures.augmentation_pairs",
            {"config": changed_knobs(changed)},
            "3.4 Originals, and what augmentation makes of them",
        ),
        _recorded({title: plain, other_title: augmented}, "3.4 Both models by epoch"),
        _discussion(
            "3.4",
            "Normalisation and augmentation",
            "Discuss why normalisation and augmentation help or harm.",
        ),
    ]


def _looking(name: str, reference: str, image: bytes | None) -> list[Step]:
    model = load_model(name, offline=True)
    pixels = read_image(image) if image else read_image(sample_images()[_PICTURE.removeprefix(SAMPLE)])
    first, second = (found.index for found in predict(model, pixels, 2))
    convolutions = [layer.name for layer in list_layers(model) if layer.kind == "Conv2d"]
    look = {"model": name, "image": reference}
    deep = stages(model)[-2].name
    return [
        Step("explorer.load_model", {"model": name}, "4.1 The network's architecture"),
        Step(
            "explorer.reduce",
            {**look, "layer": convolutions[0], "shown": "map"},
            "4.2 and 4.3 After the first convolution: principal components as colours",
        ),
        Step(
            "explorer.reduce",
            {**look, "layer": convolutions[2], "method": "mean", "shown": "map"},
            "4.2 and 4.3 After the third convolution: mean of the first 10 channels",
        ),
        Step("explorer.reduce", {**look, "layer": deep}, "4.4 A deep layer on top of the image"),
        _discussion("4.4", "As a person would?", "Does it match how a person would recognise the image?"),
        Step("explorer.predict", look, "4.5 What the network says"),
        *[
            Step(
                "explorer.attribute",
                {**look, "target": target, "objective": "loss"},
                f"4.5 Saliency of class {target}",
            )
            for target in (first, second)
        ],
        Step(
            "explorer.compare_classes", {**look, "targets": [first, second]}, "4.5 Both classes on one scale"
        ),
        _discussion("4.5", "Why the maps differ", "Why do the maps of the two classes differ?"),
    ]


def _network() -> str:
    try:
        load_model("resnet18", offline=True)
    except ExplorerError:
        return BUNDLED
    return "resnet18"


def _runs(plain: str | Path | None, augmented: str | Path | None) -> dict[str, TrainingRun]:
    """The baseline and its variant by short titles."""
    shipped = {path.name.rpartition("-")[2]: path for path in shipped_runs()}
    folders = Path(plain or shipped["plain"]), Path(augmented or shipped["augmented"])
    first, second = (_read(folder) for folder in folders)
    data = [(run.config.dataset, run.config.image_size) for run in (first, second)]
    if data[0] != data[1]:
        names = " and ".join(repr(folder.name) for folder in folders)
        said = " and ".join(f"{dataset} at {size} px" for dataset, size in data)
        remedy = "choose two runs on the same data"
        raise ExplorerError(f"the runs {names}", f"can't be compared: they saw {said}", remedy)
    augmentation = (bool(first.config.augmentation), bool(second.config.augmentation))
    titles = ("plain", "augmented") if augmentation == (False, True) else ("baseline", "variant")
    return dict(zip(titles, (first, second), strict=True))


def _read(folder: Path) -> TrainingRun:
    run, results, epochs = read_run(folder), tuple(history(folder)), epochs_of(folder)
    if run.config.dataset == "folder":
        raise ExplorerError(
            f"the run {run.name!r}",
            "was trained on a folder of images, which a session can't take along",
            "choose a run on one of the data sets that the program knows",
        )
    if not results or not epochs:
        raise ExplorerError(
            f"the run {run.name!r}", "has no finished epoch", "let it train for one, or take another"
        )
    return TrainingRun(run.config, results, load_checkpoint(folder, epochs[-1]).data.test_images)


def _recorded(runs: Mapping[str, TrainingRun], title: str) -> Step:
    """A training step that carries the results of runs that are done: training again would take long."""
    from training.figures import accuracy_figure

    configs = {name: changed_knobs(run.config) for name, run in runs.items()}
    recorded = {name: recorded_rows(run.results) for name, run in runs.items()}
    histories = {name: recorded_history(rows) for name, rows in recorded.items()}
    arguments = {"configs": configs, "recorded": recorded, "shown": "epochs"}
    return step_of(
        "training.train", arguments, title, describe_histories(histories), accuracy_figure(histories)
    )
