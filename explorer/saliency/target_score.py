"""The one number among a network's outputs that an attribution explains, and its gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from explorer.errors import ExplorerError
from explorer.layers.gradients import gradient
from explorer.networks.load import LoadedModel

Objective = Literal["logit", "loss", "probability"]


@dataclass(frozen=True)
class TargetScore:
    """A network, an input ``(1, 3, h, w)`` as the network takes it, and what is explained: ``objective`` of a class."""

    model: LoadedModel
    batch: torch.Tensor
    index: int
    objective: Objective

    def of(self, logits: torch.Tensor) -> torch.Tensor:
        """The objective for each row of logits ``(N, classes)``: ``(N,)``."""
        if self.objective == "logit":
            return logits[:, self.index]
        log_probabilities = logits.log_softmax(dim=1)[:, self.index]
        return -log_probabilities if self.objective == "loss" else log_probabilities.exp()

    def logits(self) -> torch.Tensor:
        """What the network gives the input, ``(1, classes)``, without a gradient."""
        with torch.no_grad():
            return self.model.module(self.batch)

    def gradients(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient of each row's objective with respect to that row of ``batch`` ``(N, 3, h, w)``, and the logits.

        Raises:
            ExplorerError: the input has no influence on the objective that a gradient could tell.
        """
        batch = batch.detach().requires_grad_()
        logits = self.model.module(batch)
        slope = gradient(self.of(logits).sum(), batch, self.model.name)
        if slope is None:
            rule, remedy = "lets no gradient through to its input", "choose occlusion, which needs none"
            raise ExplorerError(f"network {self.model.name}", rule, remedy)
        return slope, logits.detach()
