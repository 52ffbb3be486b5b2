"""A network in a session is data: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

import explorer
from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Preprocess
from explorer.session.network_file import (
    MAX_CLASSES,
    MAX_NETWORKS_BYTES,
    is_network_file,
    network_file,
    open_network,
    read_labels,
)
from explorer.session.steps import Session, Step, content_hash, read_session, save_session
from tests.notebooks_export.samples import own_network, own_picture

LABELS = ("ant", "bee", "Kätzchen (3×)")
FUNCTIONS = {name: name for name in ("network.prediction", "text")}


@pytest.fixture(scope="module")
def small() -> bytes:
    """A file of the right form with next to nothing in it."""
    return save({"a.weight": torch.arange(6.0).reshape(2, 3)}, {"labels": json.dumps(LABELS)})


def of_one_network(content: bytes, architecture: str = "squeezenet1_1") -> Session:
    step = Step("network.prediction", {"model": f"{architecture}:{content_hash(content)}"})
    return Session(steps=(step,), files={content_hash(content): content})


# GoogLeNet's file has heads that loading drops; of the bundled network loading takes layers apart.
@pytest.mark.parametrize("name", ["squeezenet1_1", "efficientnet_lite0", "googlenet"])
def test_a_network_comes_back_as_it_went_in(name: str, tmp_path: Path) -> None:
    model = explorer.load_model(name, weights=None, labels=LABELS)
    content = network_file(model)
    again = open_network(name, content, "the network")
    assert again.labels == LABELS
    assert again.weights == f"{content_hash(content)[:16]}.safetensors"
    before, after = model.module.state_dict(), again.module.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert network_file(again) == content
    # With the public function, from a file beside a notebook.
    (tmp_path / "n.safetensors").write_bytes(content)
    batch = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    public = explorer.load_model(name, tmp_path / "n.safetensors", labels=LABELS)
    assert torch.equal(public.module(batch), model.module(batch))


def test_the_file_of_a_user_holds_the_same_tensors(tmp_path: Path) -> None:
    """A state dict uploaded as a pickle is in the session as safetensors, tensor by tensor the same."""
    given = explorer.load_model("squeezenet1_1", weights=None, labels=LABELS).module.state_dict()
    torch.save(given, tmp_path / "mine.pth")
    loaded = explorer.load_model("squeezenet1_1", tmp_path / "mine.pth", labels=LABELS)
    kept = load(network_file(loaded))
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], given[name]) for name in given)


def test_names_of_classes_make_another_file() -> None:
    model = own_network()
    assert network_file(model) != network_file(replace(model, labels=("x", "y", "z")))


def test_a_session_takes_it_along_while_a_step_uses_it() -> None:
    content = network_file(own_network())
    session = Session().add(of_one_network(content).steps[0], [content, own_picture()])
    saved = save_session(session)
    assert read_session(saved, FUNCTIONS).files == {content_hash(content): content}
    assert saved == save_session(read_session(saved, FUNCTIONS))
    assert session.remove(0).files == {}
    # Weights are noise: packing them would cost time and gain nothing.
    assert len(saved) > len(content)


def test_more_than_a_session_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_NETWORKS_BYTES == 100_000_000
    size = 4 * own_network().parameters
    with monkeypatch.context() as patched:
        patched.setattr("explorer.session.network_file.MAX_NETWORKS_BYTES", size - 1)
        with pytest.raises(ExplorerError) as caught:
            network_file(own_network())
    assert caught.value.value.endswith(f"with {size / 1e6:.0f} MB")
    assert f"up to {(size - 1) / 1e6:.0f} MB of networks in all" in caught.value.rule
    assert "a training run, or of a smaller one" in caught.value.remedy

    content = network_file(own_network())
    session = of_one_network(content)
    other = network_file(replace(own_network(), labels=("x", "y", "z")))
    for module in ("session.steps", "session.network_file"):
        monkeypatch.setattr(f"explorer.{module}.MAX_NETWORKS_BYTES", len(content) + len(other) - 1)
    again = Step("network.prediction", {"model": f"squeezenet1_1:{content_hash(other)}"})
    with pytest.raises(ExplorerError, match="can't be kept: a session holds up to"):
        session.add(again, [other])
    assert session.add(again, [content]).files == session.files  # the same one twice counts once
    both = Session(steps=(*session.steps, again), files={**session.files, content_hash(other): other})
    with pytest.raises(ExplorerError, match="can't be kept: a session holds up to"):
        read_session(save_session(both), FUNCTIONS)


def with_header(header: Any, data: bytes = bytes(24)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


META = {"__metadata__": {"labels": json.dumps(LABELS)}}
WHOLE = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        own_picture(),
        pickle.dumps({"labels": ["a"]}),
        (2**63).to_bytes(8, "little") + b"{",
        (2**24).to_bytes(8, "little") + b'{"a":' + bytes(2**24),
        with_header(b"{"),
        with_header(b"{" + b'"a":{' * 100_000),
        with_header({"a": WHOLE}),
        with_header({**META, "a": {**WHOLE, "data_offsets": [0, 48]}}),
        with_header({**META, "a": {**WHOLE, "data_offsets": [8, 32]}}),
        with_header({**META, "a": {**WHOLE, "data_offsets": [24, 0]}}),
        with_header({**META, "a": {**WHOLE, "shape": [3, 3]}}),
        with_header({**META, "a": {**WHOLE, "shape": [2**62, 2**62]}}),
        with_header({**META, "a": {**WHOLE, "dtype": "OBJECT"}}),
        with_header({**META, "a": WHOLE, "b": WHOLE}),
        with_header({**META, "a": WHOLE}, bytes(25)),
        with_header({**META, "a": WHOLE, "b": {**WHOLE, "shape": [10**9, 0], "data_offsets": [24, 24]}}),
        with_header({"__metadata__": {}, "a": WHOLE}),
        with_header({"__metadata__": {"labels": "not JSON"}, "a": WHOLE}),
        with_header({"__metadata__": {"labels": "[" * 10_000}, "a": WHOLE}),
        *(
            with_header({"__metadata__": {"labels": json.dumps(labels)}, "a": WHOLE})
            for labels in ([], 7, {"a": 1}, "ant", [1], [""], ["a\nb"], ["a\u202eb"], ["x" * 201])
        ),
        with_header({"__metadata__": {"labels": json.dumps(["x"] * (MAX_CLASSES + 1))}, "a": WHOLE}),
    ],
)
def test_what_is_no_network_is_refused(content: bytes) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_labels(content, "it")
    assert caught.value.value
    assert caught.value.rule
    assert caught.value.remedy
    session = of_one_network(content)
    if is_network_file(content):
        with pytest.raises(ExplorerError):
            read_session(save_session(session), FUNCTIONS)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_file_is_a_message_or_names(small: bytes, where: int, value: int) -> None:
    data = bytearray(small)
    data[where % len(data)] = value
    try:
        labels = read_labels(bytes(data), "it")
    except ExplorerError:
        return
    assert labels
    assert all(label.isprintable() for label in labels)


def test_how_pictures_were_made_ready_comes_back(tmp_path: Path) -> None:
    """A network with a normalisation of its own would say something else with another."""
    model = explorer.load_model("googlenet", weights=None, labels=LABELS)
    torch.save(model.module.state_dict(), tmp_path / "mine.pth")
    own = Preprocess(200, 160, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    mine = explorer.load_model("googlenet", tmp_path / "mine.pth", labels=LABELS, preprocess=own)
    again = open_network("googlenet", network_file(mine), "the network")
    assert again.preprocess == own
    picture = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    assert [p.logit for p in explorer.predict(again, picture)] == [
        p.logit for p in explorer.predict(mine, picture)
    ]


def test_a_small_file_can_not_make_a_large_network(small: bytes) -> None:
    """Neither by the architecture that it is said to have, nor by a vector that stands for a million classes."""
    with pytest.raises(ExplorerError, match="too small for vit_h_14, which has 63"):
        open_network("vit_h_14", small, "it")
    many = {name: value.contiguous() for name, value in own_network().module.state_dict().items()}
    many["classifier.1.bias"] = torch.zeros(10**6)
    content = save(many, {"labels": json.dumps(LABELS)})
    with pytest.raises(ExplorerError, match="has 1,000,000 classes"):
        open_network("squeezenet1_1", content, "it")
    with pytest.raises(ExplorerError, match="is not a checkpoint of mnasnet0_5"):
        open_network("mnasnet0_5", network_file(own_network()), "it")


def test_names_that_can_not_be_kept() -> None:
    model = own_network()
    for labels in (("a\nb", "c", "d"), ("a", "", "c"), ("x" * 201, "y", "z")):
        bad: LoadedModel = replace(model, labels=labels)
        with pytest.raises(ExplorerError, match="printable characters"):
            network_file(bad)
