"""Checkpoints as training scripts save them: which loads, which is asked about, which is refused with what words.

Whatever loads must give the outputs of the network that was saved.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models import inception_v3, resnet18, squeezenet1_1

import explorer
from explorer.errors import ExplorerError
from explorer.networks.preprocessing import Preprocess

CLASSES = 7
State = dict[str, torch.Tensor]


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return squeezenet1_1(num_classes=CLASSES).eval()


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def averaged(net: nn.Module) -> State:
    return AveragedModel(net).state_dict()


def heads_apart(state: State) -> State:
    return {
        ("head." if name.startswith("classifier") else "backbone.") + name: value
        for name, value in state.items()
    }


LOADS: dict[str, Callable[[nn.Module], Any]] = {
    "plain": lambda net: net.state_dict(),
    "torch's ImageNet example": lambda net: {
        "epoch": 3,
        "arch": "squeezenet1_1",
        "state_dict": nn.DataParallel(net).state_dict(),
    },
    "torchvision's references": lambda net: {
        "model": net.state_dict(),
        "args": argparse.Namespace(lr=0.1, out=pathlib.Path("runs")),
        "epoch": 1,
    },
    "numpy's numbers": lambda net: {
        "state_dict": net.state_dict(),
        "best": np.float64(0.7),
        "n": np.int64(3),
    },
    "Lightning": lambda net: {
        "state_dict": prefixed("net.", net.state_dict()),
        "hyper_parameters": {"lr": 0.1},
    },
    "Lightning, with a loss's weights": lambda net: {
        "state_dict": prefixed("model.", net.state_dict()) | {"loss.weight": torch.ones(3)}
    },
    "Lightning around torch.compile": lambda net: {
        "state_dict": prefixed("model._orig_mod.", net.state_dict())
    },
    "compiled around DDP": lambda net: prefixed("_orig_mod.module.", net.state_dict()),
    "averaged": averaged,
    "one of MoCo's encoders": lambda net: prefixed("module.encoder_q.", net.state_dict()),
    "backbone and head apart": lambda net: heads_apart(net.state_dict()),
    "nested": lambda net: {"model": {"state_dict": net.state_dict()}},
    "a number among it": lambda net: {**net.state_dict(), "epoch": 3},
    "thop's counts": lambda net: {
        **net.state_dict(),
        "total_ops": torch.zeros(1),
        "features.0.total_ops": torch.zeros(1),
    },
    "extra state": lambda net: {**net.state_dict(), "_extra_state": None},
    "beside an optimizer's state": lambda net: {
        "net": net.state_dict(),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": []},
    },
    **{
        f"under {key!r}": lambda net, key=key: {key: net.state_dict(), "epoch": 1}
        for key in ("module", "network", "weights", "params", "ema", "teacher", "model_state", "backbone")
    },
}


def same_outputs(model: explorer.LoadedModel, net: nn.Module) -> bool:
    batch = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return torch.allclose(model.module(batch), net(batch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wrapped", LOADS.values(), ids=LOADS)
def test_it_loads_and_is_the_network_that_was_saved(
    wrapped: Callable[[nn.Module], Any], tmp_path: Path
) -> None:
    net = network()
    torch.save(wrapped(net), tmp_path / "mine.pth")
    model = explorer.load_model("squeezenet1_1", tmp_path / "mine.pth")
    assert model.weights == "mine.pth"
    assert same_outputs(model, net)


@pytest.mark.parametrize(
    "name", ["checkpoint.pth.tar", "M.PTH", "net.t7", "net.pkl", "last.ckpt", "model.bin", "noend"]
)
def test_the_content_tells_what_it_is_not_the_name(name: str, tmp_path: Path) -> None:
    net = network()
    torch.save(net.state_dict(), tmp_path / name)
    assert same_outputs(explorer.load_model("squeezenet1_1", tmp_path / name), net)
    save_file(net.state_dict(), tmp_path / name)
    assert same_outputs(explorer.load_model("squeezenet1_1", tmp_path / name), net)


def test_several_sets_are_a_choice_and_said(tmp_path: Path) -> None:
    raw, ema = network(0), network(1)
    torch.save({"model_ema": averaged(ema), "model": raw.state_dict()}, tmp_path / "both.pth")
    model = explorer.load_model("squeezenet1_1", tmp_path / "both.pth")
    assert same_outputs(model, raw), "what training went on with, though it comes second"
    assert model.weights == "both.pth (model, not model_ema (module.*))"
    assert any("further weights" in note and "model_ema" in note for note in model.notes)
    assert same_outputs(explorer.load_model("squeezenet1_1", tmp_path / "both.pth", key="model_ema"), ema)
    with pytest.raises(ExplorerError, match=r"key 'model_em'.*model_ema"):
        explorer.load_model("squeezenet1_1", tmp_path / "both.pth", key="model_em")


def test_a_prefix_chooses_among_encoders(tmp_path: Path) -> None:
    first, second = network(0), network(1)
    saved = prefixed("encoder_q.", first.state_dict()) | prefixed("encoder_k.", second.state_dict())
    torch.save({"state_dict": saved}, tmp_path / "moco.pth")
    assert same_outputs(explorer.load_model("squeezenet1_1", tmp_path / "moco.pth"), first)
    assert same_outputs(
        explorer.load_model("squeezenet1_1", tmp_path / "moco.pth", prefix="encoder_k."), second
    )


def test_what_is_left_out_and_assumed_is_said(tmp_path: Path) -> None:
    torch.save({**network().state_dict(), "queue": torch.zeros(3)}, tmp_path / "more.pth")
    notes = " ".join(explorer.load_model("squeezenet1_1", tmp_path / "more.pth").notes)
    assert "Left out, as no part of squeezenet1_1: queue." in notes
    assert "Mean, standard deviation and size are those of squeezenet1_1's ImageNet weights" in notes
    own = Preprocess(72, 64, (0.4,) * 3, (0.2,) * 3)
    model = explorer.load_model("squeezenet1_1", tmp_path / "more.pth", preprocess=own)
    assert model.preprocess == own
    assert not any("Mean" in note for note in model.notes)


def test_a_config_beside_it_says_size_mean_std_and_classes(tmp_path: Path) -> None:
    save_file(network().state_dict(), tmp_path / "model.safetensors")
    names = [f"kind {i}" for i in range(CLASSES)]
    said = {"input_size": [3, 160, 160], "crop_pct": 0.8, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": said, "label_names": names}))
    model = explorer.load_model("squeezenet1_1", tmp_path / "model.safetensors")
    assert model.labels == tuple(names)
    assert model.preprocess == Preprocess(200, 160, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


@pytest.mark.parametrize(
    "said",
    [
        "[",
        "[1]",
        '{"input_size": [3, 1e9, 1e9]}',
        '{"input_size": [3, 64, 64], "mean": [1], "std": [1]}',
        '{"input_size": [3, 64, 64], "mean": [0, 0, 0], "std": [0, 1, 1]}',
        '{"id2label": {"0": 1, "5": "a"}}',
    ],
)
def test_a_config_that_says_nothing_of_use_is_no_config(said: str, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "mine.pth")
    (tmp_path / "config.json").write_text(said)
    model = explorer.load_model("squeezenet1_1", tmp_path / "mine.pth")
    assert model.preprocess == explorer.load_model("squeezenet1_1", weights=None).preprocess


def test_dropout_before_the_last_layer(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = resnet18(num_classes=CLASSES).eval()
        net.fc = nn.Sequential(nn.Dropout(0.2), nn.Linear(512, CLASSES)).eval()
    torch.save(net.state_dict(), tmp_path / "mine.pth")
    model = explorer.load_model("resnet18", tmp_path / "mine.pth")
    assert same_outputs(model, net)
    assert any("in place of fc" in note for note in model.notes)


def another_head() -> nn.Module:
    net = resnet18(num_classes=CLASSES)
    net.fc = nn.Sequential(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    return net


def another_stem() -> nn.Module:
    net = resnet18(num_classes=CLASSES)
    net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return net


def one_block_more() -> nn.Module:
    net = resnet18(num_classes=CLASSES)
    net.layer4.append(nn.Conv2d(512, 512, 1))
    return net


@pytest.mark.parametrize("build", [another_head, another_stem, one_block_more])
def test_another_network_is_refused_with_the_way_out(build: Callable[[], nn.Module], tmp_path: Path) -> None:
    torch.save(build().state_dict(), tmp_path / "mine.pth")
    with pytest.raises(ExplorerError, match=r"not a checkpoint of resnet18.*explorer\.from_module"):
        explorer.load_model("resnet18", tmp_path / "mine.pth")


def test_inception_asks_how_pictures_were_normalised(tmp_path: Path) -> None:
    """Trained anew it takes them as given, from torchvision's weights on it scales them itself: no file tells."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = inception_v3(num_classes=3, init_weights=False, transform_input=False).eval()
    torch.save(net.state_dict(), tmp_path / "mine.pth")
    with pytest.raises(ExplorerError, match=r"transform_input.*give preprocess="):
        explorer.load_model("inception_v3", tmp_path / "mine.pth")
    own = Preprocess(342, 299, (0.5,) * 3, (0.5,) * 3)
    model = explorer.load_model("inception_v3", tmp_path / "mine.pth", preprocess=own)
    batch = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(model.module(batch), net(batch), rtol=1e-3, atol=1e-4)


