"""Errors that a person can mend: value, rule, remedy."""

from __future__ import annotations

import copy
import pickle

import pytest

from explorer.errors import ExplorerError, Suggestion, suggest


def test_the_message_is_value_rule_and_remedy() -> None:
    error = ExplorerError("class 1000", "is not one of the 1000 classes", "choose from 0 to 999")
    assert str(error) == "class 1000 is not one of the 1000 classes; choose from 0 to 999"
    assert (error.value, error.rule, error.remedy) == (
        "class 1000",
        "is not one of the 1000 classes",
        "choose from 0 to 999",
    )
    assert isinstance(error, ValueError)


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ExplorerError("a", "b", "c")))
    assert (error.value, error.rule, error.remedy) == ("a", "b", "c")
    assert str(error) == "a b; c"


def test_an_error_knows_the_parameter_that_it_is_about() -> None:
    error = ExplorerError(
        "batch_size 0", "is not from 1 on", "choose one, such as 16", parameter="batch_size"
    )
    for same in (error, error.on_page(), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert same.parameter == "batch_size"
        assert str(same) == "batch_size 0 is not from 1 on; choose one, such as 16"
    assert ExplorerError("a", "b", "c").parameter == ""


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("batch_size 0", "Batch size 0"),
        ("batch_size None", "Batch size (empty)"),
        ("batch_size '0' in the page's address", "Batch size '0' in the page's address"),
        ("batch_sizes 0", "batch_sizes 0"),
        ("3 of batch_size 0", "3 of batch_size 0"),
    ],
)
def test_a_page_says_its_own_fields_name(value: str, sentence: str) -> None:
    error = ExplorerError(value, "is wrong", "mend it", parameter="batch_size")
    assert str(error.on_page("Batch size")) == f"{sentence} is wrong; mend it"
    assert str(error.on_page("")) == f"{value} is wrong; mend it"
    unnamed = ExplorerError(value, "is wrong", "mend it")
    assert str(unnamed.on_page("Batch size")) == str(unnamed)


def test_a_remedy_can_read_otherwise_on_the_page() -> None:
    remedy = Suggestion("lower image_size", on_page="choose fewer pixels")
    for error in (
        made := ExplorerError("64 images", "are too many", remedy, parameter="image_size"),
        pickle.loads(pickle.dumps(made)),
    ):
        assert str(error) == "64 images are too many; lower image_size"
        assert str(error.on_page("Resized to")) == "64 images are too many; choose fewer pixels"
    assert Suggestion("the same").on_page == "the same"


def test_a_misspelt_name_gets_the_nearest_known_one() -> None:
    remedy = suggest("layr4", ["conv1", "layer3", "layer4"], "explorer.list_layers(model)")
    assert "'layer4'" in remedy
    assert "explorer.list_layers(model)" in remedy
    assert "conv1" not in remedy


def test_a_name_like_no_other_gets_the_place_that_lists_them() -> None:
    assert suggest("zzz", ["conv1"], "the list") == "the list lists them all"


def test_case_is_no_difference() -> None:
    known = ["blocks.3", "blocks.4", "blocks.5", "Conv", "conv"]
    assert suggest("BLOCKS.4", known, "the list").startswith("did you mean 'blocks.4'? ")
    assert suggest("CONV", known, "the list").startswith("did you mean 'Conv' or 'conv'? ")
    assert "'blocks.3'" in suggest("BLOKS.3", known, "the list")


def test_on_the_page_a_remedy_names_no_function() -> None:
    for name, remedy in (
        ("layr4", "did you mean 'layer4'? choose it from the list"),
        ("zzz", "choose one from the list"),
    ):
        suggestion = suggest(name, ["conv1", "layer4"], "explorer.list_layers(model)")
        error = ExplorerError(f"layer {name!r}", "is not in resnet18", suggestion)
        assert "explorer.list_layers(model) lists them all" in str(error)
        assert str(error.on_page()) == f"layer {name!r} is not in resnet18; {remedy}"
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert str(again.on_page()) == str(error.on_page())


def test_any_other_remedy_is_the_same_on_the_page() -> None:
    error = ExplorerError("class 1000", "is not one of the 1000 classes", "choose from 0 to 999")
    assert str(error.on_page()) == str(error)
