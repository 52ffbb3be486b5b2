"""The exercise sheet as a session: tasks 1 to 4 in one go, the discussions left to be written, or worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from training import EpochResult, TrainConfig, epochs_of, shipped_runs
from training.data.opened import Choice, is_here
from training.loop.checkpoint import load_checkpoint
from training.report.words import describe_histories, recorded_history, recorded_rows
from training.runs.folders import DEFAULT_ROOT, history, read_run
from training.runs.own_pictures import recorded_knobs
from training.words import dataset_title

_PICTURE = f"{SAMPLE}Cheetah"


@dataclass(frozen=True)
class TrainingRun:
    """A run for the sheet: its recipe, its results by epoch, and how many test images they were counted on.

    Attributes:
        images: what tells apart the images that runs saw.
        knobs: the recipe as a step has it.
        files: the pictures of one's own that the recipe names; none where they stay behind.
    """

    config: TrainConfig
    results: tuple[EpochResult, ...]
    test_images: int
    images: str
    knobs: Mapping[str, Any]
    files: tuple[bytes, ...] = ()

    @property
    def images_are_here(self) -> bool:
        """Whether the notebook can show them without a download."""
        if self.config.dataset == "folder":
            return bool(self.files)
        return is_here(Choice(self.config.dataset, None, self.config.image_size))


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
    shown = _runs(plain, augmented)
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


def _runs(plain: str | Path | None, augmented: str | Path | None) -> dict[str, TrainingRun]:
    """The baseline and its variant by short titles."""
    shipped = {path.name.rpartition("-")[2]: path for path in shipped_runs()}
    folders = Path(plain or shipped["plain"]), Path(augmented or shipped["augmented"])
    first, second = (_read(folder) for folder in folders)
    data = [(run.images, run.config.image_size) for run in (first, second)]
    if data[0] != data[1]:
        names = " and ".join(repr(folder.name) for folder in folders)
        sentence = " and ".join(f"{images} at {size} px" for images, size in data)
        remedy = "choose two runs on the same data"
        raise ExplorerError(f"the runs {names}", f"can't be compared: they saw {sentence}", remedy)
    augmentation = (bool(first.config.augmentation), bool(second.config.augmentation))
    titles = ("plain", "augmented") if augmentation == (False, True) else ("baseline", "variant")
    return dict(zip(titles, (first, second), strict=True))


def _read(folder: Path) -> TrainingRun:
    run, results, epochs = read_run(folder), tuple(history(folder)), epochs_of(folder)
    if not results or not epochs:
        raise ExplorerError(
            f"the run {run.name!r}", "has no finished epoch", "let it train for one, or take another"
        )
    facts = load_checkpoint(folder, epochs[-1]).data
    images = run.config.dataset
    if images == "folder":
        # Of the same name, they may be others by now; those that were left out don't make them others.
        images = f"{dataset_title(run.config)!r} ({facts.fingerprint.partition('-')[0][:6]})"
    knobs, files = recorded_knobs({run.name: run})
    return TrainingRun(run.config, results, facts.test_images, images, knobs[run.name], tuple(files))


def _recorded(runs: Mapping[str, TrainingRun], title: str) -> Step:
    """A training step that carries the results of runs that are done: training again would take long."""
    from training.report.paper.figures import accuracy_figure

    configs = {name: run.knobs for name, run in runs.items()}
    recorded = {name: recorded_rows(run.results) for name, run in runs.items()}
    histories = {name: recorded_history(rows) for name, rows in recorded.items()}
    arguments = {"configs": configs, "recorded": recorded, "shown": "epochs"}
    return step_of("run.history", arguments, title, describe_histories(histories), accuracy_figure(histories))
