"""Networks that have no gradient say why, and what helps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import explorer
from explorer.errors import ExplorerError
from tests.conftest import random_image
from tests.sample_networks import loaded


class WritesOver(nn.Module):
    """Adds in place to what a ReLU put out, and its gradient is told from."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(x))
        y += 1
        return self.head(y.mean(dim=(2, 3)))


class LetsNothingThrough(WritesOver):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).mean(dim=(2, 3)).detach())


@pytest.mark.parametrize(
    ("network", "rule"),
    [(WritesOver, "writes in place"), (LetsNothingThrough, "lets no gradient through")],
    ids=["in place", "detached"],
)
@pytest.mark.parametrize("method", ["gradient", "smooth_grad"])
def test_without_a_gradient_the_remedy_is_named_and_works(
    network: type[nn.Module], rule: str, method: str
) -> None:
    model, image = loaded(network), random_image(0)
    with pytest.raises(ExplorerError, match=rule):
        explorer.attribute(model, image, 3, method)
    assert explorer.attribute(model, image, 3, "occlusion").values.shape == image.shape[:2]
