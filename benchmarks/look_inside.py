"""Looking inside: capture, redraw, attribution and memory, beside the bare network, captum and pytorch-grad-cam.

    python -m benchmarks.look_inside [--runs 40]

``image to overlay``: a 224×224 image → preprocessing → one pass that captures every layer of ResNet-18 → PCA of a
layer → overlay, beside one bare ``model(x)`` of torchvision's model under ``inference_mode``. ``redraw``: what
another layer, view, opacity or colour map of the same 1024×768 image costs; the network is made to fail if it is
run. Attribution: from a 224×224 image, preprocessed in the same way for all, to the map. Weights are random, which
costs the same. The last lines show 200 different images through one process. Freed memory stays with the process,
as in the app, for all contenders.
"""

from __future__ import annotations

import argparse
import gc
import os
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import psutil
import torch
import torchvision

import explorer
from benchmarks.timing import HEAD, medians_ms, row
from explorer.activations.capture import ActivationCache, capture_all
from explorer.allocator import keep_freed_pages

TARGET = 243


def pictures(height: int, width: int, count: int) -> list[np.ndarray]:
    """Smooth random pictures, each different."""
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 256, (12, 16, 3), dtype=np.uint8) for _ in range(count)]
    from PIL import Image

    return [np.asarray(Image.fromarray(s).resize((width, height), Image.Resampling.BICUBIC)) for s in small]


def image_to_overlay(model: explorer.LoadedModel, runs: int) -> list[str]:
    bare = torchvision.models.resnet18(weights=None).eval()
    image = pictures(224, 224, 1)[0]
    batch = model.preprocess(image).contiguous()

    def ours(layer: str) -> object:
        seen = capture_all(model, image).activations[layer]
        return explorer.overlay(image, explorer.reduce(seen, "pca"))

    def peer() -> torch.Tensor:
        with torch.inference_mode():
            return bare(batch)

    layers = ("conv1", "layer2.1.relu_1", "layer4.1.relu_1")
    found = medians_ms({"bare": peer} | {layer: partial(ours, layer) for layer in layers}, runs)
    return [
        row(f"image to overlay of {layer}, all layers captured", found[layer], found["bare"], "at most 1.5")
        for layer in layers
    ]


def redraw(model: explorer.LoadedModel, runs: int) -> list[str]:
    image = pictures(768, 1024, 1)[0]
    seen = capture_all(model, image).activations
    views: dict[str, Callable[[], object]] = {}
    layers = ("conv1", "layer1.1.relu_1", "layer2.1.relu_1", "layer3.1.relu_1", "layer4.1.relu_1")

    def principal(layer: str) -> np.ndarray:
        return explorer.overlay(image, explorer.reduce(seen[layer]))

    for layer in layers:
        views[f"PCA of {layer}"] = partial(principal, layer)
    kept = explorer.reduce(seen["layer2.1.relu_1"], "mean")
    views["mean of ten channels"] = lambda: explorer.overlay(
        image, explorer.reduce(seen["layer2.1.relu_1"], "mean")
    )
    views["another opacity"] = lambda: explorer.overlay(image, kept, 0.3)
    views["another colour map"] = lambda: explorer.overlay(image, kept, colormap="magma")

    def refuse(*_: object) -> None:
        raise AssertionError("a redraw ran the network")

    handle = model.module.register_forward_pre_hook(refuse)
    found = medians_ms(views, runs)
    handle.remove()
    return [row(f"redraw at 1024×768: {name}", ms, None, "at most 15 ms") for name, ms in found.items()]


def attribution(model: explorer.LoadedModel, runs: int) -> list[str]:
    from captum.attr import Saliency
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    theirs = torchvision.models.resnet18(weights=None).eval()
    theirs.load_state_dict(model.module.state_dict())
    image = pictures(224, 224, 1)[0]

    def batch() -> torch.Tensor:
        return model.preprocess(image).contiguous()

    cam = GradCAM(model=theirs, target_layers=[theirs.layer4[-1]])
    saliency = Saliency(theirs)
    found = medians_ms(
        {
            "ours, Grad-CAM": lambda: explorer.attribute(model, image, TARGET, "grad_cam"),
            "pytorch-grad-cam": lambda: cam(input_tensor=batch(), targets=[ClassifierOutputTarget(TARGET)]),
            "ours, gradient": lambda: explorer.attribute(model, image, TARGET, "gradient"),
            "captum": lambda: saliency.attribute(batch().requires_grad_(), target=TARGET, abs=False),
        },
        runs,
    )
    return [
        row(
            "Grad-CAM, image to map; peer: pytorch-grad-cam",
            found["ours, Grad-CAM"],
            found["pytorch-grad-cam"],
            "at most 0.40",
        ),
        row(
            "gradient, image to map; peer: captum",
            found["ours, gradient"],
            found["captum"],
            "at most 1.0",
        ),
    ]


def memory(model: explorer.LoadedModel) -> list[str]:
    process = psutil.Process(os.getpid())
    cache = ActivationCache(256 * 2**20)
    resident: dict[int, float] = {}
    used = 0
    for number, image in enumerate(pictures(224, 224, 200), start=1):
        seen = cache.capture(model, image)
        explorer.overlay(image, explorer.reduce(seen.activations["layer3.1.relu_1"]))
        used = max(used, cache.used_bytes)
        if number in (50, 200):
            gc.collect()
            resident[number] = process.memory_info().rss / 2**20
    line = row("resident memory after 200 images; peer: after 50", resident[200], resident[50], "flat", "MiB")
    budget = row("activations kept at most; peer: their budget", used / 2**20, 256.0, "at most 1", "MiB")
    return [line, budget]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    warnings.simplefilter("ignore")
    keep_freed_pages()
    model = explorer.load_model("resnet18", weights=None)
    explorer.receptive_fields(model)
    print(HEAD)
    for part in (image_to_overlay(model, runs), redraw(model, runs), attribution(model, runs), memory(model)):
        print("\n".join(part), flush=True)


if __name__ == "__main__":
    main()
