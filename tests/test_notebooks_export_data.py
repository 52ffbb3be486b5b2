"""The numbers behind a step are those of the public API."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pytest

import explorer
from explorer.errors import ExplorerError
from notebooks_export.data import step_data, with_colour_bar
from tests.export_samples import as_png, performed


@cache
def files_of(title: str) -> dict[str, bytes]:
    session = performed()
    [position] = [i for i, step in enumerate(session.steps) if title in (step.title, step.function)]
    return step_data(session, position)


def array(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


def test_a_map_as_array_and_table() -> None:
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(explorer.sample_images()["Cheetah"])
    pair = explorer.compare_classes(model, image, (293, 291), layer="blocks.5")
    files = files_of("Two")
    for name, view in (("a", pair.a), ("b", pair.b), ("difference", pair.difference)):
        assert np.allclose(array(files[f"map-{name}.npy"]), view.map, rtol=1e-5, atol=1e-7)
        table = np.loadtxt(io.BytesIO(files[f"map-{name}.csv"]), delimiter=",")
        assert np.allclose(table, view.map, rtol=1e-5, atol=1e-7)


def test_colours_of_three_components_have_an_array_but_no_table_or_bar() -> None:
    files = files_of("Activations")
    assert set(files) == {"map.npy", "picture.png", "manifest.json"}
    assert array(files["map.npy"]).shape == (28, 28, 3)


def test_the_manifest_says_what_made_it() -> None:
    told = json.loads(files_of("One channel")["manifest.json"])
    assert told["function"] == "explorer.reduce"
    assert told["arguments"]["layer"] == "conv_stem"
    assert told["weights"] == explorer.load_model("efficientnet_lite0").weights
    assert len(told["weights_sha256"]) == 64
    assert told["weights_sha256"] == json.loads(files_of("Two")["manifest.json"])["weights_sha256"]
    assert told["versions"]["torch"]


def test_a_picture_with_its_scale() -> None:
    svg = files_of("One channel")["picture.svg"]
    assert ET.fromstring(svg).tag.endswith("svg")
    picture = as_png(np.zeros((40, 60, 3), np.uint8))
    assert with_colour_bar(picture, (-1.0, 1.0), "RdBu_r") == with_colour_bar(picture, (-1.0, 1.0), "RdBu_r")
    assert with_colour_bar(picture, (-1.0, 1.0), "RdBu_r") != with_colour_bar(picture, (0.0, 2.0), "RdBu_r")


def test_runs_as_a_table() -> None:
    rows = list(csv.DictReader(io.StringIO(files_of("Trained")["runs.csv"].decode())))
    assert [(row["run"], row["epoch"]) for row in rows] == [("plain", "1"), ("again", "1")]
    for row in rows:
        told = f"train {row['train_accuracy_percent']}%, test {row['test_accuracy_percent']}%"
        assert told in next(s.text for s in performed().steps if s.function == "training.train")


def test_steps_without_numbers() -> None:
    for position in (0, -1, 99):
        with pytest.raises(ExplorerError):
            step_data(performed(), position)
