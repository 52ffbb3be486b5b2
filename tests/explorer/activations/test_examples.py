"""The examples in docstrings of what looks into a network do what they say."""

from __future__ import annotations

import doctest
from types import ModuleType

import numpy as np
import pytest

import explorer
from explorer.activations import (
    captions,
    capture,
    channel_grid,
    largest_values,
    layer_comparison,
    legend,
    reduction,
)
from explorer.images import decode, geometry, overlay
from explorer.layers import architecture, architecture_words
from explorer.networks.load import LoadedModel
from explorer.saliency import attribution, class_activation_maps, gradient_methods, occlusion
from explorer.tabs import components

EXAMPLES = (
    *(
        (captions, 1),
        (capture, 1),
        (channel_grid, 2),
        (largest_values, 1),
        (layer_comparison, 1),
        (legend, 1),
    ),
    *((reduction, 2), (decode, 2), (geometry, 1), (overlay, 3), (architecture, 1), (architecture_words, 1)),
    *((attribution, 2), (class_activation_maps, 1), (gradient_methods, 2), (occlusion, 1), (components, 1)),
)
"""Each module, and how many of its docstrings have an example."""


@pytest.mark.parametrize(("module", "count"), EXAMPLES, ids=[module.__name__ for module, _ in EXAMPLES])
def test_examples(module: ModuleType, count: int, bundled: LoadedModel, cheetah: np.ndarray) -> None:
    found = explorer.capture_activations(bundled, cheetah, ["blocks.2", "classifier"])
    names = {
        "model": bundled,
        "image": cheetah,
        "activation": found["blocks.2"],
        "logits": found["classifier"],
        "view": explorer.reduce(found["blocks.2"]),
        "reduce": explorer.reduce,
        "architecture": explorer.architecture,
    }
    globs = {**vars(module), **{name: value for name, value in names.items() if name not in vars(module)}}
    tests = [test for test in doctest.DocTestFinder().find(module, globs=globs) if test.examples]
    assert len(tests) == count
    runner = doctest.DocTestRunner()
    assert sum(runner.run(test).failed for test in tests) == 0
