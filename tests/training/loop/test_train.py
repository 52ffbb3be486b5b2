"""The loop against a plain one written here, and the promises about seeds, modes and broken losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.nn import functional

from explorer.errors import ExplorerError
from tests.training.samples import KITCHEN_SINK, TINY, assert_same_bits, read_weights, tiny_data
from training import EpochResult, Progress, TrainConfig, train
from training.data.augmentation import to_float
from training.data.batches import ORDER, Chunk, Split, make_normalization, seed_for, train_chunks
from training.loop import setup
from training.loop.evaluation import evaluate
from training.loop.train import _loss, learning_rate


def weights_after(config: TrainConfig, folder: Path) -> dict[str, torch.Tensor]:
    list(train(config, folder, data=tiny_data()))
    return read_weights(folder, config.epochs)


@pytest.mark.parametrize("config", [TINY, KITCHEN_SINK], ids=["sheet", "everything on"])
def test_the_same_seed_gives_the_same_bits_whatever_was_drawn_before(
    config: TrainConfig, tmp_path: Path
) -> None:
    first = weights_after(config, tmp_path / "a")
    torch.rand(13)
    assert_same_bits(first, weights_after(config, tmp_path / "b"))
    other = weights_after(replace(config, seed=1), tmp_path / "c")
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    for _ in train(replace(KITCHEN_SINK, epochs=1), data=tiny_data()):
        pass
    assert torch.equal(before, torch.get_rng_state())


def plain_loop(config: TrainConfig, network: nn.Module) -> tuple[list[float], list[float]]:
    """Train and test accuracy per epoch, in the most ordinary PyTorch, with our order of images."""
    data = tiny_data()
    x = torch.from_numpy(data.train_images).permute(0, 3, 1, 2).contiguous() / 255
    y = torch.from_numpy(data.train_classes)
    test_x = torch.from_numpy(data.test_images).permute(0, 3, 1, 2).contiguous() / 255
    test_y = torch.from_numpy(data.test_classes)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[config.optimizer]
    optimizer = kind(network.parameters(), lr=config.learning_rate)
    train_accuracy, test_accuracy = [], []
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(
            len(y), generator=torch.Generator().manual_seed(seed_for(config.seed, epoch, ORDER))
        )
        network.train()
        correct = 0
        for index in order.split(config.batch_size):
            optimizer.zero_grad()
            logits = network(x[index])
            functional.cross_entropy(logits, y[index]).backward()
            optimizer.step()
            correct += int((logits.argmax(1) == y[index]).sum())
        train_accuracy.append(correct / len(y))
        network.eval()
        with torch.no_grad():
            test_accuracy.append(float((network(test_x).argmax(1) == test_y).float().mean()))
    return train_accuracy, test_accuracy


# Adam turns the rounding noise of a gradient near zero into a step; with batch normalisation there are such.
@pytest.mark.parametrize(
    ("network", "optimizer"),
    [("lenet", "adam"), ("conv 8 5, relu, batchnorm, maxpool 4, flatten, linear", "sgd")],
    ids=["sheet", "batch normalisation"],
)
def test_it_computes_what_a_plain_loop_computes_train_and_eval_mode_included(
    network: str, optimizer: str, tmp_path: Path
) -> None:
    config = replace(TINY, network=network, optimizer=optimizer, momentum=0.0, learning_rate=3e-3, epochs=2)
    results = list(train(config, tmp_path, data=tiny_data()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = setup.build_network(network, 10, 32)
    plain.load_state_dict(read_weights(tmp_path, 0))
    train_accuracy, test_accuracy = plain_loop(config, plain)
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(read_weights(tmp_path, 2)[name], weight, atol=2e-3, rtol=0)
    # One image may fall either way on a rounding difference.
    np.testing.assert_allclose([r.train_accuracy for r in results], train_accuracy, atol=1.5 / 200)
    np.testing.assert_allclose([r.test_accuracy for r in results], test_accuracy, atol=1.5 / 100)


def test_every_image_is_seen_once_an_epoch_in_an_order_that_changes() -> None:
    data = tiny_data(50)
    train_split = Split(torch.from_numpy(data.train_images), torch.arange(50))
    nothing = make_normalization((0.0,) * 3, (1.0,) * 3, torch.device("cpu"))
    orders = []
    for epoch in (1, 2):
        chunks = list(train_chunks(train_split, TINY, nothing, epoch))
        seen = torch.cat([chunk.classes for chunk in chunks])
        assert sorted(seen.tolist()) == list(range(50))
        for chunk in chunks:
            assert torch.equal(chunk.images, to_float(train_split.images[chunk.classes]))
        assert [size for chunk in chunks for size in chunk.batch_sizes] == [16, 16, 16, 2]
        orders.append(seen.tolist())
    assert orders[0] != orders[1]


def test_mixup_blends_each_image_with_another_of_its_batch_by_its_share() -> None:
    data = tiny_data(48)
    split = Split(torch.from_numpy(data.train_images), torch.arange(48))
    nothing = make_normalization((0.0,) * 3, (1.0,) * 3, torch.device("cpu"))
    (chunk,) = train_chunks(split, replace(TINY, mixup=0.5), nothing, 1)
    assert chunk.partners is not None
    assert chunk.shares is not None
    pixels = to_float(split.images)
    for part in chunk.parts:
        assert sorted(chunk.partners[part].tolist()) == sorted(chunk.classes[part].tolist())
    for image, own, other, share in zip(
        chunk.images, chunk.classes, chunk.partners, chunk.shares, strict=True
    ):
        assert own != other
        torch.testing.assert_close(image, share * pixels[own] + (1 - share) * pixels[other])
    logits = torch.randn(48, 48)
    wanted = torch.stack(
        [
            -share * logits[i].log_softmax(0)[own] - (1 - share) * logits[i].log_softmax(0)[other]
            for i, (own, other, share) in enumerate(
                zip(chunk.classes, chunk.partners, chunk.shares, strict=True)
            )
        ]
    ).mean()
    torch.testing.assert_close(_loss(chunk, slice(0, 48), logits, 0.0), wanted)


def test_evaluation_agrees_with_scikit_learn_and_restores_the_modes() -> None:
    data = tiny_data()
    network = setup.build_network("wide", 10, 32).train()
    network[1].eval()
    flags = [m.training for m in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    split = Split(torch.from_numpy(data.test_images), torch.from_numpy(data.test_classes))
    normalize = make_normalization((0.5,) * 3, (0.25,) * 3, torch.device("cpu"))
    matrix, loss = evaluate(network, split, 10, normalize)
    assert flags == [m.training for m in network.modules()]
    assert_same_bits(before, network.state_dict())
    with torch.no_grad():
        logits = network.eval()((split.images.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    assert np.array_equal(matrix, confusion_matrix(split.classes, logits.argmax(1), labels=range(10)))
    assert loss == pytest.approx(float(functional.cross_entropy(logits, split.classes)), rel=1e-5)


class BrokenAtCall(nn.Module):
    """Its answers are NaN from the given training call on."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.head, self.left = nn.Linear(3 * 32 * 32, 10), call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= self.training
        return self.head(x.flatten(1)) * (1 if self.left > 0 else float("nan"))


