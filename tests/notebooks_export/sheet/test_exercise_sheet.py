"""The exercise sheet's session: all tasks, right numbers, discussions left to be written or worked out."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import explorer
from explorer.errors import ExplorerError
from explorer.networks.load import from_module
from explorer.networks.preprocessing import Preprocess
from explorer.session.network_file import network_file
from explorer.session.steps import Session, Step, content_hash, read_session, save_session
from notebooks_export import build_notebook, exercise_sheet, perform
from notebooks_export.kinds.registry import NAMES, TEXT
from notebooks_export.notebook.build import OWN_WORDS
from notebooks_export.sheet import answers as sheet_answers
from notebooks_export.sheet.looking import layers_of
from tests.notebooks_export.samples import own_network, own_picture
from tests.training.samples import TINY, tiny_data
from training import build_network, load_trained, shipped_runs, train
from training.runs.folders import create


@cache
def sheet() -> Session:
    return exercise_sheet(model="efficientnet_lite0")


def carried_out(title: str) -> Step:
    [step] = [step for step in sheet().steps if step.title.startswith(title) and step.kind != TEXT]
    return perform(Session(steps=(step,))).steps[0]


def test_every_task_of_the_sheet_has_a_step() -> None:
    numbers = " ".join(step.title for step in sheet().steps)
    tasks = ["1.1", "1.2", "1.3", "1.4", "1.5", "2.1", "2.2", "2.3"]
    tasks += ["3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "4.4", "4.5"]
    assert [task for task in tasks if task not in numbers] == []


@pytest.mark.parametrize(("title", "stride"), [("1.1", 1), ("1.3", 2)])
def test_the_convolutions_are_those_of_torch(title: str, stride: int) -> None:
    # As the sheet gives them.
    x = [[1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1]]
    kernels = [[[1, 0], [0, 1]], [[1, 0], [1, 0]], [[1, 1], [0, 0]]]
    weight = torch.tensor(kernels, dtype=torch.float64)[:, None]
    bias = torch.full((3,), -1.0, dtype=torch.float64)
    expected = F.conv2d(torch.tensor(x, dtype=torch.float64)[None, None], weight, bias, stride).relu()[0]
    assert carried_out(title).text.endswith(f"{expected.numpy()}\n")


def test_the_receptive_fields_are_seven_and_ten() -> None:
    assert carried_out("2.1").text.endswith("= 7\n")  # 1 + 2 + 2 + 2
    assert carried_out("2.2").text.endswith("= 10\n")  # 1 + 3 + 3·2


def test_training_carries_the_shipped_results() -> None:
    [step] = [step for step in sheet().steps if step.title == "3.4 Both models by epoch"]
    assert set(step.arguments["configs"]) == {"plain", "augmented"}
    for folder in shipped_runs():
        last = json.loads((folder / "history.jsonl").read_text().splitlines()[-1])
        assert f"epoch 10: train {last['train_accuracy']:.1%}, test {last['test_accuracy']:.1%}" in step.text
    assert Image.open(io.BytesIO(step.picture)).width > 500


def test_a_students_sheet_leaves_the_discussions_open() -> None:
    discussions = [step for step in sheet().steps if step.kind == TEXT]
    assert len(discussions) >= 8
    assert all(step.text.strip() and not step.comment for step in discussions)
    notebook = build_notebook(sheet())
    assert sum(OWN_WORDS in cell.source for cell in notebook.cells) == len(discussions)


def test_a_teachers_sheet_answers_all_from_the_numbers() -> None:
    session = exercise_sheet(model="efficientnet_lite0", teacher=True)
    answers = {step.title[:3]: step.comment for step in session.steps if step.kind == TEXT}
    assert all(answers.values())
    # Stride 2: 6 positions of 4 products; stride 1: 20 of 4, then 3 comparisons for each of 2·2 blocks.
    assert "24 multiplications" in answers["1.4"]
    assert "80 and 12 comparisons" in answers["1.4"]
    assert "5 with s = 1, 3 with s = 2" in answers["1.5"]
    # 1 + 2·2, 1 + 2·4, 1 + 2 + 2·2, 1 + 2·(2·2).
    assert "see 5 px, with 5×5 kernels 9, with stride 2 7, with dilation 2 9." in answers["2.3"]


def test_a_teachers_answers_on_maps_are_those_of_the_picture() -> None:
    session = exercise_sheet("sample:Tower", model="efficientnet_lite0", teacher=True)
    answers = {step.title[:3]: step.comment for step in session.steps if step.kind == TEXT}
    model, image = (
        explorer.load_model("efficientnet_lite0"),
        explorer.read_image(explorer.sample_images()["Tower"]),
    )
    first, second = explorer.predict(model, image, 2)
    assert f"takes the picture for {first.label} ({first.probability:.0%})" in answers["4.4"]
    assert "animal" not in answers["4.5"]
    pair = explorer.compare_classes(model, image, (first.index, second.index))
    a, b = (side.map.ravel() - side.map.mean() for side in (pair.a, pair.b))
    assert f"correlation of {(a @ b) / np.sqrt((a @ a) * (b @ b)):.2f}" in answers["4.5"]
    assert second.label in answers["4.5"]


def test_places_are_named_as_one_sees_them() -> None:
    names = [
        "at the top left",
        "at the top",
        "at the top right",
        "on the left",
        "in the centre",
        "on the right",
    ]
    names += ["at the bottom left", "at the bottom", "at the bottom right"]
    for number, name in enumerate(names):
        picture = np.zeros((30, 60))
        picture[5 + 10 * (number // 3), 10 + 20 * (number % 3)] = 1
        assert sheet_answers._where(picture) == name


def test_the_first_and_the_third_convolution_are_those_of_the_network() -> None:
    """timm's convolutions have classes of their own; here they are found by what a convolution is."""
    model = explorer.load_model("efficientnet_lite0")
    order = [name for name, module in model.module.named_modules() if isinstance(module, nn.Conv2d)]
    steps = exercise_sheet(model="efficientnet_lite0").steps
    shown = [step.arguments["layer"] for step in steps if step.title.startswith("4.2")]
    assert shown == [order[0], order[2]]


