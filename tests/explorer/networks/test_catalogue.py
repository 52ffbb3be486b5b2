"""The catalogue: every classifier of torchvision and the bundled network, with true numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torchvision import models

from explorer.errors import ExplorerError
from explorer.networks.catalogue import BUNDLED, MIRROR_VARIABLE, catalogue, model_info, torchvision_weights
from explorer.networks.load import LoadedModel


def test_it_holds_every_classifier_of_torchvision_and_the_bundled_one() -> None:
    assert set(catalogue()) == {*models.list_models(module=models), "efficientnet_lite0"}
    assert len(catalogue()) == 81


def test_the_sheets_network_comes_first_then_the_one_without_download() -> None:
    names = list(catalogue())
    assert names[:2] == ["resnet18", "efficientnet_lite0"]
    assert names[2:] == sorted(names[2:])


@pytest.mark.parametrize("name", catalogue())
def test_every_entry_is_complete(name: str) -> None:
    info = catalogue()[name]
    assert info.name == name
    assert info.parameters > 1_000_000
    assert info.weights
    if name == BUNDLED:
        assert info.on_disk
        assert info.file is None
        return
    assert info.top1 is not None
    assert 0.5 < info.top1 < 0.9
    # Four bytes per parameter; beside them little but GoogLeNet's training heads.
    assert 0.95 < info.size_bytes / (4 * info.parameters) < 2
    assert info.url is not None
    assert info.url.startswith("https://download.pytorch.org/models/")
    # The download is checked against the digits in its name.
    assert re.search(r"-[0-9a-f]{8,}\.pth$", info.url)
    assert info.file is not None
    assert info.file.name == info.url.rpartition("/")[2]
    assert len(torchvision_weights(name).meta["categories"]) == 1000


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "googlenet", "inception_v3", "vit_b_16", "swin_t"])
def test_parameters_are_those_of_the_built_network(name: str) -> None:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        module = models.get_model(name, weights=None, **options)
    counted = sum(
        p.numel()
        for path, p in module.named_parameters()
        # torchvision publishes these two without their training heads.
        if not path.startswith(("aux1.", "aux2.", "AuxLogits."))
    )
    assert catalogue()[name].parameters in (counted, sum(p.numel() for p in module.parameters()))


def test_the_bundled_networks_parameters_are_counted_right(bundled: LoadedModel) -> None:
    assert catalogue()[BUNDLED].parameters == sum(p.numel() for p in bundled.module.parameters())
    assert bundled.parameters == catalogue()[BUNDLED].parameters


def test_a_file_lies_where_torch_looks_for_it(weights_folder: Path) -> None:
    info = model_info("resnet18")
    assert info.file == weights_folder / "resnet18-f37072fd.pth"
    assert not info.on_disk
    weights_folder.mkdir(parents=True)
    (weights_folder / "resnet18-f37072fd.pth").touch()
    assert info.on_disk


def test_a_mirror_replaces_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    info = model_info("resnet18")
    assert info.download_url == info.url
    monkeypatch.setenv(MIRROR_VARIABLE, "http://mirror.example/weights/")
    assert info.download_url == "http://mirror.example/weights/resnet18-f37072fd.pth"


@pytest.mark.parametrize(("typo", "meant"), [("resnet-18", "resnet18"), ("mobilnet_v2", "mobilenet_v2")])
def test_a_typo_is_answered_with_the_name_that_was_meant(typo: str, meant: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        model_info(typo)
    assert repr(typo) in str(caught.value)
    assert repr(meant) in caught.value.remedy
