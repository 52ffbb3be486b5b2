"""How long the fields of all layers of a network take, beside measuring a single one by gradient.

    python -m benchmarks.receptive_field [--network resnet152] [--runs 5]

``first`` is what a user waits for after choosing a network: its graph is traced, every layer's shape learnt by
one forward pass, every field derived. ``fields`` is the derivation alone. ``by gradient`` measures one unit of
the last map by one forward and one backward pass on the network's own input, which cuts large fields and so is less
than what measuring them whole would take; ``all by gradient`` is that time for every layer that has a map.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from explorer.fields.graph import graph_fields
from explorer.fields.theoretical import receptive_fields
from explorer.layers.listing import GraphTrace, trace
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

    first = median_seconds(anew, given.runs)
    fields = median_seconds(lambda: graph_fields(traced), given.runs)
    gradient = median_seconds(by_gradient, given.runs)
    print(
        f"{given.network}: {len(traced.layers)} layers, {len(maps)} maps, {torch.get_num_threads()} threads"
    )
    print(f"first            {first:8.3f} s")
    print(f"fields           {fields:8.3f} s")
    print(f"by gradient      {gradient:8.3f} s   for one layer, input {side}×{side}")
    print(
        f"all by gradient  {gradient * len(maps):8.1f} s   {gradient * len(maps) / first:,.0f} times as long as first"
    )


if __name__ == "__main__":
    main()
