"""The training lab's part of the page's address: read as it was written, and never trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.errors import ExplorerError
from training.config import AUGMENTATIONS, PRECISIONS
from training.data.opened import Choice, DatasetCache
from training.tabs import recipe_form
from training.tabs.address import MOST_LETTERS, parameters, read_value, restored


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    """One component of each kind that the recipe's form has, under its name in the address."""
    return {
        "network": gr.Dropdown(recipe_form.NETWORKS),
        "layers": gr.Textbox(),
        "epochs": gr.Number(),
        "learning_rate": gr.Number(),
        "momentum": gr.Number(),
        "augmentation": gr.CheckboxGroup([(name.upper(), name) for name in AUGMENTATIONS]),
        "normalization": gr.Radio(recipe_form.NORMALIZATIONS),
        "precision": gr.Dropdown(list(PRECISIONS)),
    }


def as_in_the_browser(value: Any) -> str:
    """JavaScript's ``String(value)``, for what the form's components hold."""
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def test_every_kind_of_knob_comes_back(form: dict[str, Any]) -> None:
    wanted = {
        "network": "layers",
        "layers": "conv 8 3 padding=1\nrelu & more\nlinear",
        "epochs": 7,
        "learning_rate": 5e-07,
        "momentum": 0,
        "augmentation": ["flip", "cutout"],
        "normalization": "measured",
        "precision": "bfloat16",
    }
    assert set(wanted) == set(form)
    search = "?" + urlencode({"tab": "training"} | {k: as_in_the_browser(v) for k, v in wanted.items()})
    values = restored(form, search)
    assert {name: values[component] for name, component in form.items()} == wanted
    assert restored(form, "?tab=training&augmentation=") == {form["augmentation"]: []}
    assert restored(form, "") == {}


@pytest.mark.parametrize(
    ("knob", "text"),
    [
        *(("epochs", text) for text in ("many", "", "9" * 5000, "nan")),
        *(("learning_rate", text) for text in ("nan", "inf", "-inf", "1e300", "0,1")),
        *(("network", text) for text in ("../lenet", "", "lenet,wide")),
        *(("augmentation", text) for text in ("flip,shear", "FLIP")),
        ("precision", "float16"),
    ],
)
def test_what_a_knob_cannot_be_is_refused(form: dict[str, Any], knob: str, text: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_value(form[knob], text, knob)
    assert knob in caught.value.value
    assert len(str(caught.value)) < 250


def test_one_bad_knob_leaves_the_others(form: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="Epochs 'many' in the page's address is not a number"):
        values = restored(form, "?epochs=many&precision=bfloat16")
    assert values == {form["precision"]: "bfloat16"}


@given(st.text(max_size=200))
def test_no_address_breaks_the_page(search: str) -> None:
    found = parameters(search)
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in found.items())
    assert len(read_value(gr.Textbox(), search * 100, "layers")) <= MOST_LETTERS


def test_own_pictures_are_found_by_content_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    for label in ("cats", "dogs"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8), (number, 9, len(label))).save(tmp_path / f"pets/{label}/{number}.png")
    datasets, choice = DatasetCache(), Choice("folder", str(tmp_path / "pets"), 8, True)
    opened = datasets.reopen(choice, lambda share, what: None)
    assert datasets.opened_as(opened.data.fingerprint) == choice
    restarted = DatasetCache()
    assert restarted.opened_as(opened.data.fingerprint) == choice
    for unknown in ("0" * 16, "", "../../pets", "x" * 500, opened.data.fingerprint.upper() + "/"):
        assert restarted.opened_as(unknown) is None
    (tmp_path / "pets").rename(tmp_path / "moved")
    assert restarted.opened_as(opened.data.fingerprint) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"dataset": "none"}', '{"path": "/etc"}', '{"image_size": "x"}']
)
def test_a_damaged_note_of_own_pictures_is_as_none(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path))
    (tmp_path / "opened").mkdir()
    (tmp_path / "opened" / f"{'a' * 16}.json").write_text(content)
    assert DatasetCache().opened_as("a" * 16) is None
