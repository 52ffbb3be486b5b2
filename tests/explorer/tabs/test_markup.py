"""Names that somebody else chose are words on the page, whatever they hold: never its markup."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image
from torch import nn

from explorer.activations.capture import Activation
from explorer.activations.largest_values import largest_values
from explorer.activations.layer_comparison import compare_layers
from explorer.activations.legend import ComponentScale
from explorer.errors import ExplorerError
from explorer.images.decode import read_image
from explorer.images.geometry import Placement
from explorer.layers.architecture import LayerSummary, architecture
from explorer.networks.load import from_module
from explorer.networks.predictions import Prediction
from explorer.tabs import components
from explorer.tabs.looking import activation_views, network, saliency, side_by_side, two_classes
from explorer.tabs.looking.activation_views import KeptColours, ViewSettings
from explorer.tabs.looking.pane import PaneContent, result_pane
from explorer.tabs.shell import sidebar
from explorer.workbench import Explanation, Selection, Visit, Workbench
from tests.conftest import SMALL

NAME = """<script>alert("1" & '2')</script><b title='x"""
LABELS = [f"{NAME} {i}" for i in range(4)]


class Read(HTMLParser):
    """What a browser makes of markup: the elements, their attributes, and the words."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[str] = []
        self.words = ""
        self.feed(f"{markup}")  # a plain string: parts of a Markup would be Markup
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def check(markup: str, times: int = 1, attributes: int = 0) -> None:
    """The name stands there as words ``times``, and in ``attributes`` attributes, and nowhere as markup."""
    assert isinstance(markup, Markup)
    read = Read(markup)
    assert not read.elements & {"script", "b"}
    assert read.words.count(NAME) == times, read.words
    assert sum(NAME in value for value in read.attributes) == attributes


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """A network that is called so, with layers and classes that are called so, and a picture of that name."""
    module = nn.Sequential()
    layers = {"conv": nn.Conv2d(3, 4, 5, 4), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    for name, layer in layers.items():
        module.add_module(f"{NAME}{name}", layer)
    model = from_module(module, SMALL, LABELS, name=NAME, weights=NAME)
    bench = Workbench(offline=True)
    path = tmp_path_factory.mktemp("pictures") / f"{NAME.replace('/', '')}.png"
    Image.fromarray(np.zeros((70, 80, 3), np.uint8)).save(path)
    return bench.open(bench.select(bench.add_model(model, "content"), str(path)))


def layer_of(visit: Visit, kind: str) -> str:
    return next(name for name in visit.capture().activations if name.endswith(kind))


@pytest.mark.parametrize(
    ("made", "times", "attributes"),
    [
        (lambda: components.note(NAME), 1, 0),
        (lambda: components.progress_bar(0.5, NAME), 1, 1),
        (lambda: components.colour_bar(((0.0, 1.0),), colormap="viridis", what=NAME), 1, 1),
        (lambda: components.component_bars([ComponentScale(NAME, (255, 0, 0), (0.0, 1.0))]), 1, 1),
        (lambda: components.prediction_bars([Prediction(3, NAME, 0.5, 1.0)]), 1, 0),
        (lambda: components.value_bars([(NAME, NAME, NAME, 0.5)], NAME), 3, 1),
        (lambda: components.facts_table([NAME], [[NAME], [NAME]], (0,), [NAME]), 4, 0),
        (lambda: components.question_markup(NAME, NAME), 2, 0),
    ],
)
def test_components(made: Callable[[], str], times: int, attributes: int) -> None:
    check(made(), times, attributes)


def test_errors_are_words_for_the_page_and_for_programs() -> None:
    with pytest.raises(ExplorerError) as raised:
        read_image(f"{NAME}.png".replace("/", ""))
    for error in (raised.value, ExplorerError(NAME, "is unknown", f"choose {NAME}")):
        message = components.as_message(error).message
        read = Read(message)
        assert not read.elements
        assert "<script>alert" in read.words
        # Quotes have no effect between elements, and other programs read the message as it stands.
        assert "&#" not in message


def test_the_network_tab(visit: Visit) -> None:
    rows = architecture(visit.model)
    check(network.layer_table(rows), sum(NAME in row.name for row in rows))
    assert len(rows) >= 3
    check(network.layer_table([LayerSummary(NAME, NAME, NAME, (0, 0, 0), 0)]), 3)


def test_the_sidebar(visit: Visit) -> None:
    check(sidebar.status_line(visit), 2)
    check(components.prediction_bars(visit.predictions(4)), 4)


def test_the_pane() -> None:
    pane = result_pane("Activation", "element")
    updates = pane.showing(PaneContent(components.note(NAME), NAME))
    check(updates[pane.scale])
    check(updates[pane.caption])


def test_activations(visit: Visit) -> None:
    flat = visit.activation(layer_of(visit, "flat"))
    check(activation_views.vector_bars(largest_values(flat, visit.model.labels)), 4)
    other = Selection("another", "", "", "crop")
    kept = KeptColours(other, NAME, "mean", None, ((0.0, 1.0),))
    for view in ("pca", "mean", "grid"):
        shown = activation_views.layer_view(visit, layer_of(visit, "conv"), ViewSettings(view=view), kept)
        assert NAME in shown.pane.caption
        check(components.note(shown.pane.caption), 1 if view == "grid" else 2 if view == "mean" else 1)


def test_side_by_side(visit: Visit) -> None:
    conv = layer_of(visit, "conv")
    check(side_by_side.draw(visit, [conv], "mean", True).table)
    one = Activation(NAME, NAME, np.zeros((2, 3, 3), np.float32), Placement((1, 1), (0, 0), (0, 0, 3, 3)))
    check(side_by_side.shapes_table(compare_layers({NAME: one})), 2)


def test_saliency_and_two_classes(visit: Visit) -> None:
    pair = visit.comparison(*(Explanation(i, "grad_cam", layer=layer_of(visit, "conv")) for i in (0, 1)))
    content = saliency.saliency_content(visit.pixels, pair.a, "overlay", 0.9)
    check(components.note(content.caption), 2)
    for view in (pair.a, pair.b):
        check(components.note(two_classes.words_under(view, pair.a)))
    check(components.note(two_classes.words_under(pair.difference, pair.a)), 2)
