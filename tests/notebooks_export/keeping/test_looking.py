"""What the Keep button records, carried out again, is what was on screen: pixel for pixel, word for word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.errors import ExplorerError
from explorer.session.network_file import network_file
from explorer.session.steps import Session, content_hash, save_session
from explorer.tabs.keeping import looked_at
from explorer.tabs.looking.activation_views import ViewSettings, colours_to_keep
from explorer.tabs.looking.keep import (
    keep_activation,
    keep_architecture,
    keep_attribution,
    keep_comparison,
    keep_layers,
)
from explorer.tabs.looking.side_by_side import compared
from explorer.workbench import Explanation, Selection, Workbench
from notebooks_export import build_notebook, notebook_files, open_session, perform
from tests.notebooks_export.fresh_kernel import pixels
from tests.notebooks_export.samples import as_png, own_network, own_picture


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(offline=True)


@pytest.fixture(scope="module")
def sample(bench: Workbench) -> Selection:
    return bench.select("efficientnet_lite0", str(explorer.sample_images()["Cheetah"]))


@pytest.fixture(scope="module")
def own(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Selection:
    path = tmp_path_factory.mktemp("upload") / "mine.png"
    path.write_bytes(own_picture())
    return bench.select("efficientnet_lite0", str(path), "stretch")


def check(kept: tuple[Any, list[bytes]]) -> None:
    step, files = kept
    session = Session().add(step, files)
    [again] = perform(session, anew=True).steps
    assert again.text == step.text
    assert np.array_equal(pixels(again.picture), pixels(step.picture))


WISHES = [
    ViewSettings(),
    ViewSettings(view="component", component=2, shown="map"),
    ViewSettings(view="mean", channels=7, alpha=1.0, colormap="magma"),
    ViewSettings(view="max", shown="slider", interpolation="nearest"),
    ViewSettings(view="energy", interpolation="cubic", alpha=0.25),
    ViewSettings(view="channel", channel=10_000, shown="map", colormap="PuOr_r"),
    ViewSettings(view="nmf"),
    ViewSettings(view="grid"),
    ViewSettings(view="grid", colormap="PiYG"),
]


@pytest.mark.parametrize(
    "view_settings", WISHES, ids=lambda view_settings: f"{view_settings.view}-{view_settings.colormap}"
)
def test_activations(
    bench: Workbench, sample: Selection, own: Selection, view_settings: ViewSettings
) -> None:
    check(keep_activation(bench.open(sample), "blocks.3", None, view_settings))
    check(keep_activation(bench.open(own), "conv_stem", None, view_settings))


def test_a_kept_scale_goes_along(bench: Workbench, sample: Selection) -> None:
    view_settings = ViewSettings(view="channel", channel=1)
    kept = colours_to_keep(bench.open(sample), "blocks.3", ViewSettings(view="channel", channel=2))
    assert kept is not None
    step, files = keep_activation(bench.open(sample), "blocks.3", kept, view_settings)
    assert step.arguments["limits"] == [list(pair) for pair in kept.limits]
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
def test_attributions(bench: Workbench, own: Selection, asked: Explanation) -> None:
    for shown in ("overlay", "map"):
        check(keep_attribution(bench.open(own), asked, shown, 0.8))


def test_comparisons(bench: Workbench, sample: Selection) -> None:
    first, second = (Explanation(target, "grad_cam", layer="blocks.5") for target in (293, 291))
    check(keep_comparison(bench.open(sample), first, second, 0.7))


def test_pictures_go_by_content_samples_by_name(bench: Workbench, sample: Selection, own: Selection) -> None:
    assert looked_at(bench, sample) == (
        {"model": "efficientnet_lite0", "framing": "crop", "image": "sample:Cheetah"},
        [],
    )
    assert looked_at(bench, own) == (
        {"model": "efficientnet_lite0", "framing": "stretch", "image": content_hash(own_picture())},
        [own_picture()],
    )


@pytest.mark.parametrize(
    "first",
    [ViewSettings(), ViewSettings(view="component", component=3)],
    ids=lambda view_settings: view_settings.view,
)
@pytest.mark.parametrize(
    "then",
    [ViewSettings(), ViewSettings(view="component", component=2)],
    ids=lambda view_settings: view_settings.view,
)
def test_kept_colours_are_found_again(
    bench: Workbench, sample: Selection, own: Selection, first: ViewSettings, then: ViewSettings
) -> None:
    kept = colours_to_keep(bench.open(sample), "blocks.3", first)
    step, files = keep_activation(bench.open(own), "blocks.3", kept, then)
    assert step.arguments["basis_image"] == "sample:Cheetah"
    assert step.arguments["basis_framing"] == "crop"
    check((step, files))
    without, _ = keep_activation(bench.open(own), "blocks.3", None, then)
    assert not np.array_equal(pixels(step.picture), pixels(without.picture))


def test_kept_colours_of_another_picture_of_ones_own(
    bench: Workbench, own: Selection, tmp_path: Path
) -> None:
    """Both pictures go along, and both are read by the notebook."""
    noise = as_png(np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8))
    (tmp_path / "first.png").write_bytes(noise)
    first = bench.select("efficientnet_lite0", str(tmp_path / "first.png"))
    kept = colours_to_keep(bench.open(first), "blocks.3", ViewSettings())
    step, files = keep_activation(bench.open(own), "blocks.3", kept, ViewSettings())
    assert set(files) == {noise, own_picture()}
    check((step, files))
    session = open_session(save_session(Session().add(step, files)))
    assert set(notebook_files(session).values()) == {noise, own_picture()}
    with pytest.raises(ExplorerError, match="not in the session any more"):
        build_notebook(replace(session, files={step.arguments["image"]: own_picture()}))


def test_kept_colours_of_the_same_picture_framed_otherwise(bench: Workbench, own: Selection) -> None:
    kept = colours_to_keep(bench.open(replace(own, framing="crop")), "blocks.3", ViewSettings())
    step, files = keep_activation(bench.open(own), "blocks.3", kept, ViewSettings())
    assert (step.arguments["basis_framing"], step.arguments["framing"]) == ("crop", "stretch")
    assert set(files) == {own_picture()}
    check((step, files))


def test_kept_colours_are_left_out_where_they_were_not_used(
    bench: Workbench, sample: Selection, own: Selection
) -> None:
    kept = colours_to_keep(bench.open(sample), "blocks.3", ViewSettings())
    for layer, view_settings in (("blocks.2", ViewSettings()), ("blocks.3", ViewSettings(view="mean"))):
        step, files = keep_activation(bench.open(own), layer, kept, view_settings)
        assert "basis_image" not in step.arguments
        check((step, files))


def test_vectors(bench: Workbench, sample: Selection, own: Selection) -> None:
    step, files = keep_activation(bench.open(sample), "classifier", None, ViewSettings(view="grid"))
    assert "cheetah" in step.text.splitlines()[1]
    check((step, files))
    check(keep_activation(bench.open(own), "global_pool.flatten", None, ViewSettings()))


@pytest.mark.parametrize(("method", "one_scale"), [("mean", True), ("pca", True), ("max", False)])
def test_layers_side_by_side(bench: Workbench, own: Selection, method: str, one_scale: bool) -> None:
    comparison = compared(bench.open(own), ["blocks.3", "conv_stem", "blocks.1"], method, one_scale)
    step, files = keep_layers(bench.open(own), comparison, method, one_scale)
    # As on screen: in the order in which the network comes to them.
    assert step.arguments["layers"][0] == "conv_stem"
    check((step, files))


def test_the_architecture(bench: Workbench, own: Selection) -> None:
    step, files = keep_architecture(bench.open(own))
    assert set(step.arguments) == {"model"}
    session = Session().add(step, files)
    assert perform(session, anew=True).steps[0].text == step.text
    # The picture that was on screen beside it has no part in it.
    assert not open_session(save_session(session)).files


def test_a_network_from_a_file_of_ones_own_goes_along(
    bench: Workbench, own: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded = replace(own, model=bench.add_model(own_network(), "as the page names it"))
    arguments, files = looked_at(bench, uploaded)
    assert arguments["model"] == f"squeezenet1_1:{content_hash(files[0])}"
    assert files == [network_file(own_network()), own_picture()]
    check(keep_activation(bench.open(uploaded), "features.3", None, ViewSettings()))
    check(keep_attribution(bench.open(uploaded), Explanation(2), "overlay", 0.8))
    monkeypatch.setattr("explorer.session.network_file.MAX_NETWORKS_BYTES", 1_000_000)
    with pytest.raises(ExplorerError, match="a session holds up to 1 MB of networks in all; keep results of"):
        looked_at(bench, uploaded)


def test_what_can_not_be_kept_is_said(bench: Workbench, sample: Selection, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="is no longer in memory"):
        looked_at(bench, Selection("resnet18:abc", sample.image_path, sample.image_digest, "crop"))
    other = tmp_path / "other.png"
    other.write_bytes(as_png(np.zeros((80, 90, 3), np.uint8)))
    kept = colours_to_keep(
        bench.open(bench.select("efficientnet_lite0", str(other))), "blocks.3", ViewSettings()
    )
    other.unlink()
    with pytest.raises(ExplorerError, match="upload it again"):
        keep_activation(bench.open(sample), "blocks.3", kept, ViewSettings())
    with pytest.raises(ExplorerError, match="upload it again"):
        looked_at(bench, Selection("efficientnet_lite0", str(other), "", "crop"))


def test_the_same_weights_with_other_class_names_are_another_network(bench: Workbench) -> None:
    one, other = own_network(), replace(own_network(), labels=("other",) * len(own_network().labels))
    assert bench.add_model(one, "the same file") != bench.add_model(other, "the same file")
    assert bench.model(bench.add_model(one, "the same file")).labels == one.labels
