"""The notebook runs in a kernel of its own and shows what was on screen; nothing else can be made to run."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import explorer
from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step, content_hash, read_session, save_session, versions
from notebooks_export import build_notebook, notebook_files, perform
from notebooks_export.kinds.cell import WIDTH
from notebooks_export.kinds.registry import KINDS, NAMES
from notebooks_export.notebook.build import OWN_WORDS
from tests.notebooks_export.fresh_kernel import assert_shows_the_same, pixels
from tests.notebooks_export.samples import NEEDS_A_RUN, TINY, every_kind, own_picture, performed


def test_the_sample_has_every_kind() -> None:
    assert {step.kind for step in every_kind().steps} == set(KINDS) - NEEDS_A_RUN


def test_the_notebook_runs_in_a_fresh_kernel_and_shows_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Opened on another computer: from the saved file.
    session = read_session(save_session(performed()), NAMES)
    assert_shows_the_same(build_notebook(session), notebook_files(session), tmp_path, monkeypatch)


def test_the_pictures_are_those_of_the_public_api() -> None:
    model = explorer.load_model("efficientnet_lite0")
    image = explorer.read_image(explorer.sample_images()["Cheetah"])
    view = explorer.reduce(explorer.capture_activations(model, image, ["blocks.2"])["blocks.2"], "pca")
    expected = explorer.overlay(image, view, 0.6)
    [step] = [s for s in performed().steps if s.title == "Activations"]
    assert np.array_equal(pixels(step.picture), expected)
    mine = explorer.read_image(own_picture())
    found = explorer.attribute(model, mine, 1, framing="stretch")
    [step] = [s for s in performed().steps if s.title == "Saliency"]
    assert np.array_equal(pixels(step.picture), explorer.overlay(mine, found, 0.9, fade=True))


def test_numbers_in_the_results() -> None:
    texts = {step.kind: step.text for step in reversed(performed().steps)}  # the first of each kind
    assert "1 + (4 − 1)·1·1 = 4 px" in texts["receptive_field.stack"]
    # 4, then pooling 2 with jump 2: 4 + (2 − 1)·2.
    assert texts["receptive_field.stack"].rstrip().endswith("= 6")
    # 1·1 + 0·0 + 0·0 + 1·1 − 1 and 0·1 + 0.5·0 + 1·0 + 0·1 − 1.
    assert "[[ 1. -1.]]" in texts["convolution.output"]
    assert "2 + 1 = 3" in texts["convolution.size"]
    # LeNet: 6·(3·25 + 1) + 16·(6·25 + 1) + 120·401 + 84·121 + 10·85.
    assert "62,006 trainable parameters" in texts["network.untrained"]
    assert "epoch 1: train" in texts["run.history"]


def test_a_valid_notebook_with_readable_code() -> None:
    notebook = nbformat.reads(nbformat.writes(build_notebook(performed())), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for source in code:
        ast.parse(source)
        assert max(map(len, source.splitlines())) <= WIDTH + 8
    # Networks and pictures are loaded once, at the top.
    networks = {step.arguments["model"] for step in performed().steps if "model" in step.arguments}
    assert sum(source.count("load_model(") for source in code) == len({n for n in networks if "@" not in n})
    assert [c.id for c in notebook.cells] == [c.id for c in build_notebook(performed()).cells]


def test_building_computes_nothing() -> None:
    bare = build_notebook(every_kind())
    assert all(not cell.outputs for cell in bare.cells if cell.cell_type == "code")


def test_perform_leaves_results_alone_unless_asked() -> None:
    step = Step("convolution.size", {"size": 6, "kernel": 2}, text="kept")
    sentence: list[tuple[int, int, str]] = []
    session = Session(steps=(step, replace(step, text="", title="new")))
    done = perform(session, on_step=lambda *listed: sentence.append(listed))
    assert sentence == [(0, 1, "new")]
    assert done.steps[0].text == "kept"
    assert "4 + 1 = 5" in done.steps[1].text
    assert perform(session, anew=True).steps[0].text == done.steps[1].text
    assert done.steps[1].versions["torch"]


def test_cancelling_leaves_the_session() -> None:
    session = every_kind()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(session, on_step=stop)
    assert session == every_kind()


def test_a_place_for_own_words() -> None:
    asked = Step("text", title="Discussion", text="Why?")
    [_, cell] = build_notebook(Session(steps=(asked,))).cells
    assert OWN_WORDS in cell.source
    [_, cell] = build_notebook(Session(steps=(replace(asked, comment="Because."),))).cells
    assert "Because." in cell.source
    assert OWN_WORDS not in cell.source


LOOK = {"model": "efficientnet_lite0", "image": "sample:Cheetah"}


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("os.system", {"command": "true"}),
        ("network.prediction", {**LOOK, "image": "/etc/passwd"}),
        ("network.prediction", {**LOOK, "image": "../../etc/passwd"}),
        ("network.prediction", {**LOOK, "image": "sample:../x"}),
        ("network.prediction", {**LOOK, "image": "0" * 64}),
        ("network.prediction", {**LOOK, "image": ["sample:Cheetah"]}),
        ("network.prediction", {**LOOK, "model": "/tmp/weights.pth"}),
        ("network.prediction", {**LOOK, "model": "../runs@1"}),
        ("network.prediction", {**LOOK, "model": "a'); import os; ('@1"}),
        ("network.prediction", {**LOOK, "model": "no-such-run@3"}),
        ("network.prediction", {**LOOK, "model": "lenet-cifar10-plain@7"}),
        ("network.prediction", {**LOOK, "top": "5"}),
        ("network.prediction", {**LOOK, "top": True}),
        ("network.prediction", {**LOOK, "top": 10**9}),
        ("network.prediction", {**LOOK, "weights": "x.pth"}),
        ("network.prediction", {"model": "efficientnet_lite0"}),
        ("activation.map", {**LOOK, "layer": "x']; import os; ['"}),
        ("activation.map", {**LOOK, "layer": "blocks.2", "alpha": float("nan")}),
        ("activation.map", {**LOOK, "layer": "blocks.2", "limits": [[0, float("inf")]]}),
        ("activation.map", {**LOOK, "layer": "blocks.2", "method": "pca\n"}),
        ("saliency.map", {**LOOK, "target": "293); import os"}),
        ("saliency.classes", {**LOOK, "targets": [1]}),
        ("convolution.output", {"x": [["1; import os"]], "kernel": [[1]]}),
        ("convolution.output", {"x": [[1.0] * 5000], "kernel": [[1]]}),
        ("convolution.output", {"x": [[[[[1]]]]], "kernel": [[1]]}),
        ("run.history", {"configs": {"x": {**TINY, "dataset": "folder", "data_dir": "/etc"}}}),
        ("run.history", {"configs": {"x": {**TINY, "data_dir": "/etc"}}}),
        ("run.history", {"configs": {"x": {**TINY, "hook": "os.system"}}}),
        ("run.history", {"configs": {"x": {**TINY, "epochs": "1"}}}),
        ("run.history", {"configs": {}}),
        ("data.gallery", {"config": "cifar10"}),
        ("network.untrained", {"name": "../x"}),
        ("receptive_field.stack", {"layers": [["conv", 3]]}),
        ("text", {"code": "import os"}),
    ],
)
def test_other_arguments_are_refused_before_anything_runs(function: str, arguments: dict[str, Any]) -> None:
    session = Session(steps=(Step("text", title="first"), Step(function, arguments)))
    for action in (build_notebook, perform):
        with pytest.raises(ExplorerError) as caught:
            action(session)
        assert caught.value.value
        assert caught.value.rule
        assert caught.value.remedy


hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["'", '"""', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(set(KINDS) - NEEDS_A_RUN - {"text"})), st.data())
def test_whatever_the_arguments_the_code_only_calls_public_functions(kind: str, data: st.DataObject) -> None:
    """Each argument of a good step in turn replaced by anything: refused, or literals in the same calls."""
    [good, *_] = [step for step in every_kind().steps if step.kind == kind]
    parameters = KINDS[kind].parameters.model_fields
    changed = dict(good.arguments)
    if parameters:
        changed[data.draw(st.sampled_from(sorted(parameters)))] = data.draw(hostile)
    session = replace(every_kind(), steps=(replace(good, arguments=changed),))
    try:
        cells = build_notebook(session).cells
    except ExplorerError:
        return
    source = [cell.source for cell in cells if cell.cell_type == "code"][-1]
    usual = build_notebook(replace(every_kind(), steps=(good,))).cells
    allowed = names([cell.source for cell in usual if cell.cell_type == "code"][-1])
    options = {
        "colourise",
        "enlarged",
        "default_colormap",
        "overlay",
        "TrainConfig",
        "Image",
        "fromarray",
        "picture",
    }
    options |= {
        "window",
        "terms",
        "patch",
        "kernel",
        "flat",
        "pre_activation",
        "output",
        "bias",
        "join",
        "zip",
    }
    options |= {
        "list",
        "conv",
        "windows",
        "a",
        "b",
        "print",
        "view",
        "limits",
        "values",
        "found",
        "map",
        "inf",
        "nan",
    }
    assert names(source) <= allowed | options | {
        "explorer",
        "training",
        "cheetah",
        "image",
        "efficientnet_lite0",
    }