def test_a_loss_of_nan_stops_the_run_and_names_the_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # 200 images in batches of 16 are 13 steps: call 13 + 7 is step 7 of epoch 2.
    monkeypatch.setattr(setup, "build_network", lambda *_: BrokenAtCall(20))
    epochs = train(TINY, tmp_path, data=tiny_data())
    assert next(epochs).epoch == 1
    with pytest.raises(ExplorerError, match=r"the loss at step 7 of epoch 2 is nan.*lower learning_rate"):
        next(epochs)
    assert all(torch.isfinite(w).all() for w in read_weights(tmp_path, 1).values())


def test_a_diverging_run_is_stopped_too() -> None:
    # Two linear layers without anything between: each step multiplies the last one's error.
    config = replace(
        TINY, network="flatten, linear 16, linear", optimizer="sgd", learning_rate=10.0, epochs=20
    )
    with pytest.raises(ExplorerError, match=r"step \d+ of epoch \d+ is (nan|inf)"):
        list(train(config, data=tiny_data()))


def test_progress_ends_with_the_epochs_own_numbers() -> None:
    seen: list[Progress] = []
    results: list[EpochResult] = list(train(TINY, data=tiny_data(), on_progress=seen.append))
    last = [p for p in seen if p.step == p.steps]
    assert [p.epoch for p in last] == [1, 2, 3]
    for progress, result in zip(last, results, strict=True):
        assert progress.train_accuracy == pytest.approx(result.train_accuracy)
        assert progress.train_loss == pytest.approx(result.train_loss)
    assert last[-1].seconds_left == 0
    assert all(p.steps == 13 for p in seen)


def test_schedules_at_their_ends() -> None:
    config = replace(TINY, learning_rate=0.4)
    assert {learning_rate(config, step, 100) for step in (0, 50, 99)} == {0.4}
    cosine = [learning_rate(replace(config, schedule="cosine"), step, 100) for step in range(101)]
    assert cosine[0] == 0.4
    assert cosine[50] == pytest.approx(0.2)
    assert cosine[100] == pytest.approx(0)
    cycle = [learning_rate(replace(config, schedule="one_cycle"), step, 100) for step in range(101)]
    assert max(cycle) == pytest.approx(0.4)
    assert cycle.index(max(cycle)) in (19, 20)
    assert cycle[100] == 0
    assert cycle[0] == pytest.approx(0.4 / 20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 201}, ["batch_size 201", "200 training images", "at most 200"]),
        ({"image_size": 28}, ["image_size 28", "32"]),
        ({"network": "wide", "batch_size": 199}, ["batch_size 199", "1 of 200", "batch normalisation"]),
        ({"device": "cuda"}, ["'cuda'", "cpu"]),
    ],
)
def test_a_recipe_that_does_not_fit_the_data_or_machine_is_refused(
    change: dict[str, Any], words: list[str]
) -> None:
    if "device" in change and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ExplorerError) as caught:
        next(train(replace(TINY, **change), data=tiny_data()))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_and_precision_learns_to_know_forty_images(optimizer: str, precision: str) -> None:
    rate = 0.01 if optimizer == "sgd" else 3e-3
    config = replace(
        TINY,
        optimizer=optimizer,
        precision=precision,
        learning_rate=rate,
        epochs=40,
        normalization=(0.5, 0.25),
    )
    results = list(train(config, data=tiny_data(40, 10)))
    assert results[-1].train_accuracy > 0.9
    assert results[-1].train_loss < results[0].train_loss / 2


def test_an_empty_part_of_a_batch_still_has_a_gradient_of_zero() -> None:
    logits = torch.empty(0, 10, requires_grad=True)
    chunk = Chunk(torch.empty(0, 3, 8, 8), torch.empty(0, dtype=torch.int64), None, None, [slice(0, 0)], [1])
    loss = _loss(chunk, slice(0, 0), logits, 0.0)
    loss.backward()
    assert float(loss.detach()) == 0
