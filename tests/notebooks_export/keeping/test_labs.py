"""What the labs' Keep buttons record, carried out again, is what was kept; and its numbers are right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import explorer
from explorer.convolution.arithmetic import convolve
from explorer.convolution.palette import LIGHT
from explorer.convolution.presets import presets
from explorer.convolution.words import spelt_out
from explorer.errors import ExplorerError
from explorer.fields.effective import effective_receptive_field
from explorer.fields.paper.picture import field_picture
from explorer.fields.report import MOST_ROWS, describe_network_fields, units_seeing
from explorer.fields.stack import conv, max_pool
from explorer.fields.theoretical import NetworkFields, ReceptiveField, catalogue_fields, receptive_field
from explorer.images.geometry import Placement
from explorer.practice.exercises import LEVELS
from explorer.session.steps import Session, Step
from explorer.tabs.convolution import keep as convolutions
from explorer.tabs.fields import keep as fields
from explorer.tabs.fields.image import EffectiveFields
from explorer.workbench import Selection, Workbench
from notebooks_export import build_notebook, perform
from notebooks_export.kinds.parameters import MAX_CELLS
from tests.notebooks_export.fresh_kernel import pixels
from tests.notebooks_export.samples import own_picture

SHEET = next(iter(presets().values())).convolve()


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(offline=True)


@pytest.fixture(scope="module")
def sample(bench: Workbench) -> Selection:
    return bench.select("efficientnet_lite0", str(explorer.sample_images()["Tower"]))


@pytest.fixture(scope="module")
def own(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Selection:
    path = tmp_path_factory.mktemp("upload") / "mine.png"
    path.write_bytes(own_picture())
    return bench.select("efficientnet_lite0", str(path), "stretch")


def check(kept: tuple[Step, list[bytes]]) -> Step:
    """The step, after its notebook's code has given the same words and pixels."""
    step, files = kept
    session = Session().add(step, files)
    build_notebook(session)
    [again] = perform(session, anew=True).steps
    assert again.text == step.text
    assert bool(again.picture) == bool(step.picture)
    if step.picture:
        assert np.array_equal(pixels(again.picture), pixels(step.picture))
    return step


def test_a_units_field_on_the_picture(bench: Workbench, sample: Selection, own: Selection) -> None:
    for selection in (sample, own):
        step = check(fields.keep_unit(bench, selection, "blocks.3", (0, 5)))
    field = receptive_field(bench.model("efficientnet_lite0"), "blocks.3")
    assert f"sees {field.size[0]} × {field.size[1]} px" in step.text


def test_who_sees_a_pixel(bench: Workbench, sample: Selection) -> None:
    step = check(fields.keep_pixel(bench, sample, "blocks.3", (300, 200)))
    assert "is seen by" in step.text
    assert "lies outside" in check(fields.keep_pixel(bench, sample, "blocks.3", (0, 0))).text


@pytest.mark.parametrize("kind", ["one", "mean"])
def test_an_effective_field(bench: Workbench, own: Selection, kind: str) -> None:
    effective = EffectiveFields(bench)
    found = effective.measure(own, "blocks.1", (20, 30), kind, lambda share: None)
    others = effective.others(own, kind)
    assert found.images == (1 if kind == "one" else 1 + len(explorer.sample_images()))
    step = check(fields.keep_effective(bench, own, found, others))
    assert f"over {found.images} picture" in step.text


