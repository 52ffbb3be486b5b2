"""Errors that a person can mend: value, rule, remedy."""

from __future__ import annotations

import pickle

from explorer.errors import ExplorerError, suggest


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


def test_a_misspelt_name_gets_the_nearest_known_one() -> None:
    remedy = suggest("layr4", ["conv1", "layer3", "layer4"], "explorer.list_layers(model)")
    assert "'layer4'" in remedy
    assert "explorer.list_layers(model)" in remedy
    assert "conv1" not in remedy


def test_a_name_like_no_other_gets_the_place_that_lists_them() -> None:
    assert suggest("zzz", ["conv1"], "the list") == "the list lists them all"
