"""The exercise sheet as a session: tasks 1 to 4 in one go, the discussions left to be written, or worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from explorer.convolution.presets import presets
from explorer.errors import ExplorerError
from explorer.images.decode import read_image, sample_images
from explorer.networks.catalogue import BUNDLED
from explorer.networks.load import LoadedModel, load_model
from explorer.networks.preprocessing import Framing
from explorer.session.steps import Session, Step, content_hash, step_of
from notebooks_export.kinds.parameters import SAMPLE, image_reference, network_reference
from notebooks_export.notebook.networks import check_networks, load_network
from notebooks_export.sheet import answers as sheet_answers
from notebooks_export.sheet.looking import Network, framed, looking
from notebooks_export.sheet.runs import TrainingRun, baseline_and_variant
from training.report.words import describe_histories, recorded_history, recorded_rows
from training.runs.folders import DEFAULT_ROOT

_PICTURE = f"{SAMPLE}Cheetah"


def exercise_sheet(
    image: bytes | str | None = None,
    *,
    model: str | None = None,
    network: bytes | None = None,
    framing: Framing = "crop",
    plain: str | Path | None = None,
    augmented: str | Path | None = None,
    runs: str | Path = DEFAULT_ROOT,
    teacher: bool = False,
) -> Session:
    """The sheet's session; :func:`~notebooks_export.perform` computes what its steps show.

    Args:
        image: the file of a picture of one's own, or ``sample:NAME``, in place of the sheet's.
        model: the network of task 4: a name of the catalogue, ``RUN@EPOCH``, or ``NAME:SHA-256`` with its file as
            ``network``, see :func:`explorer.session.network_file.network_file`; by default ResNet-18 if its
            weights are on this computer, else the bundled. Where a task asks for what it hasn't got, the step says
            what is shown.
        framing: how the network is shown the picture.
        plain, augmented: folders of the runs for tasks 3.3 (the baseline) and 3.4 (its variant), in place of
            those that come with the program.
        runs: the folder with the run that ``model`` names.
        teacher: the discussions are worked out, from the numbers.

    Raises:
        ExplorerError: a picture or a run that can't be read, runs that a session can't take along or that saw
            other data, no such network.
    """
    shown = baseline_and_variant(plain, augmented)
    picture = content_hash(image) if isinstance(image, bytes) else image_reference(image or _PICTURE)
    files = {picture: image} if isinstance(image, bytes) else {}
    files |= {content_hash(network): network} if network else {}
    files |= {content_hash(content): content for run in shown.values() for content in run.files}
    before = (*_convolutions(), *_receptive_fields(), *_training(shown))
    seen = _open(model or _network(), files, runs, len(before) + 1)
    steps = looking(
        seen, lambda: _open(_network()), framed(picture, framing), _pixels(picture, files), _discussion
    )
    session = Session(
        "Convolutional Neural Networks: exercise sheet" + (", with answers" if teacher else ""),
        (*before, *steps),
        files,
    )
    if not teacher:
        return session
    answers = sheet_answers.answers(*shown.values()) | _looked_at(steps, seen, _pixels(picture, files))
    return replace(session, steps=tuple(_answered(step, answers) for step in session.steps))


def _open(
    reference: str, files: Mapping[str, bytes] | None = None, runs: str | Path = DEFAULT_ROOT, number: int = 1
) -> Network:
    """The network that task 4 looks into; ``number`` is that of the first step that names it."""
    if "@" not in reference and ":" not in reference:
        return Network(reference, load_model(reference, offline=True))
    held = Session(files=dict(files or {}))
    check_networks(held, {network_reference(reference): number}, runs)
    return Network(reference, load_network(held, reference, runs))


def _pixels(picture: str, files: Mapping[str, bytes]) -> np.ndarray:
    return read_image(files[picture] if picture in files else sample_images()[picture.removeprefix(SAMPLE)])


def _looked_at(steps: Sequence[Step], seen: Network, pixels: np.ndarray) -> dict[str, str]:
    """The answers of task 4, from what its steps show."""

    def model(step: Step) -> LoadedModel:
        reference = step.arguments["model"]
        return (seen if reference == seen.reference else _open(reference)).model

    deep = next(s for s in steps if s.kind == "activation.map" and s.title.startswith("4.4"))
    both = next(s for s in steps if s.kind == "saliency.classes")
    framing, targets = both.arguments.get("framing", "crop"), both.arguments["targets"]
    method = both.arguments.get("method", "grad_cam")
    return {
        "4.4": sheet_answers.of_a_deep_layer(model(deep), pixels, deep.arguments["layer"], framing),
        "4.5": sheet_answers.of_two_classes(model(both), pixels, tuple(targets), method, framing),
    }


def _answered(step: Step, answers: Mapping[str, str]) -> Step:
    number = step.title.partition(" ")[0]
    return replace(step, comment=answers[number]) if step.kind == "text" else step


def _discussion(number: str, title: str, question: str) -> Step:
    return Step("text", title=f"{number} {title}", text=question)


def _convolutions() -> list[Step]:
    sheet = next(iter(presets().values()))
    kernels = sheet.kernels[:, 0].tolist()
    given = {"x": sheet.x[0].tolist(), "kernel": kernels, "bias": list(sheet.biases), "activation": "relu"}
    return [
        Step(
            "convolution.output",
            {**given, "stride": [1, 1], "windows": 6},
            "1.1 Convolution, then ReLU, stride 1",
        ),
        _discussion(
            "1.2",
            "Patch, kernel and ReLU",
            "Describe how the input patch, the kernel and ReLU interact, and how the output of each patch can be "
            "read off without computing.",
        ),
        Step("convolution.reading", {"kernels": kernels, "bias": -1}, "1.2 When each kernel fires"),
        Step("convolution.output", {**given, "stride": [2, 2]}, "1.3 The same with stride 2"),
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
        Step("convolution.size", {"size": 6, "kernel": 2, "stride": 2}, "1.5 The derivation with numbers"),
    ]


def _receptive_fields() -> list[Step]:
    function = "receptive_field.stack"
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
    # Made on this computer where the run's own images would have to be downloaded, or can't go along.
    shown = plain.knobs if plain.images_are_here else {"dataset": "shapes10"}
    stand_in = "" if plain.images_are_here else " of Shapes-10, in place of the runs' own"
    changed = {**shown, "augmentation": list(augmented.config.augmentation or ("flip", "crop"))}
    network = {
        "name": plain.config.network,
        "classes": len(plain.results[-1].class_accuracy),
        "image_size": plain.config.image_size,
    }
    return [
        Step("data.gallery", {"config": shown}, f"3.1 Ten images of each class{stand_in}"),
        Step("network.untrained", network, "3.2 The network"),
        _recorded({title: plain}, "3.3 Training: accuracy by epoch"),
        _discussion("3.3", "The gap", "What does the gap between training and test accuracy show, and why?"),
        Step(
            "data.augmentation",
            {"config": changed},
            "3.4 Originals, and what augmentation makes of them",
        ),
        _recorded({title: plain, other_title: augmented}, "3.4 Both models by epoch"),
        _discussion(
            "3.4",
            "Normalisation and augmentation",
            "Discuss why normalisation and augmentation help or harm.",
        ),
    ]


def _network() -> str:
    try:
        load_model("resnet18", offline=True)
    except ExplorerError:
        return BUNDLED
    return "resnet18"


def _recorded(runs: Mapping[str, TrainingRun], title: str) -> Step:
    """A training step that carries the results of runs that are done: training again would take long."""
    from training.report.paper.runs import accuracy_figure

    configs = {name: run.knobs for name, run in runs.items()}
    recorded = {name: recorded_rows(run.results) for name, run in runs.items()}
    histories = {name: recorded_history(rows) for name, rows in recorded.items()}
    arguments = {"configs": configs, "recorded": recorded, "shown": "epochs"}
    return step_of("run.history", arguments, title, describe_histories(histories), accuracy_figure(histories))
