"""Gradients, and an error that a person can mend where there are none."""

from __future__ import annotations

import torch
from torch import Tensor

from explorer.errors import ExplorerError


def gradient(total: Tensor, wrt: Tensor, network: str) -> Tensor | None:
    """The gradient of ``total`` (a single number) with respect to ``wrt``, of its shape; None without influence.

    Raises:
        ExplorerError: ``network`` writes over values that its own gradient needs.
    """
    if not total.requires_grad:
        return None
    try:
        return torch.autograd.grad(total, wrt, allow_unused=True)[0]
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise ExplorerError(
            f"network {network}",
            "writes in place over values that its gradient needs, so it can't be trained either",
            "write y = y + x instead of y += x behind a ReLU, or choose occlusion, which needs no gradient",
        ) from error
