"""Small networks that do what real ones do to trip up whoever looks into them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from explorer.networks.load import LoadedModel, from_module
from tests.conftest import SMALL

LABELS = [f"class {i}" for i in range(5)]


def loaded(build: Callable[[], nn.Module], seed: int = 0) -> LoadedModel:
    """The network with random weights from ``seed``, looking at 64×64 px, five classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
    return from_module(module, SMALL, LABELS, name=build.__name__, weights="random")


class Plain(nn.Module):
    """Two convolutions and a head; the others change what happens between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2)
        self.second = nn.Conv2d(4, 4, 3, stride=2)
        self.fc = nn.Linear(4, 5)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        """From the first convolution's output to the second's input."""
        return x.tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (1, 5)."""
        return self.fc(self.second(self.between(self.first(x))).mean((2, 3)))


class Branching(Plain):
    """Its path depends on the data, and its relu is called twice: no graph can tell it."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (1, 5)."""
        x = self.relu(self.first(x))
        if x.mean() > -1:
            x = self.relu(self.second(x))
        return self.fc(x.mean((2, 3)))


class LateBranch(Plain):
    """The second convolution runs for bright images only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (1, 5)."""
        y = self.first(x)
        if x.mean() > 0:
            y = self.second(y)
        return self.fc(y.mean((2, 3)))


class ReluInPlace(Plain):
    """``F.relu(x, inplace=True)``, result used."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x, inplace=True)


class UnderscoreFunction(Plain):
    """``torch.relu_(x)``, result used."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(x)


class UnderscoreMethod(Plain):
    """``x.mul_(2)``, result used."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2)


class AugmentedAssignment(Plain):
    """``x *= 2``."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        x *= 2
        return x


class ResultThrownAway(Plain):
    """``F.relu(x, inplace=True)`` for what it does to x alone."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        F.relu(x, inplace=True)
        return x


class WrittenThroughAView(Plain):
    """A channel set to zero through a view of it."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        x[:, 0].zero_()
        return x


class ItemAssignment(Plain):
    """A channel set to zero by assignment."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        x[:, 0] = 0
        return x


class Scale(nn.Module):
    """Writes into its input, as a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((4, 1, 1), 3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x *= self.weight
        return x


class LayerWritesIntoItsInput(Plain):
    """A layer with weights that scales in place."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = Scale()

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale(x)


class ModulesInAList(Plain):
    """A plain list hides modules from torch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Tanh()]

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.hidden[0](x)


IN_PLACE = [
    ReluInPlace,
    UnderscoreFunction,
    UnderscoreMethod,
    AugmentedAssignment,
    ResultThrownAway,
    WrittenThroughAView,
    ItemAssignment,
    LayerWritesIntoItsInput,
]