def test_the_mean_takes_a_sample_that_is_looked_at_once(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "upload.jpg"
    path.write_bytes(explorer.sample_images()["Tower"].read_bytes())
    selection = bench.select("efficientnet_lite0", str(path))
    others = EffectiveFields(bench).others(selection, "mean")
    assert set(others) == set(explorer.sample_images()) - {"Tower"}


def test_fields_of_a_network(bench: Workbench, sample: Selection) -> None:
    step = check(fields.keep_fields(bench, sample, None))
    assert step.arguments == {"model": "efficientnet_lite0"}
    # 3 of the stem, then 3×3 at jump 2, 3×3 at jump 2: 3 + 2·2 + 2·2.
    assert [line.split() for line in step.text.splitlines() if line.startswith("blocks.1.0")] == [
        ["blocks.1.0.conv_dw", "56×56", str(3 + 2 * 2 + 2 * 2), "4", "3"]
    ]
    other = check(fields.keep_fields(bench, sample, "alexnet"))
    assert other.arguments == {"name": "alexnet"}
    assert "195" in other.text  # AlexNet's last map, as in the literature


def test_fields_of_units_that_see_everything_are_marked() -> None:
    # MobileNetV3's squeeze-and-excitation weighs channels by their mean over the whole map.
    text = describe_network_fields(catalogue_fields("mobilenet_v3_small"))
    assert text.endswith("every unit depends on the whole input as well")
    marked = [line for line in text.splitlines()[3:-1] if "*" in line]
    assert 0 < len(marked) < len(text.splitlines()) - 4
    assert "*" not in describe_network_fields(catalogue_fields("resnet18"))


def test_long_tables_are_cut_and_say_so() -> None:
    network = catalogue_fields("resnet18")
    [layer] = [layer for layer in network.layers if layer.name == "conv1"]
    count = MOST_ROWS + 7
    fields = tuple(
        ReceptiveField("conv1", (n, n), (1, 1), (0, 0), (9, 9), (n, n)) for n in range(1, count + 1)
    )
    text = describe_network_fields(NetworkFields("long", 224, (layer,) * count, fields))
    assert text.endswith("… and 7 more")
    assert len(text) < 20_000


def test_a_stack() -> None:
    square = check(fields.keep_stack([conv(3), max_pool(2), conv(3, dilation=2)], 32))
    assert "3 + (2 − 1)·1·1 = 4 px" in square.text
    assert square.text.endswith(f"= {4 + 2 * 2 * 2}\n")
    assert "map 15×15" in square.text
    named = check(fields.keep_stack([conv(3, name="first"), conv(3, name="second")], None))
    assert "first" not in named.text
    slim = check(fields.keep_stack([conv((1, 7), padding=(0, 3))], None))
    assert slim.text.splitlines()[-2:] == [
        "height, written out: 1 = 1",
        "width, written out: 1 + (7−1)·1·1 = 7",
    ]


def test_a_window_by_hand() -> None:
    step = check(convolutions.keep_window(SHEET, 1, 2, 3))
    # Rows 2 and 3, columns 3 and 4 of the sheet's image under w2 = [[1, 0], [1, 0]].
    assert "w2, row 3, column 4: 1·1 + 0·0 + 0·1 + 1·0 + (-1) = 0 → 0" in step.text
    x, weight = (torch.from_numpy(v.copy()) for v in (SHEET.channels, SHEET.kernels))
    expected = F.conv2d(x[None], weight, torch.from_numpy(SHEET.bias.copy())).relu()[0].numpy()
    assert step.text.endswith(f"{expected}\n")


def test_windows_of_other_convolutions() -> None:
    random = np.random.default_rng(3)
    several = convolve(
        random.integers(-4, 5, (4, 6, 7)),
        random.integers(-2, 3, (2, 2, 3, 2)) / 4,
        bias=[0.5, -1],
        stride=(2, 1),
        padding=(1, 0),
        dilation=(1, 2),
        groups=2,
        padding_mode="reflect",
    )
    step = check(convolutions.keep_window(several, 1, 0, 3))
    assert spelt_out(several.windows[1, 0, 3]) in step.text
    large = convolve(random.normal(size=(20, 30)), random.normal(size=(3, 3)))
    check(convolutions.keep_window(large, 0, 17, 27))


def test_stride_and_pooling() -> None:
    step = check(convolutions.keep_downsampling(SHEET, 0, 2))
    # 2×3 positions of 4 weights; 4×5 of them and 2·2 blocks with 3 comparisons.
    assert "Stride 2: 4×5 → 2×3, decided by 6 of 20 values, 24 multiplications" in step.text
    assert "80 multiplications, 12 comparisons" in step.text


def test_the_output_size() -> None:
    step = check(convolutions.keep_size(6, 2, 2, 0, 1))
    assert "Positions: 2 + 1 = 3" in step.text


def test_reading_off() -> None:
    step = check(convolutions.keep_reading(SHEET, 0))
    assert step.text.startswith("[[1, 0], [0, 1]] It fires exactly where both")


def test_what_can_not_be_kept_is_said() -> None:
    assert convolutions.MOST_CELLS == MAX_CELLS
    zeros = np.zeros((65, 65))
    with pytest.raises(ExplorerError, match="4,225 cells of the input are more"):
        convolutions.keep_window(convolve(zeros, [[1]]), 0, 0, 0)
    with pytest.raises(ExplorerError, match="stride 300 is more"):
        convolutions.keep_downsampling(convolve([[1.0]], [[1]], stride=300), 0, 2)
    with pytest.raises(ExplorerError, match="one channel"):
        convolutions.keep_reading(convolve(np.zeros((2, 3, 3)), np.zeros((1, 2, 1, 1))), 0)
    with pytest.raises(ExplorerError, match="zeros and ones"):
        convolutions.keep_reading(convolve(np.zeros((3, 3)), [[2]]), 0)


def one_cell_a_pixel(height: int, width: int) -> Placement:
    return Placement((1.0, 1.0), (0.0, 0.0), (0, 0, height, width))


def framed(picture: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, bottom, right), half-open, of what is drawn in the frame's colour."""
    rows, columns = np.nonzero((picture == tuple(bytes.fromhex(LIGHT.accent[1:]))).all(axis=2))
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def test_the_frame_lies_where_the_field_is() -> None:
    image = np.full((500, 600, 3), 200, np.uint8)
    # Pixel edges: rows 100 to 199 and columns 300 to 339.
    picture = field_picture(image, one_cell_a_pixel(500, 600), (99.5, 299.5, 199.5, 339.5))
    assert picture.shape == image.shape
    assert framed(picture) == (100, 300, 200, 340)
    assert np.array_equal(picture[110:120, 305:315], image[110:120, 305:315])  # as it is inside
    assert picture[300, 100].mean() > 200  # pale outside


def test_a_field_beyond_the_picture_makes_room_and_is_dashed_there() -> None:
    image = np.full((500, 600, 3), 200, np.uint8)
    picture = field_picture(image, one_cell_a_pixel(500, 600), (-50.5, 99.5, 49.5, 199.5))
    margin = picture.shape[0] - 500
    assert 50 <= margin <= 60
    assert picture.shape[1] == 600
    top, left, bottom, right = framed(picture)
    assert (top, left, bottom, right) == (
        margin - 50,
        100,
        margin + 50,
        200,
    )  # its line lies within the field
    assert framed(picture[margin:])[0] == 0  # the solid part begins where the picture does
    line = (picture[:, 100] == tuple(bytes.fromhex(LIGHT.accent[1:]))).all(axis=1)
    assert line[margin : margin + 50].all()
    assert 0.4 < line[margin - 50 : margin].mean() < 0.8  # dashes


def test_small_pictures_are_enlarged_cell_by_cell_and_large_ones_shrunk() -> None:
    small = field_picture(np.zeros((32, 32, 3), np.uint8), one_cell_a_pixel(32, 32))
    assert small.shape == (448, 448, 3)
    large = field_picture(np.zeros((1000, 2048, 3), np.uint8), one_cell_a_pixel(1000, 2048))
    assert large.shape == (500, 1024, 3)


@pytest.mark.parametrize(("height", "width"), [(449, 731), (600, 599), (1024, 641), (448, 448)])
def test_the_picture_has_the_size_that_is_promised_and_its_own_pixels(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    drawn = field_picture(image, one_cell_a_pixel(height, width), pixel=(100, 200))
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    radius = max(height, width) // 40 + 5  # of the mark and its edge
    changed = np.argwhere((drawn != image).any(axis=2))
    assert np.abs(changed + 0.5 - (100.5, 200.5)).max() <= radius
    assert len(changed)


def test_threads_draw_the_same_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 500, 3), dtype=np.uint8)

    def draw(_: int) -> bytes:
        placement = one_cell_a_pixel(480, 500)
        return field_picture(image, placement, (-20, 30, 90, 99), inner=(0, 50, 40, 70)).tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(12)))) == 1


