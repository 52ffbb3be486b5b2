"""How long the recipe "small resnet" takes to 90 % and to 94 % of CIFAR-10's test images right.

python -m benchmarks.small_resnet                  CIFAR-10, downloaded if it isn't there
python -m benchmarks.small_resnet --data FOLDER    your CIFAR-10 as a folder with train/ and test/
    [--epochs N] [--device cuda]                   on a GPU, Page (2018) came to 94 % with 24

Not among the benchmarks of ``python -m benchmarks``: without a GPU it takes more than an hour.
The seconds are those of training and evaluation, without imports and the decoding of images.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch

from explorer.allocator import keep_freed_pages
from training import load_dataset, train
from training.config import RECIPES
from training.loop.setup import choose_device

GOALS = (0.90, 0.94)


def main() -> None:
    """Train, and print a line per epoch and per goal reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    recipe = RECIPES["small resnet"]
    parser.add_argument("--data", help="a folder or zip with one subfolder per class, instead of a download")
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--device", default=recipe.device)
    options = parser.parse_args()
    keep_freed_pages()
    source = {"dataset": "folder", "data_dir": options.data} if options.data else {}
    config = replace(recipe, epochs=options.epochs, device=options.device, **source)
    data = load_dataset(config)
    device = choose_device(config.device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{data.name}, {config.network}, {config.epochs} epochs, {device.type}: {where}", flush=True)
    start, ahead = time.perf_counter(), list(GOALS)
    for result in train(config, data=data):
        seconds = time.perf_counter() - start
        print(f"epoch {result.epoch:2d}  {result.test_accuracy:.2%}  {seconds:7.1f} s", flush=True)
        while ahead and result.test_accuracy >= ahead[0]:
            print(f"  {ahead.pop(0):.0%} reached after {seconds:.0f} s", flush=True)
    for goal in ahead:
        print(f"  {goal:.0%} not reached")


if __name__ == "__main__":
    main()
