"""The numbers behind a step are those of the public API."""

from __future__ import annotations

import base64
import csv
import io
import json
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
import training
from explorer.activations.legend import component_scales
from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step, content_hash
from notebooks_export import perform
from notebooks_export.kinds.run_table import run_rows, run_table
from notebooks_export.notebook.checkout import commit
from notebooks_export.notebook.step_data import step_data
from notebooks_export.paper.colour_bars import ColourBar, three_bars, with_colour_bars
from notebooks_export.submission import manifest
from tests.notebooks_export.notebook.test_own_pictures import data_of, draw, packed
from tests.notebooks_export.samples import TINY, as_png, every_kind, own_picture, performed
from training.runs.folders import create, history, read_run


@cache
def files_of(title: str) -> dict[str, bytes]:
    session = performed()
    [position] = [i for i, step in enumerate(session.steps) if title in (step.title, step.kind)]
    return step_data(session, position)


def table_of(arguments: dict[str, Any], text: str) -> str:
    return run_table(run_rows(arguments, Step("run.history", text=text), "runs"))


def array(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


def words(svg: bytes) -> list[str]:
    """What an SVG says, as text that can be found and read aloud."""
    return [(node.text or "") for node in ET.fromstring(svg).iter() if node.tag.endswith("}text")]


def numbers(svg: bytes) -> list[float]:
    """Those of its words that are numbers; matplotlib writes U+2212 for minus."""
    listed = []
    for word in words(svg):
        with suppress(ValueError):
            listed.append(float(word.replace("\N{MINUS SIGN}", "-")))
    return listed


IN_COLOURS = {
    "activation.map",
    "saliency.map",
    "saliency.classes",
    "activation.channels",
    "activation.layers",
    "receptive_field.effective",
    "run.first_layer",
}
"""Kinds whose colours mean numbers."""
PICTURES_ALONE = {
    "activation.values",
    "receptive_field.unit",
    "data.augmentation",
}
"""Kinds without words of matplotlib's: what they say is in the pixels."""


@pytest.mark.parametrize("position", range(len(every_kind().steps)))
def test_every_kept_picture_is_there_as_png_and_as_svg(position: int) -> None:
    step = performed().steps[position]
    if not step.picture:
        return
    files = step_data(performed(), position)
    assert files["picture.png"] == step.picture
    assert ET.fromstring(files["picture.svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert files["picture.svg"] == step_data(performed(), position)["picture.svg"]
    if step.kind in IN_COLOURS:
        assert len(numbers(files["picture.svg"])) >= 2
    elif step.kind in PICTURES_ALONE:
        assert not words(files["picture.svg"])
        [shown] = embedded(files["picture.svg"])
        assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(step.picture)).convert("RGB")))
    else:
        assert words(files["picture.svg"])  # a figure: its lines and words, not its pixels


def test_the_numbers_at_a_colour_bar_are_the_scales() -> None:
    """Checked against the limits that the public function says."""
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(own_picture())
    found = explorer.attribute(model, image, 1, "gradient", framing="stretch")
    [(low, high)] = found.limits
    listed = numbers(files_of("Saliency")["picture.svg"])
    assert len(listed) >= 3
    assert min(listed) < 0 < max(listed)
    assert min(listed) >= low - 1e-9
    assert max(listed) <= high + 1e-9
    assert set(numbers(files_of("One channel")["picture.svg"])) >= {-1, 0, 1}


def test_an_effective_field_as_array_and_on_the_scale_of_its_colours() -> None:
    model = explorer.load_model("efficientnet_lite0")
    pictures = [
        explorer.read_image(own_picture()),
        explorer.read_image(explorer.sample_images()["Lion"]),
    ]
    found = explorer.effective_receptive_field(model, "blocks.1", pictures, (20, 30), framing="stretch")
    files = files_of("An effective field")
    assert np.allclose(array(files["map.npy"]), found.values, rtol=1e-4, atol=1e-9)
    listed = numbers(files["picture.svg"])
    # Few pixels lie above the brightest colour, none below the darkest.
    assert min(listed) == 0
    assert 0 < max(listed) <= found.values.max()


def test_the_values_that_a_convolution_puts_out() -> None:
    """x = [[1, 0, 2], [0, 1, 0]], kernel [[1, 0], [0, 1]], bias −1: 1 + 1 − 1 and 0 + 0 − 1."""
    table = np.loadtxt(io.BytesIO(files_of("A window")["output.csv"]), delimiter=",", ndmin=2)
    assert table.tolist() == [[0, 0, 1, -1]]
    assert array(files_of("A window")["output.npy"]).tolist() == [[[1, -1]]]


