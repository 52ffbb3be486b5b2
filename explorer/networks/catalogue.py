"""Which networks there are: every classifier of torchvision, and one that needs no download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from explorer.errors import ExplorerError, suggest

BUNDLED = "efficientnet_lite0"
FIRST = "resnet18"
MIRROR_VARIABLE = "CNN_EXPLORER_WEIGHTS_MIRROR"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a network before it is loaded.

    ``top1`` is the ImageNet accuracy in [0, 1] that its authors published with these weights, where they did.
    """

    name: str
    parameters: int
    top1: float | None
    size_bytes: int
    weights: str
    url: str | None

    @property
    def file(self) -> Path | None:
        """Where the weights are kept on this disk; ``None`` for the bundled network."""
        if self.url is None:
            return None
        return weights_folder() / Path(urlsplit(self.url).path).name

    @property
    def on_disk(self) -> bool:
        """Whether the weights are here already."""
        return self.file is None or self.file.is_file()

    @property
    def download_url(self) -> str | None:
        """Where the weights come from: torchvision's host, or the mirror that this computer is set to use."""
        mirror = os.environ.get(MIRROR_VARIABLE)
        if mirror and self.file is not None:
            return f"{mirror.rstrip('/')}/{self.file.name}"
        return self.url


def weights_folder() -> Path:
    """torch's own folder for downloaded weights, so that files a user already has are found."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


@cache
def catalogue() -> dict[str, ModelInfo]:
    """Every network by name: the sheet's ResNet-18 first, then the bundled one, then the alphabet."""
    from torchvision import models

    infos = {BUNDLED: _bundled_info()}
    infos |= {name: _torchvision_info(name) for name in models.list_models(module=models)}
    order = [FIRST, BUNDLED, *sorted(n for n in infos if n not in (FIRST, BUNDLED))]
    return {name: infos[name] for name in order}


def model_info(name: str) -> ModelInfo:
    """What the catalogue knows of ``name``.

    Raises:
        ExplorerError: there is no such network.
    """
    if name not in catalogue():
        remedy = suggest(name, catalogue(), "explorer.catalogue()")
        raise ExplorerError(f"network {name!r}", "is not in the catalogue", remedy)
    return catalogue()[name]


def torchvision_weights(name: str) -> Any:
    """The best weights that torchvision has for a network: its ``Weights`` enum member."""
    from torchvision import models

    return models.get_model_weights(name).DEFAULT


def _torchvision_info(name: str) -> ModelInfo:
    weights = torchvision_weights(name)
    return ModelInfo(
        name=name,
        parameters=weights.meta["num_params"],
        top1=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
        size_bytes=round(weights.meta["_file_size"] * 2**20),
        weights=weights.name,
        url=weights.url,
    )


def _bundled_info() -> ModelInfo:
    # The parameters are counted anew in a test: building the network here would slow every start.
    return ModelInfo(BUNDLED, 4_652_008, None, 0, "ImageNet (bundled)", None)