def test_a_picture_and_a_run_of_ones_own() -> None:
    plain = next(folder for folder in shipped_runs() if folder.name.endswith("plain"))
    session = exercise_sheet(own_picture(), model="efficientnet_lite0", plain=plain, augmented=plain)
    assert session.files == {content_hash(own_picture()): own_picture()}
    used = {step.arguments.get("image") for step in session.steps} - {None}
    assert used == {content_hash(own_picture())}
    [saliency, other] = [step for step in session.steps if step.kind == "saliency.map"]
    model = explorer.load_model("efficientnet_lite0")
    first, second = explorer.predict(model, explorer.read_image(own_picture()), 2)
    assert (saliency.arguments["target"], other.arguments["target"]) == (first.index, second.index)


def test_what_can_not_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="holds no run"):
        exercise_sheet(model="efficientnet_lite0", plain=tmp_path)
    with pytest.raises(ExplorerError, match="not a picture"):
        exercise_sheet(b"<html>", model="efficientnet_lite0")
    with pytest.raises(ExplorerError):
        exercise_sheet(model="no such network")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of one's own: a baseline, one with augmentation, one of another network, one on a folder, one not begun."""
    root = tmp_path_factory.mktemp("runs")
    base = replace(TINY, epochs=2, image_size=24, data_dir="/home/ada/archives")
    data = tiny_data()
    data = replace(
        data, train_images=data.train_images[:, 4:28, 4:28], test_images=data.test_images[:, 4:28, 4:28]
    )
    recipes = {
        "base": base,
        "flipped": replace(base, augmentation=("flip",), normalization=(0.5, 0.5), epochs=1),
        "linear": replace(base, network="flatten, linear"),
        "mine": replace(base, dataset="folder"),
    }
    for name, config in recipes.items():
        list(train(config, create(config, root, name), data=data))
    create(base, root, "waiting")
    return {path.name: path for path in root.iterdir()}


def training_step(session: Session, title: str) -> Step:
    [step] = [s for s in session.steps if s.title.startswith(title) and s.kind == "run.history"]
    return step


def test_results_of_ones_own_runs_are_in_the_session(runs: dict[str, Path]) -> None:
    session = exercise_sheet(model="efficientnet_lite0", plain=runs["base"], augmented=runs["flipped"])
    step = training_step(session, "3.4")
    expected = ""
    for title, name in (("plain", "base"), ("augmented", "flipped")):
        expected += f"{title}\n"
        for line in (runs[name] / "history.jsonl").read_text().splitlines():
            row = json.loads(line)
            accuracies = f"train {row['train_accuracy']:.1%}, test {row['test_accuracy']:.1%}"
            expected += f"epoch {row['epoch']}: {accuracies}\n"
    assert step.text == expected
    assert Image.open(io.BytesIO(step.picture)).width > 500
    assert training_step(session, "3.3").text == expected[: expected.index("augmented")]
    # The recipes are those of the runs, less what only this computer has.
    cells = [cell.source for cell in build_notebook(session).cells if cell.cell_type == "code"]
    assert any("augmentation=('flip',)" in cell and "image_size=24" in cell for cell in cells)
    assert not any("archives" in cell for cell in cells)
    # 24 px: 24 − 4 = 20, 10, 10 − 4 = 6, 3: 16·3·3 inputs of the first dense layer instead of 16·5·5.
    network = perform(Session(steps=(next(s for s in session.steps if s.title.startswith("3.2")),)))
    assert f"{62_006 - 120 * 16 * (25 - 9):,} trainable parameters" in network.steps[0].text
    assert build_notebook(perform(session))


