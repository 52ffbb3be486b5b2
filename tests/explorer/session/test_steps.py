"""Sessions are records and data: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.errors import ExplorerError
from explorer.session.archive import MAX_BYTES, pack, unpack
from explorer.session.steps import (
    MAX_OUTPUT,
    MAX_STEPS,
    MAX_TEXT,
    MAX_TITLE,
    Session,
    Step,
    content_hash,
    read_session,
    save_session,
    versions,
)

KINDS = {name: name for name in ("activation.map", "network.prediction", "text")}
FORMER = {"explorer.reduce": "activation.map", "reduced": "activation.map"}


def png(shade: int = 0, size: tuple[int, int] = (12, 9)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


def crafted(listed: object, **files: bytes) -> bytes:
    return pack({"session.json": json.dumps(listed).encode(), **files})


def one_step(format: int = 2, **fields: object) -> bytes:
    name = "function" if format == 1 else "kind"
    return crafted({"format": format, "title": "t", "steps": [{name: "text", **fields}]})


def refused(data: bytes) -> ExplorerError:
    with pytest.raises(ExplorerError) as caught:
        read_session(data, KINDS)
    assert caught.value.value
    assert caught.value.rule
    assert caught.value.remedy
    return caught.value


printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=8,
)
steps = st.builds(
    Step,
    kind=st.sampled_from(list(KINDS)),
    arguments=st.dictionaries(printable, json_values, max_size=3),
    title=printable,
    comment=printable,
    text=printable,
    picture=st.sampled_from([b"", png(1), png(2)]),
    versions=st.dictionaries(printable, printable, max_size=2),
    results=st.dictionaries(printable, json_values, max_size=2),
    task=st.text("0123456789.", max_size=20),
)


@given(printable, st.lists(steps, max_size=4), printable)
def test_a_session_comes_back_as_it_was_saved(title: str, made: list[Step], sheet: str) -> None:
    session = Session(title, tuple(made), sheet=sheet)
    saved = save_session(session)
    assert read_session(saved, KINDS) == session
    assert save_session(session) == saved


def test_files_go_along_while_a_step_uses_them() -> None:
    used, unused = png(3), png(4)
    step = Step("network.prediction", {"image": content_hash(used)})
    session = Session().add(step, [used, unused])
    assert session.files == {content_hash(used): used, content_hash(unused): unused}
    assert read_session(save_session(session), KINDS).files == {content_hash(used): used}
    assert read_session(save_session(session.remove(0)), KINDS).files == {}


@given(st.data(), st.integers(1, 6))
def test_moving_is_a_list_without_one_and_with_it_elsewhere(data: st.DataObject, count: int) -> None:
    session = Session(steps=tuple(Step("text", title=str(i)) for i in range(count)))
    start, to = (data.draw(st.integers(0, count - 1)) for _ in range(2))
    titles = [step.title for step in session.move(start, to).steps]
    assert titles[to] == str(start)
    assert [t for t in titles if t != str(start)] == [str(i) for i in range(count) if i != start]


def test_words_change_at_one_step_and_the_old_session_stays() -> None:
    session = Session().add(Step("text", title="a")).add(Step("text", title="b"))
    changed = session.change(1, title="c", comment="one\r\ntwo")
    assert [step.title for step in session.steps] == ["a", "b"]
    assert [(s.title, s.comment) for s in changed.steps] == [("a", ""), ("c", "one\ntwo")]


@pytest.mark.parametrize("position", [-1, 1, 99])
def test_a_step_that_is_not_there(position: int) -> None:
    session = Session().add(Step("text"))
    for action in (session.remove, lambda p: session.move(p, 0), lambda p: session.change(p, title="x")):
        with pytest.raises(ExplorerError, match="is not one of the 1 steps"):
            action(position)


def test_limits_of_words_and_steps() -> None:
    session = Session().add(Step("text"))
    with pytest.raises(ExplorerError, match="300 characters is longer than 200"):
        session.change(0, title="x" * 300)
    assert session.change(0, title="ü/ " * (MAX_TITLE // 3)).steps[0].title
    full = Session(steps=(Step("text"),) * MAX_STEPS)
    with pytest.raises(ExplorerError, match="more than a session holds"):
        full.add(Step("text"))


def test_versions_name_what_can_change_a_pixel() -> None:
    assert {"torch", "numpy", "pillow"} <= set(versions())


@pytest.mark.parametrize(
    "name",
    [
        "../session.json",
        "/etc/passwd",
        "pictures/../../x",
        "C:\\x",
        "pictures/" + "0" * 63,
        "pictures/",
        "files/" + "A" * 64,
        "files/" + "0" * 64 + "\n",
        "other.txt",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    data = pack({"session.json": b'{"format": 1, "steps": []}', name: b"x"})
    assert "doesn't belong there" in refused(data).rule


def test_links_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("session.json")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "link" in refused(file.getvalue()).rule


def test_ten_gigabytes_of_zeros_are_never_unpacked() -> None:
    name = "files/" + "0" * 64
    honest = io.BytesIO()
    with zipfile.ZipFile(honest, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session.json", b"{}")
        archive.writestr(name, b"")
    # The size in the directory of the archive says ten gigabytes.
    data = bytearray(honest.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (3_000_000_000).to_bytes(4, "little")
    assert "unpacks to 3,000,000,00" in refused(bytes(data)).rule


def test_a_size_that_lies_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.session.archive.MAX_BYTES", 1000)
    zeros = bytes(5000)
    data = bytearray(pack({"session.json": zeros}))
    for marker, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        entry = data.rindex(marker)
        data[entry + offset : entry + offset + 4] = (10).to_bytes(4, "little")
        crc = zlib.crc32(zeros[:10]).to_bytes(4, "little")
        data[entry + offset - 8 : entry + offset - 4] = crc
    with pytest.raises(ExplorerError):
        read_session(bytes(data), KINDS)
    assert MAX_BYTES < 2**30


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", png(), pack({})])
def test_what_is_no_session(data: bytes) -> None:
    refused(data)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_file_is_a_message_or_the_same_session(where: int, value: int) -> None:
    session = Session("t", (Step("text", title="x", picture=png(5)),))
    data = bytearray(save_session(session))
    data[where % len(data)] = value
    try:
        again = read_session(bytes(data), KINDS)
    except ExplorerError:
        return
    assert replace(again, title="t").steps[0].picture == png(5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"format": 1, "steps": NaN}',
        b"[" * 100_000,
        b'{"format": 3, "steps": []}',
        b'{"format": true, "steps": []}',
        b'{"format": "1", "steps": []}',
        b'{"steps": []}',
        b'{"format": 2, "steps": [{"function": "text"}]}',
        b'{"format": 1, "steps": [{"kind": "text"}]}',
        b'{"format": 1, "steps": [{"function": "text", "task": "1.1"}]}',
        b'{"format": 1, "steps": {}}',
        b'{"format": 1, "steps": [1]}',
        b'{"format": 1, "steps": [{"function": "text", "code": "import os"}]}',
        b'{"format": 1, "steps": [{"function": ["text"]}]}',
        b'{"format": 1, "steps": [], "title": 7}',
        b'{"format": 1, "steps": [{"function": "text", "title": "\\ud800"}]}',
        b'{"format": 1, "steps": [{"function": "text", "arguments": {"x": 1e999}}]}',
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    refused(pack({"session.json": content}))


@pytest.mark.parametrize("format", [1, 2])
@pytest.mark.parametrize(
    "kind",
    ["os.system", "explorer.session.steps.read_session", "eval", "", "text ", "activation.mop", ["text"]],
)
def test_other_kinds_are_refused(kind: object, format: int) -> None:
    error = refused(one_step(format, **{"function" if format == 1 else "kind": kind}))
    assert "kind" in error.value
    assert "step 1" in error.value
    assert error.rule == "is not one that this program knows"
    assert "activation.map" in error.remedy


def test_a_later_format_says_which_are_read_and_what_to_do() -> None:
    error = refused(crafted({"format": 3, "steps": []}))
    assert str(error) == (
        "the session file has format 3; this program reads the formats 1 and 2; "
        "open it with the program's version that saved it"
    )


@pytest.mark.parametrize("format", [1, 2])
@pytest.mark.parametrize("name", ["explorer.reduce", "reduced", "activation.map"])
def test_a_kind_that_was_renamed_twice_opens(name: str, format: int) -> None:
    saved = one_step(format, **{"function" if format == 1 else "kind": name, "arguments": {"layer": "conv1"}})
    [step] = read_session(saved, {**KINDS, **FORMER}).steps
    assert (step.kind, step.arguments) == ("activation.map", {"layer": "conv1"})


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": []},
        {"comment": 5},
        {"title": "x" * 201},
        {"comment": "x" * 20_001},
        {"title": "a\x00b"},
        {"comment": "abc\u202etxt"},
        {"versions": {"torch": 2}},
        {"picture": "0" * 64},
        {"picture": "../../etc/passwd"},
        {"picture": 7},
        {"results": [1]},
        {"task": 3.4},
        {"task": "1" * 21},
        {"function": "text"},
    ],
)
def test_other_fields_are_refused(fields: dict[str, object]) -> None:
    refused(one_step(**fields))


def test_pictures_are_pictures_and_what_their_names_say() -> None:
    lie = {"format": 2, "steps": [{"kind": "text", "picture": content_hash(png(6))}]}
    refused(crafted(lie, **{f"pictures/{content_hash(png(6))}": png(7)}))
    page = b"<html><script>alert(1)</script>"
    listed = {"format": 2, "steps": [{"kind": "text", "picture": content_hash(page)}]}
    assert "not a PNG" in refused(crafted(listed, **{f"pictures/{content_hash(page)}": page})).rule
    vast = png(0, (60_000, 1000))
    listed = {"format": 2, "steps": [{"kind": "text", "picture": content_hash(vast)}]}
    assert "60000×1000 px" in refused(crafted(listed, **{f"pictures/{content_hash(vast)}": vast})).rule


def test_reading_writes_nothing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    read_session(save_session(Session("t", (Step("text", picture=png(8)),))), KINDS)
    import os

    assert os.listdir() == []


def test_packing_depends_on_content_alone() -> None:
    noise = np.random.default_rng(0).bytes(1000)
    files = {"b.txt": noise, "a.png": png(9)}
    assert pack(files) == pack(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert archive.namelist() == ["a.png", "b.txt"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("b.txt") == noise
    import re

    assert unpack(pack(files), re.compile("a.png|b.txt"), "it") == files


def test_what_could_not_be_read_again_is_not_added() -> None:
    longest = Step("network.prediction", text="w" * MAX_OUTPUT)
    session = Session().add(longest)
    assert read_session(save_session(session), KINDS).steps[0].text == longest.text
    with pytest.raises(ExplorerError, match="text of step 2 with 200,001 characters"):
        session.add(replace(longest, text="w" * (MAX_OUTPUT + 1)))


def test_a_session_that_could_not_be_opened_again_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures together, and words together, have room in one file."""
    picture, other = png(size=(400, 300)), png(1, (400, 300))
    monkeypatch.setattr("explorer.session.steps.MAX_FILES_BYTES", len(picture) + len(other))
    step = Step("network.prediction", picture=picture)
    # The same picture is in the file once, however often it was kept.
    session = Session().add(step).add(step).add(replace(step, picture=other))
    assert read_session(save_session(session), KINDS) == session
    more = replace(step, picture=png(2, (400, 300)))
    with pytest.raises(ExplorerError, match="MB of pictures and files are more than a session's file holds"):
        session.add(more)
    with pytest.raises(ExplorerError, match="remove steps, or begin another session"):
        save_session(replace(session, steps=(*session.steps, more)))


def test_words_that_could_not_be_read_again_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.session.steps.MAX_JSON_BYTES", 100_000)
    wordy = Step("text", text="ж" * 20_000)  # two bytes each
    session = Session().add(wordy).add(wordy)
    assert read_session(save_session(session), KINDS) == session
    with pytest.raises(
        ExplorerError, match="bytes of words and numbers are more than a session's file holds"
    ):
        session.add(wordy)
    with pytest.raises(ExplorerError, match="shorten some, or remove steps"):
        session.change(0, comment="ж" * MAX_TEXT)


def test_versions_name_this_program_first() -> None:
    import explorer

    assert next(iter(versions().items())) == ("cnn-explorer", explorer.__version__)
    assert set(versions()) >= {"torch", "torchvision", "numpy", "pillow"}