def trained_run(root: Path) -> tuple[Path, dict[str, Any]]:
    """A run of one epoch: its folder and its recipe."""
    config = training.TrainConfig(**TINY)
    folder = create(config, root, "mine")
    list(training.train(config, folder))
    return folder, TINY


def test_mistakes_need_images_that_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confusion matrix with its percentages; where the images would be downloaded, the picture as it was kept."""
    network, config = trained_run(tmp_path)
    arguments = {"model": f"{network.name}@1", "config": config}
    step = Step("run.predictions", arguments, "Mistakes")
    session = perform(Session(steps=(step,)), runs=network.parent)
    files = step_data(session, 0, runs=network.parent)
    matrix = np.loadtxt(io.BytesIO(files["confusion.csv"]), delimiter=",")
    data = training.load_dataset(training.TrainConfig(**config))
    assert matrix.sum(axis=1).tolist() == np.bincount(data.test_classes, minlength=10).tolist()
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # As on the page, a cell without an image has no number.
    assert set(np.round(share[matrix > 0])) <= set(numbers(files["picture.svg"]))
    assert {0, 20, 40, 60, 80, 100} <= set(numbers(files["picture.svg"]))
    assert set(data.labels) <= set(words(files["picture.svg"]))
    monkeypatch.setattr("notebooks_export.notebook.step_data.is_on_disk", lambda config: False)
    away = step_data(session, 0, runs=network.parent)
    assert set(away) == {"picture.png", "picture.svg", "manifest.json"}
    assert len(embedded(away["picture.svg"])) == 1


def test_a_map_as_array_and_table() -> None:
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(explorer.sample_images()["Cheetah"])
    pair = explorer.compare_classes(model, image, (293, 291), layer="blocks.5")
    files = files_of("Two")
    for name, view in (("a", pair.a), ("b", pair.b), ("difference", pair.difference)):
        assert np.allclose(array(files[f"map-{name}.npy"]), view.map, rtol=1e-5, atol=1e-7)
        table = np.loadtxt(io.BytesIO(files[f"map-{name}.csv"]), delimiter=",")
        assert np.allclose(table, view.map, rtol=1e-5, atol=1e-7)


def test_colours_of_three_components() -> None:
    files = files_of("Activations")
    assert set(files) == {"map.npy", "map.csv", "picture.png", "picture.svg", "manifest.json"}
    values = array(files["map.npy"])
    assert values.shape == (28, 28, 3)
    table = np.loadtxt(io.BytesIO(files["map.csv"]), delimiter=",")
    assert table.shape == (3 * 28, 2 + 28)
    assert table[0, :2].tolist() == [1, 0]
    assert table[28 + 5, :2].tolist() == [2, 5]
    assert np.allclose(table[28 + 5, 2:], values[5, :, 1], rtol=1e-6)


def test_three_components_have_a_scale_each() -> None:
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(explorer.sample_images()["Cheetah"])
    view = explorer.reduce(explorer.capture_activations(model, image, ["blocks.2"])["blocks.2"])
    svg = files_of("Activations")["picture.svg"]
    # The picture and three bars, each an image of its own.
    images = [node for node in ET.fromstring(svg).iter() if node.tag.endswith("}image")]
    assert len(images) == 4
    bars = three_bars(component_scales(view))
    assert [bar.label for bar in bars] == ["PC1, red", "PC2, green", "PC3, blue"]
    assert [bar.limits for bar in bars] == list(view.limits)
    assert with_colour_bars(files_of("Activations")["picture.png"], bars) == svg
    # A component in which nothing varies has no scale.
    flat = component_scales(view, [(0, 1), (0, 0), (2, 3)])
    assert [bar.label for bar in three_bars(flat)] == ["PC1, red", "PC3, blue"]


def test_channels_of_a_grid() -> None:
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(explorer.sample_images()["Cheetah"])
    activation = explorer.capture_activations(model, image, ["blocks.3"])["blocks.3"]
    strongest = explorer.strongest_channels(activation, 24)
    files = files_of("Channels")
    assert np.allclose(array(files["channels.npy"]), activation.values[strongest], rtol=1e-5, atol=1e-6)
    table = np.loadtxt(io.BytesIO(files["channels.csv"]), delimiter=",")
    assert list(dict.fromkeys(table[:, 0])) == strongest
    assert ET.fromstring(files["picture.svg"]).tag.endswith("svg")


def test_vectors_and_layers_side_by_side() -> None:
    values = files_of("Values")
    assert set(values) == {"values.npy", "values.csv", "picture.png", "picture.svg", "manifest.json"}
    assert array(values["values.npy"]).shape == (1000,)
    several = files_of("Side by side")
    shapes = {name: array(content).shape for name, content in several.items() if name.endswith(".npy")}
    assert list(shapes.values()) == [(112, 112), (112, 112), (14, 14)]
    assert len(embedded(several["picture.svg"])) == 2


def test_layers_with_a_scale_each_have_a_bar_each() -> None:
    [step] = [step for step in performed().steps if step.title == "Side by side"]
    apart = Session(steps=(replace(step, arguments={**step.arguments, "one_scale": False}),))
    files = step_data(replace(apart, files=performed().files), 0)
    assert len(embedded(files["picture.svg"])) == 1 + 3


def test_colours_of_several_layers_have_three_scales_each() -> None:
    [step] = [step for step in performed().steps if step.title == "Side by side"]
    colours = replace(step, arguments={**step.arguments, "method": "pca"})
    files = step_data(replace(performed(), steps=(colours,)), 0)
    assert array(files["map-conv_stem.npy"]).shape == (112, 112, 3)
    svg = files["picture.svg"]
    assert len(embedded(svg)) == 1 + 3 * 3
    layers = [name.removeprefix("map-").removesuffix(".npy") for name in files if name.endswith(".npy")]
    colour_words = ("PC1, red", "PC2, green", "PC3, blue")
    assert {f"{layer}: {word}" for layer in layers for word in colour_words} <= set(words(svg))
    # Each scale has numbers: two at least, in each component's range.
    assert len(numbers(svg)) >= 2 * 9


def test_the_layers_of_a_network_as_a_table() -> None:
    rows = list(csv.DictReader(io.StringIO(files_of("All layers")["layers.csv"].decode())))
    model = explorer.load_model("efficientnet_lite0")
    assert sum(int(row["parameters"]) for row in rows) == model.parameters
    assert (rows[0]["layer"], rows[0]["channels"], rows[0]["height"]) == ("conv_stem", "32", "112")


def test_the_manifest_says_what_made_it() -> None:
    listed = json.loads(files_of("One channel")["manifest.json"])
    assert listed["kind"] == "activation.map"
    assert listed["arguments"]["layer"] == "conv_stem"
    assert listed["weights"] == explorer.load_model("efficientnet_lite0").weights
    assert len(listed["weights_sha256"]) == 64
    assert listed["weights_sha256"] == json.loads(files_of("Two")["manifest.json"])["weights_sha256"]
    assert listed["versions"]["torch"]
    assert listed["commit"] == commit()


def test_the_manifest_names_what_was_left_to_its_default() -> None:
    selection = {"model": "efficientnet_lite0", "image": "sample:Cheetah"}
    both = Step("saliency.classes", {**selection, "targets": [293, 291]}, title="Two")
    listed = json.loads(step_data(Session(steps=(both,)), 0)["manifest.json"])
    assert listed["arguments"]["method"] == "grad_cam"
    model, image = (
        explorer.load_model("efficientnet_lite0"),
        explorer.read_image(explorer.sample_images()["Cheetah"]),
    )
    layer = explorer.compare_classes(model, image, (293, 291)).a.layer
    assert layer
    assert listed["explained"] == [
        {"class": 293, "label": "cheetah", "method": "grad_cam", "layer": layer},
        {"class": 291, "label": "lion", "method": "grad_cam", "layer": layer},
    ]
    assert manifest(Session(steps=(both,)))["steps"][0]["arguments"]["method"] == "grad_cam"


def test_a_picture_with_its_scale() -> None:
    svg = files_of("One channel")["picture.svg"]
    assert ET.fromstring(svg).tag.endswith("svg")
    picture = as_png(np.zeros((40, 60, 3), np.uint8))
    one, two = (with_colour_bars(picture, [ColourBar((-1.0, 1.0), "RdBu_r")]) for _ in range(2))
    assert one == two
    assert one != with_colour_bars(picture, [ColourBar((0.0, 2.0), "RdBu_r")])


def embedded(svg: bytes) -> list[np.ndarray]:
    """The pictures inside an SVG."""
    links = [
        value for node in ET.fromstring(svg).iter() for key, value in node.items() if key.endswith("}href")
    ]
    pngs = [base64.b64decode(link.partition(",")[2]) for link in links if link.startswith("data:image/png")]
    return [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in pngs]


def test_the_pixels_inside_an_svg_are_those_of_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    bar = ColourBar((0.0, 0.0), "viridis")
    shown = embedded(with_colour_bars(as_png(picture), [bar]))
    assert any(np.array_equal(found[: len(picture)], picture) for found in shown)


def test_runs_to_all_their_digits() -> None:
    """Of runs that were recorded with the step, and of one whose recipe and accuracies are those of the step."""
    [folder] = [path for path in training.shipped_runs() if path.name.endswith("plain")]
    results = history(folder)
    config = replace(read_run(folder).config, data_dir=None)
    text = "mine\n" + "".join(
        f"epoch {row.epoch}: train {row.train_accuracy:.1%}, test {row.test_accuracy:.1%}\n"
        for row in results
    )
    full = [
        (row.epoch, row.train_accuracy, row.test_accuracy, row.train_loss, row.test_loss) for row in results
    ]
    for arguments in ({"configs": {"mine": config}}, {"configs": {}, "recorded": {"mine": full}}):
        found = list(csv.reader(io.StringIO(table_of(arguments, text))))
        assert found[0] == ["run", "epoch", "train_accuracy", "test_accuracy", "train_loss", "test_loss"]
        assert [(row[0], *map(float, row[1:])) for row in found[1:]] == [("mine", *row) for row in full]


@pytest.mark.parametrize("changed", ["seed", "text"])
def test_runs_of_another_recipe_or_result_are_not_taken_for_the_steps(changed: str) -> None:
    [folder] = [path for path in training.shipped_runs() if path.name.endswith("plain")]
    config = replace(read_run(folder).config, data_dir=None, **({"seed": 77} if changed == "seed" else {}))
    text = '="mine",1\n' + "".join(
        f"epoch {row.epoch}: train {row.train_accuracy:.1%}, test {row.test_accuracy:.1%}\n"
        for row in history(folder)
    )
    text = text if changed == "seed" else text + "epoch 99: train 100.0%, test 5.0%\n"
    found = list(csv.DictReader(io.StringIO(table_of({"configs": {'="mine",1': config}}, text))))
    assert {row["run"] for row in found} == {'="mine",1'}
    assert {row["train_loss"] for row in found} == {""}
    if changed == "text":
        assert (found[-1]["train_accuracy"], found[-1]["test_accuracy"]) == ("1.0", "0.05")


def test_runs_as_a_table() -> None:
    [step] = [step for step in performed().steps if step.title == "Trained"]
    rows = list(csv.DictReader(io.StringIO(files_of("Trained")["runs.csv"].decode())))
    assert [(row["run"], row["epoch"]) for row in rows] == [("plain", "1"), ("again", "1")]
    for row in rows:
        train, test = float(row["train_accuracy"]), float(row["test_accuracy"])
        assert f"train {train:.1%}, test {test:.1%}" in step.text


def test_steps_without_numbers() -> None:
    for position in (0, -1, 99):
        with pytest.raises(ExplorerError):
            step_data(performed(), position)


def test_pictures_of_ones_own_are_in_the_session_and_need_no_download(tmp_path: Path) -> None:
    zipped = packed(data_of(draw(tmp_path / "mine", {"ant": 12, "bee": 12})))
    recipe = {"dataset": "folder", "data_dir": f"own:{content_hash(zipped)}"}
    step = Step("data.gallery", {"config": recipe, "per_class": 2})
    done = perform(Session(steps=(step,), files={content_hash(zipped): zipped}))
    svg = step_data(done, 0)["picture.svg"]
    assert {"ant", "bee"} <= set(" ".join(words(svg)).split())
    assert len(embedded(svg)) == 2


def test_the_manifest_names_every_network_of_a_step() -> None:
    """A strip of epochs looks into several networks."""
    [position] = [number for number, step in enumerate(performed().steps) if step.kind == "run.epochs"]
    listed = json.loads(step_data(performed(), position)["manifest.json"])["weights_sha256"]
    networks = performed().steps[position].arguments["models"]
    assert set(listed) == {name.replace("@", ", epoch ") for name in networks}
    assert len(set(listed.values())) == len(networks) > 1
