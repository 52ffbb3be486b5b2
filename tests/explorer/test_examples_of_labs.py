"""The examples in the docstrings of the labs' rooms give what they say."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import explorer
import explorer.convolution
import explorer.fields
import explorer.practice

ROOMS = (explorer.convolution, explorer.practice, explorer.fields)
MODULES = [
    found.name
    for room in ROOMS
    for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    if not found.ispkg
]
WITHOUT_EXAMPLE = {
    # Results, each made by a function that has one.
    *("Convolution", "EffectiveField", "Exercise", "Marking", "ReceptiveField", "Window"),
    # Sentences of a whole picture.
    *("describe_effective_field", "describe_mixing", "describe_pixel", "describe_unit"),
}


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_public_functions_have_an_example() -> None:
    rooms = tuple(f"{room.__name__}." for room in ROOMS)
    found = {name: getattr(explorer, name) for name in explorer.__all__}
    ours = {n: f for n, f in found.items() if getattr(f, "__module__", "").startswith(rooms)}
    assert len(ours) > 30
    lacking = {name for name, function in ours.items() if ">>> " not in (function.__doc__ or "")}
    assert lacking == WITHOUT_EXAMPLE
