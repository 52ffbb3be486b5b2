"""Attribution by gradients with respect to the network's input: a value for each of its pixels and colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import torch

from explorer.errors import ExplorerError
from explorer.saliency.method import (
    AttributionMethod,
    Cell,
    MethodOptions,
    OnProgress,
    RawMap,
    check_count,
    chunks,
)
from explorer.saliency.target_score import TargetScore


@dataclass(frozen=True)
class Gradient(MethodOptions):
    """The gradient itself (Simonyan et al., 2013): how the objective would move with each value of the input."""

    name: ClassVar[AttributionMethod] = "gradient"
    cell: ClassVar[Cell] = "pixel"

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """One forward and one backward pass."""
        slope, logits = score.gradients(score.batch)
        return RawMap(slope[0], logits)


@dataclass(frozen=True)
class InputXGradient(MethodOptions):
    """The input times its gradient (Shrikumar et al., 2016)."""

    name: ClassVar[AttributionMethod] = "input_x_gradient"
    cell: ClassVar[Cell] = "pixel"

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """One forward and one backward pass."""
        slope, logits = score.gradients(score.batch)
        return RawMap((slope * score.batch)[0], logits)


@dataclass(frozen=True)
class SmoothGrad(MethodOptions):
    """SmoothGrad (Smilkov et al., 2017): the mean gradient over noisy copies of the input.

    >>> SmoothGrad(samples=25, noise=0.2)
    SmoothGrad(samples=25, noise=0.2, seed=0)

    Attributes:
        samples: how many copies, from 1 up.
        noise: standard deviation of the normal noise, as a share of the range of the input's values, from 0 up.
        seed: of the noise; equal seeds give equal maps, and the program's own random numbers don't move.

    Raises:
        ExplorerError: a number out of its range.
    """

    samples: int = 16
    noise: float = 0.15
    seed: int = 0
    name: ClassVar[AttributionMethod] = "smooth_grad"
    cell: ClassVar[Cell] = "pixel"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        if not isinstance(self.noise, Real) or not math.isfinite(self.noise):
            raise ExplorerError(f"noise {self.noise!r}", "is no number", "choose 0 or more")
        if self.noise < 0:
            raise ExplorerError(f"noise {self.noise:g}", "is negative", "choose 0 or more")
        # What torch's generators take.
        if not isinstance(self.seed, Integral) or not -(2**63) <= int(self.seed) < 2**64:
            raise ExplorerError(
                f"seed {self.seed!r}", "is no whole number of 64 bits", "choose one from 0 up"
            )

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """Passes over several copies at once."""
        batch = score.batch
        sigma = self.noise * float(batch.max() - batch.min())
        generator = torch.Generator().manual_seed(int(self.seed))
        total = torch.zeros_like(batch[0])
        for done, count in chunks(self.samples, on_progress):
            # The noise is drawn copy by copy, so that it doesn't depend on how copies are grouped.
            drawn = [torch.randn(batch.shape[1:], generator=generator) for _ in range(done, done + count)]
            gradients, _ = score.gradients(batch + sigma * torch.stack(drawn).to(batch))
            total += gradients.sum(dim=0)
        return RawMap(total / self.samples, score.logits())


@dataclass(frozen=True)
class IntegratedGradients(MethodOptions):
    """Integrated gradients (Sundararajan et al., 2017) on the straight way from a black picture to this one.

    The values add up to the difference of the two objectives, the better the more ``steps`` (from 1 up) there are.

    >>> IntegratedGradients()
    IntegratedGradients(steps=32)

    Raises:
        ExplorerError: no step.
    """

    steps: int = 32
    name: ClassVar[AttributionMethod] = "integrated_gradients"
    cell: ClassVar[Cell] = "pixel"

    def __post_init__(self) -> None:
        check_count("steps", self.steps)

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """Passes over several points of the way at once."""
        batch, preprocess = score.batch, score.model.preprocess
        black = batch.new_tensor([-m / s for m, s in zip(preprocess.mean, preprocess.std, strict=True)])
        start = black[None, :, None, None].expand_as(batch)
        total = torch.zeros_like(batch[0])
        for done, count in chunks(self.steps, on_progress):
            # Midpoints of equal steps: the sum of attributions meets the score difference fastest.
            shares = (torch.arange(done, done + count).to(batch) + 0.5) / self.steps
            gradients, _ = score.gradients(start + shares[:, None, None, None] * (batch - start))
            total += gradients.sum(dim=0)
        return RawMap((batch - start)[0] * total / self.steps, score.logits())