def names(source: str) -> set[str]:
    found = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}


def test_an_empty_session_and_a_picture_that_is_gone() -> None:
    with pytest.raises(ExplorerError, match="an empty session has nothing to hand in"):
        build_notebook(Session())
    with pytest.raises(ExplorerError, match="is not in the session any more"):
        build_notebook(replace(every_kind(), files={}))
    fake = b"GIF89a <script>"
    steps = (Step("network.prediction", {"model": "efficientnet_lite0", "image": content_hash(fake)}),)
    with pytest.raises(ExplorerError, match="can't be read"):
        build_notebook(Session(steps=steps, files={content_hash(fake): fake}))


def test_a_step_that_fails_is_named() -> None:
    step = Step("activation.map", {**LOOK, "layer": "no.such.layer"}, title="Broken")
    with pytest.raises(ExplorerError, match=r"no\.such\.layer"):
        perform(Session(steps=(step,)))


def test_titles_stay_on_their_line() -> None:
    step = Step("text", title="a\n\n# b")
    [_, cell] = build_notebook(Session(steps=(step,))).cells
    assert cell.source.splitlines()[0].startswith("## 1. a \\# b")


def made_with(*steps: Step) -> str:
    """What the heading says of versions."""
    source: str = build_notebook(Session(steps=steps)).cells[0].source
    return source.split("CNN Explorer; ")[1].split(". How to")[0]


