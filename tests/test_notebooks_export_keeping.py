"""What the Keep button records, carried out again, is what was on screen: pixel for pixel, word for word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.errors import ExplorerError
from explorer.session import Session, content_hash
from explorer.tabs.activation_views import Kept, Wish, view_of
from explorer.tabs.keeping import keep_activation, keep_attribution, keep_comparison, looked_at
from explorer.workbench import Explanation, Look, Workbench
from notebooks_export import perform
from tests.export_samples import own_picture
from tests.test_notebooks_export_notebook import pixels


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(offline=True)


@pytest.fixture(scope="module")
def sample(bench: Workbench) -> Look:
    return bench.look("efficientnet_lite0", str(explorer.sample_images()["Cheetah"]))


@pytest.fixture(scope="module")
def own(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Look:
    path = tmp_path_factory.mktemp("upload") / "mine.png"
    path.write_bytes(own_picture())
    return bench.look("efficientnet_lite0", str(path), "stretch")


def check(kept: tuple[Any, list[bytes]]) -> None:
    step, files = kept
    session = Session().add(step, files)
    [again] = perform(session, anew=True).steps
    assert again.text == step.text
    assert np.array_equal(pixels(again.picture), pixels(step.picture))


WISHES = [
    Wish(),
    Wish(view="component", component=2, shown="map"),
    Wish(view="mean", channels=7, alpha=1.0, colormap="magma"),
    Wish(view="max", shown="slider", interpolation="nearest"),
    Wish(view="energy", interpolation="cubic", alpha=0.25),
    Wish(view="channel", channel=10_000, shown="map", colormap="PuOr_r"),
    Wish(view="nmf"),
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.view)
def test_activations(bench: Workbench, sample: Look, own: Look, wish: Wish) -> None:
    settings = tuple(getattr(wish, name) for name in Wish.__dataclass_fields__)
    check(keep_activation(bench, sample, "blocks.3", None, *settings))
    check(keep_activation(bench, own, "conv_stem", None, *settings))


def test_a_kept_scale_goes_along(bench: Workbench, sample: Look) -> None:
    wish = Wish(view="channel", channel=1)
    settings = tuple(getattr(wish, name) for name in Wish.__dataclass_fields__)
    view = view_of(bench, sample, "blocks.3", Wish(view="channel", channel=2), None)
    kept = Kept("other", "blocks.3", None, view.limits)
    step, files = keep_activation(bench, sample, "blocks.3", kept, *settings)
    assert step.arguments["limits"] == [list(pair) for pair in view.limits]
    check((step, files))


@pytest.mark.parametrize(
    "asked",
    [
        Explanation(293),
        Explanation(1, "grad_cam", layer="blocks.5"),
        Explanation(5, "smooth_grad", "loss", signed=False),
        Explanation(5, "hires_cam", "probability"),
    ],
    ids=lambda asked: asked.method,
)
def test_attributions(bench: Workbench, own: Look, asked: Explanation) -> None:
    for shown in ("overlay", "map"):
        check(keep_attribution(bench, own, asked, shown, 0.8))


def test_comparisons(bench: Workbench, sample: Look) -> None:
    first, second = (Explanation(target, "grad_cam", layer="blocks.5") for target in (293, 291))
    check(keep_comparison(bench, sample, first, second, 0.7))


def test_pictures_go_by_content_samples_by_name(sample: Look, own: Look) -> None:
    assert looked_at(sample) == (
        {"model": "efficientnet_lite0", "framing": "crop", "image": "sample:Cheetah"},
        [],
    )
    assert looked_at(own) == (
        {"model": "efficientnet_lite0", "framing": "stretch", "image": content_hash(own_picture())},
        [own_picture()],
    )


def test_what_can_not_be_kept_is_said(bench: Workbench, sample: Look, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="a session holds no weights"):
        looked_at(Look("resnet18:abc", sample.image_path, sample.image_digest, "crop"))
    grid, plain = (
        tuple(getattr(wish, name) for name in Wish.__dataclass_fields__)
        for wish in (Wish(view="grid"), Wish())
    )
    with pytest.raises(ExplorerError, match="is no single picture"):
        keep_activation(bench, sample, "blocks.3", None, *grid)
    with pytest.raises(ExplorerError, match="has no positions"):
        keep_activation(bench, sample, "classifier", None, *plain)
    view = view_of(bench, sample, "blocks.3", Wish(), None)
    kept = Kept("efficientnet_lite0", "blocks.3", view.basis, view.limits)
    with pytest.raises(ExplorerError, match="depend on the picture"):
        keep_activation(bench, sample, "blocks.3", kept, *plain)