REFUSED: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "float8": (lambda: torch.zeros(4).to(torch.float8_e4m3fn), "stored as float8_e4m3fn"),
    "sparse": (lambda: torch.zeros(4).to_sparse(), "sparse tensor"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.zeros(4), 1.0, 0, torch.qint8), "quantised"),
    "on the meta device": (lambda: torch.zeros(4, device="meta"), "meta device"),
    "more claimed than stored": (lambda: torch.zeros(1).expand(64), "claims 64 values, and 1 are stored"),
}


@pytest.mark.parametrize(("tensor", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore")  # torch remarks on what it may drop one day
def test_a_tensor_that_is_no_plain_one_is_named(
    tensor: Callable[[], torch.Tensor], words: str, tmp_path: Path
) -> None:
    torch.save({**network().state_dict(), "features.0.bias": tensor()}, tmp_path / "mine.pth")
    with pytest.raises(ExplorerError, match=f"'features.0.bias'.*{words}"):
        explorer.load_model("squeezenet1_1", tmp_path / "mine.pth")


def test_names_that_collide_as_text(tmp_path: Path) -> None:
    torch.save({1: torch.zeros(1), "1": torch.ones(1)}, tmp_path / "mine.pth")
    with pytest.raises(ExplorerError, match=r"'1'.*name of two tensors"):
        explorer.load_model("squeezenet1_1", tmp_path / "mine.pth")


def test_shards_are_put_together_by_their_index(tmp_path: Path) -> None:
    net = network()
    names = list(net.state_dict())
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, inside in parts.items():
        save_file({name: net.state_dict()[name] for name in inside}, tmp_path / file)
    index = {"weight_map": {name: file for file, inside in parts.items() for name in inside}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same_outputs(explorer.load_model("squeezenet1_1", tmp_path / "model.safetensors.index.json"), net)
    (tmp_path / "out.index.json").write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(ExplorerError, match="is not a file beside the index"):
        explorer.load_model("squeezenet1_1", tmp_path / "out.index.json")


def test_a_checkpoint_is_inspected_before_it_is_loaded(tmp_path: Path) -> None:
    saved = {"arch": "squeezenet1_1", "epoch": 3, "state_dict": nn.DataParallel(network()).state_dict()}
    torch.save({**saved, "state_dict_ema": network().state_dict()}, tmp_path / "mine.pth")
    info = explorer.inspect_checkpoint(tmp_path / "mine.pth")
    assert info.keys == ("state_dict", "state_dict_ema")
    assert (info.chosen, info.prefix, info.ignored) == ("state_dict", "module.", ())
    assert (info.architecture, info.classes) == ("squeezenet1_1", CLASSES)
    assert info.metadata == {"arch": "squeezenet1_1", "epoch": 3}
