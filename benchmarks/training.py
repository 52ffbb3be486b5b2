"""Training beside the tutorial's loop and a bare one, in one run: medians and ratios.

python -m benchmarks.training                          Shapes-10
python -m benchmarks.training --data FOLDER --sheet    your CIFAR-10 as a folder, and the sheet's two runs whole

Every contender trains the sheet's network with Adam in batches of 16. The tutorial's loop is
PyTorch's own: a DataLoader over PIL images with torchvision's transforms, the better of 0 and 2
workers, loss and accuracy counted as it goes. The bare loop has contiguous float tensors in memory,
fused Adam, no augmentation, no evaluation, no bookkeeping. Both have a process of their own, with
the C library's own settings. Contenders take turns, so that what else the machine does hits all; with
other work on the cores, --threads 1 is the fairer race, for loops on several threads then wait for
each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms

import explorer
from explorer.allocator import keep_freed_pages
from training import Dataset, TrainConfig, load_dataset, train
from training.runs.slots import count_cores
from training.runs.worker import be_polite

PLAIN = TrainConfig(dataset="shapes10", epochs=1, device="cpu")
AUGMENTED = replace(PLAIN, augmentation=("flip", "crop"), normalization=(0.5, 0.5))
HALF = (0.5, 0.5, 0.5)


class PilImages(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """What torchvision's CIFAR10 does on each access."""

    def __init__(
        self, images: np.ndarray, classes: np.ndarray, transform: Callable[[Image.Image], torch.Tensor]
    ):
        self.images, self.classes, self.transform = np.array(images), classes.tolist(), transform

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.classes[index]


class TutorialNet(nn.Module):
    """The network of PyTorch's CIFAR-10 tutorial, which is the sheet's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2, 2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = functional.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(functional.relu(self.fc2(x)))


def tutorial_epoch(data: Dataset, augmented: bool, workers: int, evaluation: bool = False) -> None:
    steps = [transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4)] if augmented else []
    tail = [transforms.ToTensor()] + ([transforms.Normalize(HALF, HALF)] if augmented else [])
    images = PilImages(data.train_images, data.train_classes, transforms.Compose(steps + tail))
    network, criterion = TutorialNet(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    running_loss, correct = 0.0, 0
    for x, y in DataLoader(images, batch_size=16, shuffle=True, num_workers=workers):
        optimizer.zero_grad()
        outputs = network(x)
        loss = criterion(outputs, y)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        correct += (outputs.argmax(1) == y).sum().item()
    if evaluation:
        network.eval()
        test = PilImages(data.test_images, data.test_classes, transforms.Compose(tail))
        with torch.no_grad():
            sum(
                int((network(x).argmax(1) == y).sum())
                for x, y in DataLoader(test, batch_size=16, num_workers=workers)
            )


def bare_epoch(x: torch.Tensor, y: torch.Tensor) -> None:
    network = TutorialNet()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    order = torch.randperm(len(y))
    for start in range(0, len(y), 16):
        index = order[start : start + 16]
        optimizer.zero_grad()
        functional.cross_entropy(network(x[index]), y[index]).backward()
        optimizer.step()


def our_epoch(config: TrainConfig, data: Dataset) -> float:
    """Images per second of the training part of the second epoch: the rivals don't evaluate, and theirs is not their
    first either."""
    _, result = train(replace(config, epochs=2), data=data)
    return result.images_per_second


def _peer(data: Dataset, asked: Connection) -> None:
    """A process of its own, as its user would have it: trains what it is asked for, answers images per second."""
    x = torch.from_numpy(np.array(data.train_images)).permute(0, 3, 1, 2).contiguous().float() / 255
    y = torch.from_numpy(np.array(data.train_classes))
    # The slow ones get fewer images; only the start of workers then weighs more.
    few = cut(data, min(len(data.train_classes), 3200))
    while (wanted := asked.recv()) is not None:
        start = time.perf_counter()
        if wanted == "bare":
            bare_epoch(x, y)
        else:
            tutorial_epoch(few, *wanted)
        count = len(y) if wanted == "bare" else len(few.train_classes)
        asked.send(count / (time.perf_counter() - start))


def loops(data: Dataset, rounds: int) -> dict[str, float]:
    """Median images per second of each contender; they take turns."""
    context = multiprocessing.get_context("spawn")
    ask, asked = context.Pipe()
    peer = context.Process(target=_peer, args=(data, asked))
    peer.start()
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for workers in (0, 2):
            for augmented in (False, True):
                ask.send((augmented, workers))
                name = f"tutorial, {'flip+crop' if augmented else 'plain'}, {workers} workers"
                rates.setdefault(name, []).append(ask.recv())
        ask.send("bare")
        rates.setdefault("bare", []).append(ask.recv())
        rates.setdefault("ours, plain", []).append(our_epoch(PLAIN, data))
        rates.setdefault("ours, flip+crop", []).append(our_epoch(AUGMENTED, data))
    ask.send(None)
    peer.join()
    return {name: statistics.median(values) for name, values in rates.items()}


def report_loops(rates: dict[str, float]) -> None:
    print(f"\nImages per second, {torch.get_num_threads()} threads, batch 16")
    for name, rate in rates.items():
        print(f"  {name:32s} {rate:8,.0f}")
    for kind, goal_tutorial, goal_bare in (("plain", 2.0, 1.1), ("flip+crop", 4.0, 0.95)):
        ours = rates[f"ours, {kind}"]
        tutorial = max(rate for name, rate in rates.items() if name.startswith(f"tutorial, {kind}"))
        print(f"  {kind}: {ours / tutorial:.2f}× the tutorial (goal {goal_tutorial}×), ", end="")
        print(f"{ours / rates['bare']:.2f}× bare (goal {goal_bare}×)")


def cut(data: Dataset, count: int) -> Dataset:
    return replace(data, train_images=data.train_images[:count], train_classes=data.train_classes[:count])


def _one_of_several(config: TrainConfig, data: Dataset, ready: Barrier) -> None:
    keep_freed_pages()
    list(train(replace(config, max_train_images=160), data=cut(data, 160)))  # warm up
    ready.wait()
    list(train(config, data=data))
    ready.wait()


def wall_clock(configs: list[TrainConfig], data: Dataset) -> float:
    """Seconds for runs in processes of their own that start together, imports left out."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(configs) + 1)
    processes = [context.Process(target=_one_of_several, args=(c, data, ready)) for c in configs]
    for process in processes:
        process.start()
    ready.wait()
    start = time.perf_counter()
    ready.wait()
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    return seconds