def test_answers_speak_of_ones_own_runs(runs: dict[str, Path]) -> None:
    def answer(plain: str, augmented: str) -> str:
        session = exercise_sheet(
            model="efficientnet_lite0", plain=runs[plain], augmented=runs[augmented], teacher=True
        )
        [step] = [s for s in session.steps if s.title.startswith("3.4") and s.kind == TEXT]
        return step.comment

    last = json.loads((runs["flipped"] / "history.jsonl").read_text().splitlines()[-1])
    first = json.loads((runs["base"] / "history.jsonl").read_text().splitlines()[0])
    # One has two epochs and the other one: they are compared after the first.
    assert f"{first['train_accuracy']:.1%} → {last['train_accuracy']:.1%}" in answer("base", "flipped")
    assert "can't be put down to these" in answer("base", "linear")
    assert "can't be put down to these" in answer("linear", "flipped")


def test_runs_that_can_not_go_along(runs: dict[str, Path], tmp_path: Path) -> None:
    for name, rule in (
        ("mine", r"they saw 'archives' \(tiny 2\) at 24 px and shapes10 at 24 px"),
        ("waiting", "has no finished epoch"),
    ):
        with pytest.raises(ExplorerError, match=rule):
            exercise_sheet(model="efficientnet_lite0", plain=runs[name], augmented=runs["flipped"])
    # The shipped run saw other images than this one.
    with pytest.raises(ExplorerError) as caught:
        exercise_sheet(model="efficientnet_lite0", plain=runs["base"])
    assert "'base' and 'lenet-cifar10-augmented'" in caught.value.value
    assert "shapes10 at 24 px and cifar10 at 32 px" in caught.value.rule
    with pytest.raises(ExplorerError, match="holds no run"):
        exercise_sheet(model="efficientnet_lite0", plain=tmp_path / "gone", augmented=runs["flipped"])


def task_four(session: Session) -> Session:
    """Its steps alone, carried out."""
    return replace(session, steps=tuple(step for step in session.steps if step.title.startswith("4.")))


def maps_of(session: Session) -> list[Step]:
    return [step for step in session.steps if step.kind == "activation.map"]


def test_a_network_that_was_trained_here(runs: dict[str, Path]) -> None:
    """LeNet has two convolutions; the step that asks for the third shows the second, and says so."""
    session = exercise_sheet(own_picture(), model="base@2", framing="stretch", runs=runs["base"].parent)
    done = perform(task_four(session), runs=runs["base"].parent)
    looks = [step.arguments for step in done.steps if step.kind != TEXT]
    assert {selection["model"] for selection in looks} == {"base@2"}
    assert {selection.get("framing", "stretch") for selection in looks} == {"stretch"}
    first, second, deep = maps_of(done)
    assert first.title.startswith("4.2 and 4.3 After the first convolution")
    # 24 px: a 5×5 kernel leaves 20, pooling 10, another 6.
    assert "6 × 20 × 20" in first.text
    assert second.title.startswith("4.2 and 4.3 After the second convolution")
    assert "16 × 6 × 6" in second.text
    assert "two convolutions only" in second.comment
    assert not first.comment
    assert not deep.comment
    model = load_trained(runs["base"], 2)
    best = explorer.predict(model, explorer.read_image(own_picture()), 2, framing="stretch")
    [pair] = [step for step in done.steps if step.kind == "saliency.classes"]
    assert list(pair.arguments["targets"]) == [found.index for found in best]
    assert all(found.label in pair.text for found in best)
    assert "two convolutions only" in "".join(
        cell.source for cell in build_notebook(done, runs=runs["base"].parent).cells
    )