def test_what_the_network_never_saw_is_pale(bench: Workbench, sample: Selection) -> None:
    pixels_rgb = bench.picture(sample.image_path).pixels
    placement = bench.model(sample.model).preprocess.placement(*pixels_rgb.shape[:2], "crop")
    picture = field_picture(pixels_rgb, placement)
    top, left, bottom, right = placement.seen
    assert np.array_equal(picture[top:bottom, left:right], pixels_rgb[top:bottom, left:right])
    assert (picture[:top].astype(int) > pixels_rgb[:top]).any()


def test_the_heat_of_an_effective_field_is_strongest_at_its_centre(bench: Workbench, own: Selection) -> None:
    model = bench.model(own.model)
    image = np.full((224, 224, 3), 255, np.uint8)
    found = effective_receptive_field(model, "conv_stem", [image], (50, 60))
    placement = model.preprocess.placement(224, 224, "stretch")
    drawn = field_picture(image, placement, heat=found.values).astype(int)
    changed = np.argwhere((drawn != field_picture(image, placement)).any(axis=2)) / 2  # drawn twice as large
    y, x = found.field.centre(50, 60)
    assert np.abs(changed.mean(axis=0) - (y, x)).max() < 1
    assert len(changed) == 4 * (found.values > 0).sum()


def test_units_seeing_a_pixel_are_those_whose_box_holds_it() -> None:
    field = ReceptiveField("layer", (5, 5), (3, 3), (1, 1), (10, 12), (5, 5))
    placement = one_cell_a_pixel(40, 40)
    for y, x in ((0, 0), (7, 20), (33, 39)):
        seeing: Any = units_seeing(field, placement, y, x)
        held = [
            (row, column)
            for row, column in np.ndindex(10, 12)
            if field.box(row, column)[0] < y < field.box(row, column)[2]
            and field.box(row, column)[1] < x < field.box(row, column)[3]
        ]
        assert [(row, column) for row in seeing[0] for column in seeing[1]] == held


