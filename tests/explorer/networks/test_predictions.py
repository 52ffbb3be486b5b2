"""Predictions: the softmax of all logits, the most probable first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import explorer
from explorer.networks.load import LoadedModel
from explorer.networks.predictions import ranked
from tests.conftest import SMALL, random_image


@pytest.mark.parametrize("framing", ["crop", "stretch"])
def test_probabilities_are_the_softmax_of_the_networks_logits(
    bundled: LoadedModel, cheetah: np.ndarray, framing: str
) -> None:
    found = explorer.predict(bundled, cheetah, top=5, framing=framing)  # type: ignore[arg-type]
    with torch.no_grad():
        logits = bundled.module(bundled.preprocess(cheetah, framing))[0]  # type: ignore[arg-type]
    values, indices = logits.double().softmax(0).topk(5)
    assert [p.index for p in found] == indices.tolist()
    assert [p.probability for p in found] == pytest.approx(values.tolist(), rel=1e-4)
    assert [p.logit for p in found] == pytest.approx(logits[indices].tolist(), rel=1e-5)
    assert [p.label for p in found] == [bundled.labels[i] for i in indices.tolist()]


def named(count: int) -> LoadedModel:
    return explorer.from_module(
        torch.nn.Identity(), SMALL, [f"c{i}" for i in range(count)], name="x", weights="none"
    )


def test_all_probabilities_add_up_to_one_even_for_huge_logits() -> None:
    found = ranked(named(4), np.array([1000.0, 1001.0, -1000.0, 999.0], np.float32), top=10)
    assert len(found) == 4
    assert sum(p.probability for p in found) == pytest.approx(1)
    # e^0 : e^-1 : e^-2 for 1001, 1000, 999.
    total = 1 + np.exp(-1) + np.exp(-2)
    assert [p.probability for p in found[:3]] == pytest.approx(
        [1 / total, np.exp(-1) / total, np.exp(-2) / total]
    )
    assert [p.index for p in found] == [1, 0, 3, 2]


def test_of_equals_the_lower_index_comes_first() -> None:
    logits = np.tile(np.array([0, 1], np.float32), 25)
    found = [p.index for p in ranked(named(50), logits, top=50)]
    assert found == [*range(1, 50, 2), *range(0, 50, 2)]


def test_predicting_changes_no_mode_and_learns_nothing(small_resnet18: LoadedModel) -> None:
    module = small_resnet18.module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    module.layer2.train()
    flags = [m.training for m in module.modules()]
    try:
        one = explorer.predict(small_resnet18, random_image(0))
        assert [m.training for m in module.modules()] == flags
    finally:
        module.eval()
    assert explorer.predict(small_resnet18, random_image(0)) == one
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
