"""Fields found by trying, beside those worked out from kernels, and where nothing can be worked out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import explorer
from explorer.fields import theoretical
from explorer.fields.axis import Axis
from explorer.fields.graph import graph_fields
from explorer.fields.measured import measured_fields
from explorer.layers.listing import HookTrace, trace
from explorer.networks.preprocessing import Preprocess
from explorer.workbench import Workbench

PX = 64


def test_measured_fields_are_those_worked_out(resnet18: explorer.LoadedModel) -> None:
    """Of every map of ResNet-18, to the pixel, where the field fits beside the edges of the picture."""
    worked_out = graph_fields(trace(resnet18))
    maps = [layer.name for layer in explorer.list_layers(resnet18) if layer.is_map]
    found = measured_fields(resnet18, maps)
    for name, field in found.items():
        assert (field.y, field.x) == (worked_out[name].y, worked_out[name].x), name
    assert len(found) >= 40


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 2, 1), (5, 3, 0), (1, 1, 0), (7, 4, 2), (2, 2, 0)]
)
def test_a_single_convolution(kernel: int, stride: int, padding: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, kernel, stride, padding), nn.Flatten(), nn.LazyLinear(2))
    net(torch.zeros(1, 3, PX, PX))
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(net.eval(), preprocess, ["a", "b"], name="one", weights="random")
    found = measured_fields(model, ["0"])["0"]
    units = explorer.list_layers(model)[0].shape[1]
    assert found.y == found.x == Axis(-padding, kernel - 1 - padding, stride, units)


class Deciding(nn.Module):
    """Its path depends on the picture: no graph tells what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, stride=2, padding=2)
        self.second = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.gate = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if x.mean() > 1e6:
            x = -x
        x = self.second(x)
        return self.head(self.gate(x.mean((2, 3))))


def test_what_no_graph_tells_is_measured() -> None:
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(Deciding().eval(), preprocess, ["a", "b"], name="deciding", weights="random")
    assert isinstance(trace(model), HookTrace)
    first, second = (explorer.receptive_field(model, name) for name in ("first", "second"))
    assert (first.size, first.stride, first.start, first.source) == ((5, 5), (2, 2), (0, 0), "measured")
    # 5 + (3 − 1)·2 pixels, 2·2 apart, centred on the first.
    assert (second.size, second.stride, second.start, second.source) == ((9, 9), (4, 4), (0, 0), "measured")
    assert explorer.receptive_field(model, "gate").source == "whole picture"
    picture = np.zeros((PX, PX, 3), np.uint8)
    placement = explorer.capture_activations(model, picture, ["second"])["second"].placement
    said = explorer.describe_unit(second, 3, 5, placement, PX)
    assert "sees 9 × 9 px" in said
    assert said.endswith("Measured by changing pixels: a step on the way isn't known to this program.")


def test_a_step_that_swallows_what_is_no_number_leaves_what_was_worked_out() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), _Swallow(), nn.Conv2d(4, 4, 3, padding=1), nn.Flatten()
    )
    net.append(nn.Linear(4 * PX * PX, 2))
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(net.eval(), preprocess, ["a", "b"], name="swallow", weights="random")
    field = explorer.receptive_field(model, "2")
    assert field.is_global, "a step that isn't known may mix"


class _Swallow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nan_to_num(x)


class Choosing(Deciding):
    """Takes a larger convolution on the way where the picture is bright; what is no number isn't."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = nn.Conv2d(4, 4, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if x.abs().mean() > 0:
            x = self.extra(x)
        return self.head(self.second(x).mean((2, 3)))


class Insisting(Deciding):
    """Refuses what is no number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.isfinite(x).all():
            raise FloatingPointError("not this picture")
        return super().forward(x)


class Iterating(Deciding):
    """Goes on until something is small, which what is no number never becomes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        while not x.abs().max() < 1e6:
            x = self.second(x)
        return self.head(self.second(x).mean((2, 3)))


@pytest.mark.parametrize("network", [Choosing, Insisting, Iterating])
def test_a_network_that_cant_be_tried_so_claims_the_whole_picture(network: type[nn.Module]) -> None:
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(network().eval(), preprocess, ["a", "b"], name="other", weights="random")
    field = explorer.receptive_field(model, "second")
    assert (field.source, field.size) == ("whole picture", (PX, PX))


def test_fields_are_worked_out_once_for_all_who_ask_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(Deciding().eval(), preprocess, ["a", "b"], name="deciding", weights="random")
    begun, real = [], theoretical._all_fields
    monkeypatch.setattr(theoretical, "_all_fields", lambda model: begun.append(model) or real(model))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(theoretical.receptive_fields, [model] * 4))
    assert len(begun) == 1
    assert all(fields is found[0] for fields in found)


def test_the_workbench_begins_with_the_check_before_anybody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    real = theoretical._all_fields

    def told(model: explorer.LoadedModel) -> dict[str, theoretical.ReceptiveField]:
        fields = real(model)
        done.set()
        return fields

    monkeypatch.setattr(theoretical, "_all_fields", told)
    Workbench(offline=True).model("efficientnet_lite0")
    assert done.wait(60)