ROW = [1, 0.5, 0.5, 1.0, 1.0]
TINY = {"dataset": "shapes10"}
FILM = "run.epochs"
MOMENTS = {"models": {"lenet-cifar10-plain@10": 0.5}, "image": "sample:Lion", "target": 3}
BARS = "run.classes"
CLASSES = {"config": TINY, "epoch": 1, "recorded": [["cat", 0.5]], "classes": 10}


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("receptive_field.catalogue", {"name": "../resnet18"}),
        ("receptive_field.stack", {"layers": [["conv", [3, 3, 3], 1, 0, 1]]}),
        ("receptive_field.stack", {"layers": [["conv", ["3", 3], 1, 0, 1]]}),
        ("receptive_field.stack", {"layers": [["conv", 3, 1, 0, 1]], "input_px": 0}),
        ("convolution.window", {"x": [[1]], "kernel": [[1]], "row": "0]; x"}),
        ("convolution.downsampling", {"x": [[1]], "kernel": [[1]], "factor": 1}),
        ("practice.exercise", {"seed": 10**15 + 1}),
        ("practice.exercise", {"level": len(LEVELS) + 1}),
        ("practice.exercise", {"asked": "__import__"}),
        ("practice.exercise", {"size": [3, 100_000]}),
        ("practice.exercise", {"stride": "2"}),
        ("practice.exercise", {"answer": [["1"] * 65]}),
        ("practice.exercise", {"answer": [["1", 2]]}),
        ("practice.exercise", {"answer": [["1" * 41]]}),
        ("practice.exercise", {"answer": [["\u202e1"]]}),
        ("practice.exercise", {"answer": "1"}),
        ("practice.exercise", {"marked": 1}),
        (BARS, {**CLASSES, "recorded": []}),
        (BARS, {**CLASSES, "recorded": [["cat", 0.5]] * 21}),
        (BARS, {**CLASSES, "recorded": [["cat", 1.5]]}),
        (BARS, {**CLASSES, "recorded": [["cat", "0.5"]]}),
        (BARS, {**CLASSES, "recorded": [["", 0.5]]}),
        (BARS, {**CLASSES, "recorded": [["cat\n", 0.5]]}),
        (BARS, {**CLASSES, "recorded": [[7, 0.5]]}),
        (BARS, {**CLASSES, "recorded": ["ab"]}),
        (BARS, {**CLASSES, "recorded": {"cat": 0.5}}),
        (BARS, {**CLASSES, "epoch": 0}),
        (BARS, {**CLASSES, "classes": "10"}),
        (BARS, {**CLASSES, "config": {"data_dir": "/etc"}}),
        (FILM, {**MOMENTS, "models": {}}),
        (FILM, {**MOMENTS, "models": ["lenet-cifar10-plain@10"]}),
        (FILM, {**MOMENTS, "models": {"lenet-cifar10-plain@10": 1.5}}),
        (FILM, {**MOMENTS, "models": {"lenet-cifar10-plain@10": "0.5"}}),
        (FILM, {**MOMENTS, "models": {"lenet-cifar10-plain@10": None, "lenet-cifar10-augmented@10": None}}),
        (FILM, {**MOMENTS, "models": {"lenet-cifar10-augmented@2": None}}),
        (FILM, {**MOMENTS, "models": {"lenet-cifar10-plain@10": None, "lenet-cifar10-plain@010": None}}),
        (FILM, {**MOMENTS, "models": {"resnet18": None}}),
        (FILM, {**MOMENTS, "models": {"../x@1": None}}),
        (FILM, {**MOMENTS, "models": {f"lenet-cifar10-augmented@{n}": None for n in range(9)}}),
        (FILM, {**MOMENTS, "target": -1}),
        (FILM, {**MOMENTS, "image": "/etc/passwd"}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a": [ROW[:4]]}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a": [[1, 1.5, 0.5, 1, 1]]}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a": [["1", 0.5, 0.5, 1, 1]]}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a": [[1, float("nan"), 0.5, 1, 1]]}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a": [ROW] * 1000}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {"a\nimport os": [ROW]}}),
        ("run.history", {"configs": {"a": TINY}, "recorded": {}}),
        ("run.history", {"configs": {"a": TINY}, "test_images": {"a": "10"}}),
        ("run.history", {"configs": {"a": TINY}, "shown": "everything"}),
        ("run.history", {"configs": {str(n): TINY for n in range(13)}}),
        (
            "run.predictions",
            {"model": "lenet-cifar10-plain@10", "config": {"data_dir": "/etc"}},
        ),
    ],
)
def test_other_arguments_are_refused(function: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ExplorerError) as caught:
        build_notebook(Session(steps=(Step(function, arguments),)))
    assert caught.value.remedy
