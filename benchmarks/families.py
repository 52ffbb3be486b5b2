"""How long layers and fields of timm's families take, beside building the network.

    python -m benchmarks.families [NAME …]

One network each, the small ones that the tests look into. ``layers`` is :func:`explorer.list_layers` of a network that
was never looked at, ``fields`` what comes after it: fields worked out, compared with the network, and measured where
they disagree, which can take a hundred passes; it is done in the background when a network is loaded.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import timm
import torch

import explorer
from explorer.fields.theoretical import receptive_fields
from explorer.networks.preprocessing import Preprocess
from tests.explorer.layers.test_families import FAMILIES


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", default=FAMILIES)
    given = options.parse_args()
    ratios: list[tuple[float, float]] = []
    print(f"{torch.get_num_threads()} threads; seconds, and how many times as long as building it")
    for name in given.names:
        timm.create_model(name, num_classes=10)  # what is imported once is nobody's time
        built = statistics.median(seconds(lambda: timm.create_model(name, num_classes=10)) for _ in range(3))  # noqa: B023
        network = timm.create_model(name, num_classes=10)
        side = int(network.pretrained_cfg["input_size"][1])  # type: ignore[index]
        preprocess = Preprocess(side, side, (0.5,) * 3, (0.25,) * 3)
        labels = [str(i) for i in range(10)]
        model = explorer.from_module(network, preprocess, labels, name=name, weights="random")
        listed = seconds(lambda: explorer.list_layers(model))  # noqa: B023
        checked = seconds(lambda: receptive_fields(model))  # noqa: B023
        ratios.append((listed / built, checked / built))
        print(
            f"{name:36} built {built:6.2f}   layers {listed:6.2f} ({listed / built:5.1f})   "
            f"fields {checked:6.2f} ({checked / built:5.1f})",
            flush=True,
        )
    for what, ratio in zip(("layers", "fields"), zip(*ratios, strict=True), strict=True):
        within = sum(one <= 2 for one in ratio)
        print(f"{what}: median {statistics.median(ratio):.1f}, at most twice for {within} of {len(ratio)}")


if __name__ == "__main__":
    main()