def test_the_versions_are_those_that_the_steps_were_computed_with() -> None:
    old, new = {"torch": "1.0", "numpy": "2.0"}, {"torch": "9.9", "numpy": "2.0"}
    step = Step("convolution.size", {"size": 6, "kernel": 2}, text="5")
    then, now, words = replace(step, versions=old), replace(step, versions=new), Step("text", title="t")
    assert made_with(then, words, then) == "torch 1.0, numpy 2.0"
    assert made_with(then, replace(then, versions=dict(reversed(old.items())))) == "torch 1.0, numpy 2.0"
    assert (
        made_with(then, now, then, then, then, words, now)
        == "steps 1 and 3 to 5: torch 1.0, numpy 2.0; steps 2 and 7: torch 9.9, numpy 2.0"
    )
    # A step without results was computed nowhere yet; a session of such steps says what it would run with.
    assert made_with(step, now) == "torch 9.9, numpy 2.0"
    running = ", ".join(f"{package} {number}" for package, number in versions().items())
    assert made_with(step) == running
    assert running in build_notebook(Session(steps=(words,))).cells[0].source


def test_the_same_session_gives_the_same_notebook_after_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    before = nbformat.writes(build_notebook(performed()))
    monkeypatch.setattr("notebooks_export.notebook.build.versions", lambda: {"torch": "99"})
    assert nbformat.writes(build_notebook(performed())) == before
