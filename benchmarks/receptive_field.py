"""How long the fields of all layers of a network take, beside measuring a single one by gradient.

    python -m benchmarks.receptive_field [--network resnet152] [--runs 5]

``first`` is what is begun when a network is loaded: its graph is traced, every layer's shape and places learnt by one
forward pass, every field derived and compared with the network. ``layers`` is the first part of it, ``fields`` the
derivation, ``check`` the comparison, whose limit is the forward passes that it takes. ``by gradient`` measures one unit
of the last map by one forward and one backward pass on the network's own input, which cuts large fields and so is less
than what measuring them whole would take; ``all by gradient`` is that time for every layer that has a map.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from explorer.fields.graph import graph_fields
from explorer.fields.measured import reaches, tried_patches
from explorer.fields.theoretical import receptive_fields
from explorer.layers.listing import GraphTrace, list_layers, trace
from explorer.networks.load import from_module, load_model


def median_seconds(work: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--network", default="resnet152")
    options.add_argument("--runs", type=int, default=5)
    given = options.parse_args()
    loaded = load_model(given.network, weights=None)

    def anew() -> object:
        # Fields are remembered per loaded model: the same module as another one starts from nothing.
        fresh = from_module(
            loaded.module, loaded.preprocess, loaded.labels, name=loaded.name, weights="random"
        )
        return receptive_fields(fresh)

    traced = trace(loaded)
    assert isinstance(traced, GraphTrace)
    maps = [layer for layer in traced.layers.values() if layer.is_map]
    side = loaded.preprocess.crop_px

    def by_gradient() -> object:
        x = torch.ones(1, 3, side, side, requires_grad=True)
        output = traced.run(x, [maps[-1].name])[maps[-1].name]
        middle = output.shape[2] // 2
        return torch.autograd.grad(output[0, :, middle, middle].sum(), x)

    def listed_anew() -> object:
        return list_layers(
            from_module(loaded.module, loaded.preprocess, loaded.labels, name=loaded.name, weights="random")
        )

    @torch.no_grad()
    def bare() -> object:
        return loaded.module(torch.full((1, 3, side, side), 0.5))

    bare()
    patches = tried_patches(side)
    built = median_seconds(lambda: load_model(given.network, weights=None), 1)
    passed = median_seconds(bare, given.runs)
    listed = median_seconds(listed_anew, given.runs)
    checked = median_seconds(lambda: reaches(loaded, patches), given.runs)
    first = median_seconds(anew, given.runs)
    fields = median_seconds(lambda: graph_fields(traced), given.runs)
    gradient = median_seconds(by_gradient, given.runs)
    print(
        f"{given.network}: {len(traced.layers)} layers, {len(maps)} maps, {torch.get_num_threads()} threads"
    )
    limit = len(patches) * passed
    print(f"built            {built:8.3f} s")
    print(f"first            {first:8.3f} s   {first / built:.2f} of building it")
    print(f"layers           {listed:8.3f} s")
    print(f"fields           {fields:8.3f} s")
    print(
        f"check            {checked:8.3f} s   {checked / limit:.2f} of {len(patches)} bare passes, {limit:.3f} s"
    )
    print(f"by gradient      {gradient:8.3f} s   for one layer, input {side}×{side}")
    print(
        f"all by gradient  {gradient * len(maps):8.1f} s   {gradient * len(maps) / first:,.0f} times as long as first"
    )


if __name__ == "__main__":
    main()