def test_a_network_of_a_file_of_ones_own() -> None:
    network = network_file(own_network())
    reference = f"squeezenet1_1:{content_hash(network)}"
    session = exercise_sheet("sample:Lion", model=reference, network=network)
    assert session.files == {content_hash(network): network}
    done = perform(task_four(session))
    looks = [step.arguments for step in done.steps if step.kind != TEXT]
    assert {selection["model"] for selection in looks} == {reference}
    assert {selection.get("image", "sample:Lion") for selection in looks} == {"sample:Lion"}
    # It knows three classes, none of them ImageNet's.
    [sentence] = [step for step in done.steps if step.kind == "network.prediction"]
    assert all(label in sentence.text for label in own_network().labels)
    assert not any(step.comment for step in done.steps)
    assert read_session(save_session(done), NAMES) == done


def test_a_network_without_maps(runs: dict[str, Path]) -> None:
    """It flattens the picture: the maps are another network's, the classes its own, by gradients."""
    done = perform(
        task_four(exercise_sheet(model="linear@2", runs=runs["base"].parent)), runs=runs["base"].parent
    )
    shown = {step.arguments["model"] for step in maps_of(done)}
    assert shown <= {"efficientnet_lite0", "resnet18"}
    assert all(f"linear@2 has no layer with positions, so there is no map to look at. Shown is {name}." in
               step.comment for step in maps_of(done) for name in shown)  # fmt: skip
    [pair] = [step for step in done.steps if step.kind == "saliency.classes"]
    assert pair.arguments["model"] == "linear@2"
    assert pair.arguments["method"] == "gradient"
    assert "these are gradients" in pair.comment


@pytest.mark.parametrize(
    ("line", "titles", "remark"),
    [
        ("conv 4 3, relu, conv 8 3, relu, conv 9 3, flatten, linear", ("first", "third"), ""),
        ("conv 4 3, relu, maxpool 2, flatten, linear", ("first", "layer"), "one convolution only"),
        ("maxpool 2, relu, flatten, linear", ("layer", "layer"), "no convolution that makes a map"),
    ],
)
def test_what_stands_for_the_first_and_the_third_convolution(
    line: str, titles: tuple[str, str], remark: str
) -> None:
    seen = Preprocess(32, 32, (0.5,) * 3, (0.5,) * 3)
    labels = [f"class {i}" for i in range(5)]
    model = from_module(build_network(line, 5, 32), seen, labels, name="line", weights="random")
    found = layers_of(model)
    assert found is not None
    first, third, deep = found
    assert titles[0] in first.title
    assert titles[1] in third.title
    assert (remark in third.remark) if remark else not (first.remark or third.remark)
    activations = explorer.capture_activations(
        model, explorer.read_image(own_picture()), [one.layer for one in found]
    )
    assert explorer.reduce(activations[first.layer], "pca").values.ndim == 3
    assert explorer.reduce(activations[third.layer], "mean").values.ndim == 2
    assert explorer.reduce(activations[deep.layer], "pca").values.ndim == 3


def test_one_class_is_not_enough_for_two_maps() -> None:
    alone = network_file(explorer.load_model("squeezenet1_1", weights=None, labels=("ant",), seed=5))
    session = exercise_sheet(model=f"squeezenet1_1:{content_hash(alone)}", network=alone)
    [sentence] = [step for step in session.steps if step.kind == "network.prediction"]
    assert sentence.arguments["model"] in ("efficientnet_lite0", "resnet18")
    assert "squeezenet1_1 knows one class only" in sentence.comment
    assert {step.arguments["model"].partition(":")[0] for step in maps_of(session)} == {"squeezenet1_1"}


def test_a_network_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="is gone from the training runs"):
        exercise_sheet(model="never-trained@3", runs=tmp_path)
    with pytest.raises(ExplorerError, match="is not in the session any more"):
        exercise_sheet(model=f"squeezenet1_1:{'0' * 64}")
    for path in ("../runs/x@1", "squeezenet1_1:/etc/passwd"):
        with pytest.raises(ExplorerError, match="neither in the catalogue"):
            exercise_sheet(model=path)
    with pytest.raises(ExplorerError, match="is not the SHA-256"):
        exercise_sheet("/etc/passwd", model="efficientnet_lite0")


def test_the_shipped_runs_are_shown_again_not_trained_again() -> None:
    for title in ("3.3 Training: accuracy by epoch", "3.4 Both models by epoch"):
        [step] = [step for step in sheet().steps if step.title == title]
        [again] = perform(Session(steps=(step,)), anew=True).steps
        assert again.text == step.text
        shown, made = (Image.open(io.BytesIO(s.picture)).convert("RGB").tobytes() for s in (step, again))
        assert shown == made
