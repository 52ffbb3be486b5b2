"""Pictures of one's own in folders and zips: bad ones get value, rule and remedy."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import ExplorerError
from tests.training.data.pictures import BLUE, RED, TEN, make_folder, make_zip, of_folder, picture
from training import class_counts
from training.data.folder import open_folder


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("prefix", ["", "pets/"])
def test_one_subfolder_per_class_as_folder_and_as_zip(as_zip: bool, prefix: str, tmp_path: Path) -> None:
    names = {prefix + name: content for name, content in TEN.items()} | {
        "notes.txt": b"x",
        "__MACOSX/._0.png": b"",
    }
    data = of_folder(make_zip(tmp_path / "a.zip", names) if as_zip else make_folder(tmp_path / "a", names))
    assert data.labels == ("rose", "sea")
    assert class_counts(data) == {"rose": (4, 1), "sea": (4, 1)}
    for images, classes in ((data.train_images, data.train_classes), (data.test_images, data.test_classes)):
        for image, index in zip(images, classes, strict=True):
            assert (image == (RED, BLUE)[index]).all()


def test_train_and_test_folders_are_kept_apart(tmp_path: Path) -> None:
    names = {f"Train/{name}": content for name, content in TEN.items()} | {
        "val/rose/9.png": picture((9, 9, 9))
    }
    data = of_folder(make_folder(tmp_path / "a", names))
    assert class_counts(data) == {"rose": (5, 1), "sea": (5, 0)}
    assert (data.test_images == 9).all()


def test_a_changed_folder_is_read_anew(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a", TEN)
    before = of_folder(folder)
    (folder / "rose" / "0.png").write_bytes(picture((200, 10, 10)))
    after = of_folder(folder)
    assert before.fingerprint != after.fingerprint


def test_broken_files_are_counted_and_named_and_skipped_on_request(tmp_path: Path) -> None:
    broken = {"rose/bad1.png": b"not a picture", "sea/0bad2.png": TEN["sea/0.png"][:30]}
    folder = make_folder(tmp_path / "a", TEN | broken)
    with pytest.raises(ExplorerError) as caught:
        of_folder(folder)
    for words in ("2 of 12 files", "rose/bad1.png", "sea/0bad2.png", "skip_broken=True"):
        assert words in str(caught.value)
    data = of_folder(folder, skip_broken=True)
    assert set(data.broken) == set(broken)
    assert len(data.train_images) + len(data.test_images) == 10
    assert all(
        (image == (RED, BLUE)[c]).all()
        for image, c in zip(data.train_images, data.train_classes, strict=True)
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({}, "holds no images"),
        ({"a.txt": b"x"}, "holds no images"),
        ({"cats/1.png": picture(RED), "cats/2.png": picture(RED)}, "only the class 'cats'"),
        ({"1.png": picture(RED), "2.png": picture(RED)}, "no subfolders"),
        ({"a/1.png": picture(RED), "b/1.png": picture(RED)}, "no test images; each class needs at least 5"),
    ],
)
def test_folders_that_cannot_be_learnt_from(names: dict[str, bytes], words: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ExplorerError, match=words):
        of_folder(make_folder(tmp_path / "a", names))


@pytest.mark.parametrize("name", ["../out/1.png", "/abs/1.png", "a/../../1.png", "a\\..\\1.png"])
def test_a_zip_that_points_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", TEN | {name: picture(RED)})
    with pytest.raises(ExplorerError, match="points outside the zip"):
        of_folder(path)


def test_a_zip_bomb_and_a_file_that_is_no_zip_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", TEN | {"rose/bomb.png": bytes(50_000_000)})
    with pytest.raises(ExplorerError, match=r"50,0\d\d,\d\d\d bytes unpacked .*100 times its packed size"):
        of_folder(path)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(ExplorerError, match="is not a zip file"):
        of_folder(tmp_path / "b.zip")
    with pytest.raises(ExplorerError, match="does not exist"):
        of_folder(tmp_path / "nowhere")


def stored(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


def overwrite(path: Path, place: int, content: bytes) -> None:
    raw = bytearray(path.read_bytes())
    raw[place : place + len(content)] = content
    path.write_bytes(raw)


HURT = b"rose/1.png"


def wrong_sum(path: Path) -> None:
    """A byte of the stored picture is another: BadZipFile."""
    overwrite(path, stored(path, TEN).read_bytes().find(HURT) + len(HURT) + 50, b"?")


def wrong_stream(path: Path) -> None:
    """What should be deflated isn't: zlib.error."""
    overwrite(path, make_zip(path, TEN).read_bytes().find(HURT) + len(HURT), b"\xff" * 35)


def lost_header(path: Path) -> None:
    """The member doesn't begin where the list at the end says: BadZipFile."""
    overwrite(path, stored(path, TEN).read_bytes().find(HURT) - 30, b"gone")


def unknown_method(path: Path) -> None:
    """The list, whose entries hold the name after 46 bytes, tells of a method that there isn't: NotImplementedError."""
    overwrite(path, stored(path, TEN).read_bytes().rfind(HURT) - 46 + 10, b"\x63\0")


def lost_end(path: Path) -> None:
    """The list says that the picture is longer than the file: EOFError."""
    overwrite(path, stored(path, TEN).read_bytes().rfind(HURT) - 46 + 20, struct.pack("<II", 10**6, 10**6))


@pytest.mark.parametrize("damage", [wrong_sum, wrong_stream, lost_header, unknown_method, lost_end])
def test_a_damaged_member_of_a_zip_is_a_broken_file_like_any_other(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    damage(path)
    with pytest.raises(
        ExplorerError, match=r"1 of 10 files \(rose/1.png\) cannot be decoded .*skip_broken=True"
    ):
        of_folder(path)
    data = of_folder(path, skip_broken=True)
    assert data.broken == ("rose/1.png",)
    assert class_counts(data) == {"rose": (3, 1), "sea": (4, 1)}


@pytest.mark.parametrize("skip", [False, True])
def test_an_encrypted_zip_is_said_to_be_one(skip: bool, tmp_path: Path) -> None:
    raw = bytearray(stored(tmp_path / "a.zip", TEN).read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.find(mark)
        while place >= 0:
            raw[place + flags] |= 1
            place = raw.find(mark, place + 1)
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(ExplorerError, match=r"'rose/0.png' in a.zip is encrypted; .*without a password"):
        of_folder(tmp_path / "a.zip", skip_broken=skip)


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    broken = {f"moss/{i}.png": b"x" for i in range(10)}
    folder = make_folder(tmp_path / "a", TEN | broken)
    with pytest.raises(ExplorerError, match="10 of 20 files"):
        of_folder(folder)
    for _ in range(2):  # decoded now, and from the cache
        with pytest.raises(
            ExplorerError, match=r"the class 'moss' in 'a' has no training image .*remove its"
        ):
            of_folder(folder, skip_broken=True)
    split = {f"train/{name}": content for name, content in TEN.items()}
    unseen = {"test/rose/1.png": picture(RED), "test/moss/1.png": picture(RED)}
    with pytest.raises(ExplorerError, match=r"the class 'moss' in .* has test images and no training images"):
        of_folder(make_folder(tmp_path / "b", split | unseen))
    unseen |= {f"test/{i}/1.png": picture(RED) for i in range(6)}
    with pytest.raises(ExplorerError, match=r"each of the classes '0', '1', '2', '3', '4' and 2 more in"):
        of_folder(make_folder(tmp_path / "b", unseen))


def test_a_zip_whose_link_leaves_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("rose/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ExplorerError, match="points outside"), open_folder(path):
        pass
