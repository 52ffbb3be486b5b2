"""What is typed becomes numbers or a clear refusal; runs are named by what sets them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError
from training.config import SHEET
from training.tabs.entries import MOST_SEEDS, read_seeds
from training.words import legend_titles, preparation, recipe_title

AUGMENTED = replace(SHEET, augmentation=("flip", "crop"), normalization=(0.5, 0.5))


@given(
    st.lists(st.integers(0, 999_999_999), min_size=1, max_size=MOST_SEEDS, unique=True),
    st.sampled_from([", ", " ", ";", ",\n"]),
)
def test_seeds_are_read_in_order(seeds: list[int], between: str) -> None:
    assert read_seeds(between.join(map(str, seeds))) == seeds


def test_ranges_of_seeds_and_each_once() -> None:
    assert read_seeds("0-4") == [0, 1, 2, 3, 4]
    assert read_seeds(" 7, 0–2, 1 ") == [7, 0, 1, 2]


@pytest.mark.parametrize("typed", ["", "one", "1.5", "-1", "4-1", "0-99", "1,,x", "0-15 100-115"])
def test_what_is_no_list_of_seeds_is_refused(typed: str) -> None:
    with pytest.raises(ExplorerError, match="seed"):
        read_seeds(typed)


def test_a_recipe_is_named_by_what_departs_from_the_sheet() -> None:
    assert recipe_title(SHEET) == "lenet on CIFAR-10, plain"
    changed = replace(AUGMENTED, epochs=3, seed=2, learning_rate=0.01, optimizer="sgd", max_train_images=2000)
    assert recipe_title(changed) == (
        "lenet on CIFAR-10, flip + crop, normalised to 0.5 ± 0.5, 3 epochs, learning rate 0.01, seed 2, "
        "optimizer sgd, 2,000 training images"
    )
    own = replace(
        SHEET, network="conv 6 5, relu, flatten, linear,", dataset="folder", data_dir="/home/ada/pets.zip"
    )
    assert recipe_title(own) == "own network of 4 layers on pets, plain"


def test_preparation_names_every_change() -> None:
    both = replace(SHEET, augmentation=("color_jitter", "cutout"), mixup=0.2, normalization="measured")
    assert preparation(both) == "colour jitter + cutout + mixup 0.2, normalised as measured"


def test_legends_leave_out_what_all_share() -> None:
    assert legend_titles([SHEET, AUGMENTED]) == ["plain", "flip + crop, normalised to 0.5 ± 0.5"]
    assert legend_titles([SHEET, replace(SHEET, seed=1)]) == ["seed 0", "seed 1"]
    assert legend_titles([SHEET]) == [recipe_title(SHEET)]
    assert (
        len(set(legend_titles([replace(SHEET, epochs=n, batch_size=m) for n in (1, 2) for m in (8, 16)])))
        == 4
    )
