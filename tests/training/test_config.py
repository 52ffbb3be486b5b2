"""The recipe: the sheet's defaults, and every impossible value refused with value, rule and remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from explorer.errors import ExplorerError
from training import RECIPES, TrainConfig
from training.config import config_from_json


def test_the_defaults_are_the_exercise_sheets() -> None:
    config = TrainConfig()
    assert (config.dataset, config.network, config.optimizer) == ("cifar10", "lenet", "adam")
    assert (config.batch_size, config.learning_rate, config.epochs) == (16, 0.001, 10)
    assert (config.augmentation, config.normalization) == ((), None)
    assert RECIPES["sheet"] == config
    assert RECIPES["sheet, augmented"] == replace(
        config, augmentation=("flip", "crop"), normalization=(0.5, 0.5)
    )


@pytest.mark.parametrize("config", [*RECIPES.values(), TrainConfig(normalization="measured", mixup=0.2)])
def test_json_and_back(config: TrainConfig) -> None:
    assert config_from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("knob", "value", "words"),
    [
        ("batch_size", 0, ["batch_size 0", "from 1", "such as 16"]),
        ("batch_size", 1.5, ["batch_size 1.5", "whole number"]),
        ("batch_size", True, ["batch_size True"]),
        ("epochs", -1, ["epochs -1"]),
        ("learning_rate", 1e6, ["learning_rate 1000000.0", "to 10", "such as 0.001"]),
        ("learning_rate", float("nan"), ["learning_rate nan"]),
        ("learning_rate", "fast", ["learning_rate 'fast'"]),
        ("label_smoothing", 1.0, ["label_smoothing"]),
        ("dataset", "cifar11", ["cifar11", "did you mean 'cifar10'"]),
        ("optimizer", "adma", ["did you mean 'adam'"]),
        ("augmentation", ("flop",), ["'flop'", "did you mean 'flip'"]),
        ("augmentation", ("flip", "flip"), ["twice"]),
        ("normalization", (0.5, 0.0), ["standard deviation", "(0.5, 0.5)"]),
        ("normalization", "imagenet", ["imagenet"]),
        ("max_train_images", 0, ["max_train_images 0", "such as 1000"]),
        ("dataset", "folder", ["data_dir"]),
        ("dataset", ["cifar10"], ["dataset ['cifar10']"]),
        ("augmentation", None, ["augmentation None", "not a list of names", "['flip', 'crop']"]),
        ("augmentation", "flip", ["augmentation 'flip'", "not a list of names"]),
        ("augmentation", (["flip"],), ["['flip']"]),
        ("network", None, ["network None", "not text", "'lenet'"]),
        ("data_dir", 5, ["data_dir 5", "not a path"]),
        ("skip_broken", "no", ["skip_broken 'no'", "neither True nor False"]),
        ("normalization", {"mean": 0.5}, ["normalization", "(0.5, 0.5)"]),
    ],
)
def test_impossible_values_are_refused_with_value_rule_and_remedy(
    knob: str, value: Any, words: list[str]
) -> None:
    with pytest.raises(ExplorerError) as caught:
        TrainConfig(**{knob: value})
    for word in words:
        assert word in str(caught.value)
    assert caught.value.parameter == ("data_dir" if (knob, value) == ("dataset", "folder") else knob)


def test_a_recipe_file_with_a_misspelt_knob_or_broken_json_is_refused() -> None:
    with pytest.raises(ExplorerError, match="did you mean 'epochs'") as caught:
        config_from_json('{"epoch": 3}')
    assert caught.value.parameter == "epoch"
    with pytest.raises(ExplorerError, match="not valid JSON"):
        config_from_json("{")
    with pytest.raises(ExplorerError, match="JSON object"):
        config_from_json("[1]")
    with pytest.raises(ExplorerError, match="augmentation None is not a list of names"):
        config_from_json('{"augmentation": null}')
