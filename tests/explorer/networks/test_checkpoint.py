"""Checkpoints that somebody else made: data, never code; and a message that helps for all that is wrong."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from explorer.errors import ExplorerError
from explorer.networks.checkpoint import load_into, read_state_dict


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5))


STATE = {k: v.clone() for k, v in network().state_dict().items()}


def message(path: Path) -> str:
    with pytest.raises(ExplorerError) as caught:
        read_state_dict(path)
    assert path.name in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert list(one) == list(other)
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_a_state_dict_of_torch(tmp_path: Path, suffix: str) -> None:
    torch.save(STATE, tmp_path / f"mine{suffix}")
    assert_same(read_state_dict(tmp_path / f"mine{suffix}"), STATE)


def test_a_state_dict_of_torch_before_1_6(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same(read_state_dict(tmp_path / "old.pth"), STATE)


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "mine.safetensors")
    read = read_state_dict(tmp_path / "mine.safetensors")
    assert_same(dict(sorted(read.items())), dict(sorted(STATE.items())))


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model."])
def test_what_training_scripts_wrap_around_is_taken_off(tmp_path: Path, wrapper: str, prefix: str) -> None:
    saved = {wrapper: {prefix + k: v for k, v in STATE.items()}, "epoch": 7, "loss": 0.25}
    torch.save(saved, tmp_path / "mine.pth")
    assert_same(read_state_dict(tmp_path / "mine.pth"), STATE)


def test_data_parallel_saves_what_can_be_read(tmp_path: Path) -> None:
    torch.save(nn.DataParallel(network()).state_dict(), tmp_path / "mine.pth")
    assert_same(read_state_dict(tmp_path / "mine.pth"), STATE)


class Trap:
    """Runs a command when it is unpickled the usual way."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.flag}'",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # torch remarks on it before it refuses
@pytest.mark.parametrize("writer", ["torch", "torch before 1.6", "pickle"])
def test_a_pickle_with_code_is_not_run(tmp_path: Path, writer: str) -> None:
    flag, path = tmp_path / "it ran", tmp_path / "trap.pth"
    content = {"weight": torch.zeros(3), "extra": Trap(flag)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    sentence = message(path)
    assert not flag.exists()
    assert "code" in sentence
    assert "state_dict" in sentence
    # The trap does work: this is what we are kept from.
    with path.open("rb") as file:
        if writer == "pickle":
            pickle.load(file)
            assert flag.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "whole.pth")
    assert "model.state_dict()" in message(tmp_path / "whole.pth")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_counted(tmp_path: Path, bad: float) -> None:
    state = {k: v.clone() for k, v in STATE.items()}
    state["3.weight"][1, 2:4] = bad
    torch.save(state, tmp_path / "diverged.pth")
    sentence = message(tmp_path / "diverged.pth")
    assert "'3.weight'" in sentence
    assert "2 of 20 values" in sentence


def test_a_missing_file_names_its_folder(tmp_path: Path) -> None:
    assert str(tmp_path) in message(tmp_path / "nobody.pth")


def test_another_kind_of_file_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").touch()
    assert ".h5" in message(tmp_path / "weights.h5")


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\xff\xd8\xff\xe0 a jpeg" * 20])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_checkpoint_is_called_damaged_not_dangerous(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    sentence = message(path)
    assert "can't be read" in sentence
    assert "code" not in sentence
    assert_in_our_words(sentence)


def assert_in_our_words(sentence: str) -> None:
    """Nothing of the readers' own: their insides help nobody, and torch advises to open files as code."""
    for theirs in (
        "weights_only",
        "miniz",
        "torch.load",
        "PytorchStreamReader",
        "deserializing",
        "EOF",
        "enforce",
    ):
        assert theirs not in sentence


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda m: torch.jit.trace(m.eval(), torch.zeros(1, 3, 3, 3))]
)
@pytest.mark.filterwarnings("ignore:`torch.jit")  # torch would rather have people export
def test_a_torchscript_archive_is_called_one(tmp_path: Path, make: Callable[[nn.Module], Any]) -> None:
    make(network()).save(tmp_path / "script.pt")
    sentence = message(tmp_path / "script.pt")
    assert "is a TorchScript archive, which holds code" in sentence
    assert "torch.save(model.state_dict(), path)" in sentence
    assert_in_our_words(sentence)