def side_by_side(data: Dataset, rounds: int) -> None:
    cores = count_cores()
    together, apart = [], []
    for _ in range(rounds):
        pair = [replace(config, threads=1) for config in (PLAIN, AUGMENTED)]
        together.append(wall_clock(pair, data))
        apart.append(sum(wall_clock([replace(c, threads=cores)], data) for c in (PLAIN, AUGMENTED)))
    gain = statistics.median(a / b for a, b in zip(apart, together, strict=True))
    print(f"\nTwo runs, one epoch each: side by side on a core each {statistics.median(together):.1f} s,")
    print(f"  one after the other on {cores} cores {statistics.median(apart):.1f} s: {gain:.2f}× (goal 1.3×)")


def sheet(data: Dataset) -> None:
    """Both of the sheet's runs whole; the tutorial's from one epoch of each, evaluation included."""
    runs = [replace(config, epochs=10, threads=1) for config in (PLAIN, AUGMENTED)]
    ours = wall_clock(runs, data)
    tutorial = 0.0
    for augmented in (False, True):
        start = time.perf_counter()
        tutorial_epoch(data, augmented, workers=2, evaluation=True)
        tutorial += 10 * (time.perf_counter() - start)
    print(f"\nThe sheet's two runs, 2 × 10 epochs with evaluation: ours {ours:.0f} s side by side,")
    print(f"  the tutorial's {tutorial:.0f} s (ten times one epoch of each): {tutorial / ours:.1f}×")


def _train_politely(config: TrainConfig, data: Dataset, ready: Barrier) -> None:
    keep_freed_pages()
    be_polite()
    ready.wait()
    list(train(config, data=data))


def clicks(data: Dataset) -> None:
    """A click's work (ResNet-18, all layers captured, one overlaid) alone and beside two trainings."""
    model = explorer.load_model("resnet18", weights=None)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)

    def click() -> float:
        start = time.perf_counter()
        activations = explorer.capture_activations(model, image, layers=["layer2", "layer4"])
        explorer.overlay(image, explorer.reduce(activations["layer4"], method="pca"), alpha=0.5)
        return 1000 * (time.perf_counter() - start)

    click()
    alone = statistics.median(click() for _ in range(20))
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(3)
    trainings = [
        context.Process(target=_train_politely, args=(replace(c, epochs=1000, threads=1), data, ready))
        for c in (PLAIN, AUGMENTED)
    ]
    for process in trainings:
        process.start()
    ready.wait()
    beside = statistics.median(click() for _ in range(20))
    for process in trainings:
        process.terminate()
        process.join()
    print(
        f"\nA click while two runs train on all cores: {beside:.0f} ms at the median (goal 300 ms); ", end=""
    )
    print(f"alone {alone:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="a folder or zip with one subfolder per class, instead of Shapes-10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="torch threads of each loop; default: torch's own choice")
    parser.add_argument("--sheet", action="store_true", help="also the sheet's two runs, whole")
    options = parser.parse_args()
    keep_freed_pages()  # as a run does
    if options.threads:
        torch.set_num_threads(options.threads)
    source = {"dataset": "folder", "data_dir": options.data} if options.data else {}
    data = load_dataset(replace(PLAIN, **source))
    some = cut(data, 20_000)
    print(
        f"{data.name}: {len(some.train_classes):,} images an epoch; torch {torch.__version__}, {count_cores()} cores"
    )
    report_loops(loops(some, options.rounds))
    side_by_side(some, max(1, options.rounds // 2))
    clicks(some)
    if options.sheet:
        sheet(data)


if __name__ == "__main__":
    main()
