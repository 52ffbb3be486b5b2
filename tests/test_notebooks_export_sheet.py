"""The exercise sheet's session: all tasks, right numbers, discussions left to be written or worked out."""

from __future__ import annotations

import io
import json
from functools import cache

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import explorer
from explorer.errors import ExplorerError
from explorer.session import Session, Step, content_hash
from notebooks_export import build_notebook, exercise_sheet, perform
from notebooks_export.calls import TEXT
from notebooks_export.notebook import OWN_WORDS
from tests.export_samples import own_picture
from training import shipped_runs


@cache
def sheet() -> Session:
    return exercise_sheet(model="efficientnet_lite0")


def carried_out(title: str) -> Step:
    [step] = [step for step in sheet().steps if step.title.startswith(title) and step.function != TEXT]
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
    discussions = [step for step in sheet().steps if step.function == TEXT]
    assert len(discussions) >= 8
    assert all(step.text.strip() and not step.comment for step in discussions)
    notebook = build_notebook(sheet())
    assert sum(OWN_WORDS in cell.source for cell in notebook.cells) == len(discussions)


def test_a_teachers_sheet_answers_all_from_the_numbers() -> None:
    session = exercise_sheet(model="efficientnet_lite0", teacher=True)
    answers = {step.title[:3]: step.comment for step in session.steps if step.function == TEXT}
    assert all(answers.values())
    # Stride 2: 6 positions of 4 products; stride 1: 20 of 4, then 3 comparisons for each of 2·2 blocks.
    assert "24 multiplications" in answers["1.4"]
    assert "80 and 12 comparisons" in answers["1.4"]
    assert "5 with s = 1, 3 with s = 2" in answers["1.5"]
    # 1 + 2·2, 1 + 2·4, 1 + 2 + 2·2, 1 + 2·(2·2).
    assert "see 5 px, with 5×5 kernels 9, with stride 2 7, with dilation 2 9." in answers["2.3"]


def test_a_picture_and_a_run_of_ones_own() -> None:
    plain = next(folder for folder in shipped_runs() if folder.name.endswith("plain"))
    session = exercise_sheet(own_picture(), model="efficientnet_lite0", plain=plain, augmented=plain)
    assert session.files == {content_hash(own_picture()): own_picture()}
    used = {step.arguments.get("image") for step in session.steps} - {None}
    assert used == {content_hash(own_picture())}
    [saliency, other] = [step for step in session.steps if step.function == "explorer.attribute"]
    model = explorer.load_model("efficientnet_lite0")
    first, second = explorer.predict(model, explorer.read_image(own_picture()), 2)
    assert (saliency.arguments["target"], other.arguments["target"]) == (first.index, second.index)


def test_what_can_not_be_used_is_said(tmp_path) -> None:
    with pytest.raises(ExplorerError, match="holds no run"):
        exercise_sheet(model="efficientnet_lite0", plain=tmp_path)
    with pytest.raises(ExplorerError, match="not a picture"):
        exercise_sheet(b"<html>", model="efficientnet_lite0")
    with pytest.raises(ExplorerError):
        exercise_sheet(model="no such network")