def test_a_zip_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.pth", "w") as archive:
        archive.writestr("notes.txt", "buy milk")
    sentence = message(tmp_path / "notes.pth")
    assert "its content is not what a checkpoint has" in sentence
    assert_in_our_words(sentence)


def test_damage_inside_a_whole_file_is_not_called_cut_short(tmp_path: Path) -> None:
    for kind in ("torch", "safetensors"):
        path, content = written(tmp_path, kind)
        # The list at a zip's end is left unreadable; a safetensors file gets bytes that no tensor owns.
        end = content.rindex(b"PK\x01\x02") if kind == "torch" else len(content)
        path.write_bytes(content[:end] + b"XXXX" + content[end + 4 :])
        sentence = message(path)
        assert "its content is not what a checkpoint has" in sentence
        assert_in_our_words(sentence)


def written(folder: Path, kind: str) -> tuple[Path, bytes]:
    path = folder / ("cut.safetensors" if kind == "safetensors" else "cut.pth")
    if kind == "safetensors":
        return path, save(STATE)
    torch.save(STATE, path, _use_new_zipfile_serialization=kind == "torch")
    return path, path.read_bytes()


@pytest.mark.parametrize("kind", ["torch", "torch before 1.6", "safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    path, content = written(tmp_path, kind)
    path.write_bytes(content[: int(share * len(content))])
    sentence = message(path)
    assert "can't be read: it is cut short" in sentence
    assert_in_our_words(sentence)


@pytest.mark.parametrize("kind", ["torch", "torch before 1.6", "safetensors"])
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6))
def test_damage_of_any_kind_gives_weights_or_a_message(
    tmp_path: Path, kind: str, changes: list[tuple[float, int]]
) -> None:
    path, content = written(tmp_path, kind)
    damaged = bytearray(content)
    for where, value in changes:
        damaged[int(where * len(damaged))] = value
    path.write_bytes(bytes(damaged))
    try:
        state = read_state_dict(path)
    except ExplorerError:
        return
    assert all(isinstance(v, torch.Tensor) for v in state.values())


@pytest.mark.parametrize("value", [1, 255])
def test_a_zip_whose_end_is_damaged_anywhere(tmp_path: Path, value: int) -> None:
    """Its last bytes say where its list is, on which of several disks, and how long."""
    path, content = written(tmp_path, "torch")
    messages = 0
    for at in range(len(content) - 120, len(content)):
        path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        try:
            read_state_dict(path)
        except ExplorerError:
            messages += 1
    assert messages > 20


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {}, {"epoch": 3}, {"a": np.float64(1)}])
def test_a_file_without_named_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "mine.pth")
    assert "state_dict" in message(tmp_path / "mine.pth")


def test_all_tensors_are_copied_in() -> None:
    target = network()
    changed = {k: v + 1 for k, v in STATE.items()}
    load_into(target, changed, source="the file 'mine.pth'", architecture="mine")
    assert_same(dict(target.state_dict()), changed)


def test_counters_of_batch_norm_may_be_missing() -> None:
    target = network()
    given = {k: v + 1 for k, v in STATE.items() if not k.endswith("num_batches_tracked")}
    assert len(given) < len(STATE)
    load_into(target, given, source="the file 'old.pth'", architecture="mine")
    assert_same({k: v for k, v in target.state_dict().items() if k in given}, given)


def test_another_architecture_is_told_by_its_first_differences() -> None:
    other = {k: v for k, v in STATE.items() if k != "3.bias"} | {
        "head.weight": torch.zeros(2),
        "0.weight": torch.zeros(4, 3, 5, 5),
    }
    target = network()
    with pytest.raises(ExplorerError) as caught:
        load_into(target, other, source="the file 'mine.pth'", architecture="lenet")
    sentence = str(caught.value)
    for part in ("mine.pth", "lenet", "3.bias", "head.weight", "(4, 3, 5, 5)", "(4, 3, 3, 3)"):
        assert part in sentence
    # Nothing was copied half way.
    assert_same(dict(target.state_dict()), STATE)
