"""Whatever runs, classes, data sets and layers are called, the page shows it as words and nothing else."""

from __future__ import annotations

import ast
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import training
from explorer.activations.capture import Activation
from explorer.errors import ExplorerError
from explorer.images.geometry import Placement
from explorer.networks.predictions import Prediction
from explorer.saliency.attribution import Attribution
from tests.training.samples import TINY, tiny_data
from training import EpochResult
from training.data.opened import Choice, Opened
from training.networks.build import LayerRow
from training.report.chart import Axes, Chart, Curve
from training.report.comparison import group_recorded
from training.report.inside import Scene, Snapshot
from training.report.page import network
from training.report.page.chart import draw_chart
from training.report.page.comparison import comparison_chart, comparison_table
from training.report.page.data import class_table, image_tag, pairs_figure
from training.report.page.inside import film, first_layer, saliency_figure
from training.report.page.mistakes import draw_confusion, mistake_cards
from training.report.page.network import network_views
from training.report.page.runs import class_bars, run_charts, run_head
from training.report.predictions import Mistake, Predictions
from training.runs import folders as runs
from training.runs.folders import Run
from training.tabs.compare_step import _lines_note
from training.tabs.lab import alert
from training.tabs.mistakes import _cards

EVIL = """<script>alert(1)</script><img src=x onerror="alert(2)">"&'"""
EVIL_FOLDER = """<script><img src=x onerror=alert(1)>"&'"""
"""The same, for what is a name of a file: it has no slash."""
WHOLE = Placement(scale=(1.0, 1.0), offset=(0.0, 0.0), seen=(0, 0, 4, 4))
RESULT = EpochResult(1, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.1, (0.5, 0.25))


class Reader(HTMLParser):
    """Reads HTML as strictly as it can: every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(drawn: str, images: int = 0) -> Reader:
    """The HTML, which must be whole and hold nothing that a name brought: so many images, and no code."""
    reader = Reader()
    reader.feed(str(drawn))
    reader.close()
    assert reader.open == []
    assert "script" not in reader.elements
    assert reader.elements.count("img") == images
    names = {name for name, _ in reader.attributes}
    assert not [name for name in names if name.startswith("on")]
    return reader


def shown(drawn: str, images: int = 0, name: str = EVIL) -> None:
    """The name is to be read in it as it was given."""
    reader = read(drawn, images)
    attributes = " ".join(value for _, value in reader.attributes)
    assert name in reader.words + attributes


def run_of(message: str = "") -> Run:
    config = replace(TINY, dataset="folder", data_dir=f"/pictures/{EVIL_FOLDER}", network=f"conv {EVIL}")
    return Run(Path("runs") / "x", config, runs.FAILED, message, 1, 0.0, None)


def predictions() -> Predictions:
    return Predictions((EVIL, "b"), np.array([0, 1, 0]), np.array([[0.2, 0.8]] * 3, np.float32))


def opened() -> Opened:
    data = replace(tiny_data(), labels=(EVIL, *tiny_data().labels[1:]), name=EVIL)
    return Opened(Choice("folder", f"/pictures/{EVIL}"), data, (0.5,) * 3, (0.2,) * 3)


def test_charts() -> None:
    curves = (
        Curve(EVIL, ((1.0, 0.5), (2.0, 0.6)), band=(0.1, 0.1)),
        Curve(EVIL, ((1.0, 0.4),), dashed=True, growing=True),
    )
    drawn = draw_chart(Chart(curves, Axes(EVIL, 2, percent=True)))
    shown(drawn)
    assert read(drawn).words.count(EVIL) == 1 + 3 + 2  # the axis, three points, two lines of the legend


def test_comparisons() -> None:
    groups = group_recorded({EVIL: TINY, "b": replace(TINY, epochs=9)}, {EVIL: [RESULT], "b": [RESULT]})
    shown(comparison_table(groups))
    shown(comparison_chart(groups, "gap"))
    shown(comparison_chart(groups, "loss") + _lines_note(groups, "loss"))


def test_a_run() -> None:
    head = run_head(run_of(EVIL), [RESULT], [run_of(), replace(run_of(), status=runs.RUNNING)])
    shown(head)
    shown(head, name=EVIL_FOLDER)
    shown(run_head(replace(run_of(EVIL), status=runs.WAITING), []))
    other = replace(run_of(), config=replace(run_of().config, data_dir="/else"))
    shown(run_charts([(run_of(), [RESULT]), (other, [RESULT])]), name=EVIL_FOLDER)
    shown(class_bars(RESULT, [EVIL, "b"]))


def test_data() -> None:
    shown(class_table(opened()), images=10)
    read(pairs_figure(opened(), replace(TINY, augmentation=("flip",))), images=2)
    read(pairs_figure(opened(), TINY))
    shown(image_tag(np.zeros((2, 2, 3), np.uint8), EVIL), images=1)


def test_the_layers_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [LayerRow(EVIL, EVIL, (3, 4), 5), LayerRow("b", "B", None, 0)]
    monkeypatch.setattr(network, "describe", lambda *_: rows)
    _, table = network_views("lenet", 10, 32)
    shown(table)
    assert read(table).words.count(EVIL) == 2


def snapshot(epoch: int) -> Snapshot:
    maps = Activation(EVIL, "Conv2d", np.ones((2, 4, 4), np.float32), WHOLE)
    plane, told = np.ones((4, 4), np.float32), ("gradient", "logit", True, "", 0, 1.0, 0.5, "pixel")
    saliency = Attribution(plane, plane[None].repeat(3, 0), plane, WHOLE, 0, EVIL, *told)
    return Snapshot(epoch, np.ones((2, 3, 3, 3)), maps, saliency, (Prediction(0, EVIL, 0.5, 1.0),), 0.5)


def test_looking_inside() -> None:
    found = [snapshot(0), snapshot(1)]
    shown(first_layer(found[1], 1.0), images=4)
    shown(film(found, Scene("x.png", 0, EVIL)), images=6)
    shown(saliency_figure(found[1], np.zeros((4, 4, 3), np.uint8)), images=1)


def test_mistakes() -> None:
    found, data = predictions(), tiny_data()
    drawn = draw_confusion(found, (0, 1))
    shown(drawn)
    shown(mistake_cards([Mistake(0, 0, 1, 0.8, 0.2)], found.labels, data), images=1)
    shown(_cards(found, (0, 1), data), images=2)


def test_messages() -> None:
    shown(alert(ExplorerError(EVIL, "is unknown", EVIL), EVIL))


@pytest.mark.parametrize("folder", ["report/page", "tabs"])
def test_no_page_is_put_together_from_plain_strings(folder: str) -> None:
    """Elements stand in constants of Markup, whose ``format`` escapes what it is given; ruff refuses other Markup."""
    for path in (Path(training.__file__).parent / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                constants = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                assert "</" not in constants, (path, node.lineno)
                assert "/>" not in constants, (path, node.lineno)
                assert '="' not in constants, (path, node.lineno)
