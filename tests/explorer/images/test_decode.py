"""Pictures in: whatever a file holds, RGB uint8 or a message that helps, and no memory for a bomb."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from explorer.errors import ExplorerError
from explorer.images.decode import MAX_BYTES, browser_can_draw, digest, read_image, sample_images
from explorer.images.geometry import Placement


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def red_corner(height: int = 24, width: int = 40) -> np.ndarray:
    """Blue, with the top left corner red: not square, so that nothing can be turned unseen."""
    image = np.zeros((height, width, 3), np.uint8)
    image[...] = (0, 0, 200)
    image[: height // 3, : width // 4] = (250, 0, 0)
    return image


def message(source: object) -> str:
    with pytest.raises(ExplorerError) as caught:
        read_image(source)  # type: ignore[arg-type]
    error = caught.value
    assert error.value, "no value"
    assert error.rule, "no rule"
    assert error.remedy, "no remedy"
    return str(error)


def png(width: int, height: int, bits: int, colour: int, pixels: bytes) -> bytes:
    """A PNG file by hand, of whatever size it claims; ``pixels`` are compressed already."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_as_they_were(kind: str) -> None:
    image = red_corner()
    read = read_image(encoded(Image.fromarray(image), kind))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "MPO"])
def test_lossy_formats_keep_corner_and_colours_in_place(kind: str) -> None:
    read = read_image(encoded(Image.fromarray(red_corner()), kind))
    assert read.shape == (24, 40, 3)
    assert read[2, 3, 0] > 200
    assert read[2, 3, 2] < 60
    assert read[20, 35, 2] > 150
    assert read[20, 35, 0] < 60


def test_path_bytes_pil_and_array_give_the_same(tmp_path: Path) -> None:
    image = red_corner()
    file = tmp_path / "a picture.png"
    Image.fromarray(image).save(file)
    for source in (file, str(file), file.read_bytes(), Image.open(file), image):
        np.testing.assert_array_equal(read_image(source), image)


def test_an_array_is_copied() -> None:
    image = red_corner()
    read_image(image)[0, 0] = 7
    assert image[0, 0, 0] == 250


def test_greyscale_becomes_three_equal_channels() -> None:
    grey = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40).astype(np.uint8)
    for source in (grey, grey[..., None], encoded(Image.fromarray(grey), "PNG")):
        read = read_image(source)
        for channel in range(3):
            np.testing.assert_array_equal(read[..., channel], grey)


def test_floating_point_in_0_to_1_is_scaled_to_bytes() -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    np.testing.assert_array_equal(read_image(values)[..., 0].ravel(), np.arange(256))


def test_booleans_are_black_and_white() -> None:
    mask = np.zeros((10, 12), bool)
    mask[3:, 4:] = True
    np.testing.assert_array_equal(read_image(mask)[..., 1], np.where(mask, 255, 0))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((9, 9, 3), np.nan), "nan"),
        (np.full((9, 9, 3), 2.0), "2"),
        (np.full((9, 9, 3), -0.1), "-0.1"),
        (np.zeros((9, 9, 3), np.int64), "int64"),
        (np.zeros((3, 9, 11), np.uint8), "(3, 9, 11)"),
        (np.zeros((1, 9, 9, 3), np.uint8), "(1, 9, 9, 3)"),
        (np.zeros((0, 9, 3), np.uint8), "(0, 9, 3)"),
    ],
)
def test_arrays_that_are_no_image_are_refused(array: np.ndarray, sentence: str) -> None:
    assert sentence in message(array)


def test_sixteen_bits_become_eight_by_scaling() -> None:
    deep = (np.arange(16 * 20, dtype=np.uint32) * 205).reshape(16, 20).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        read = read_image(encoded(Image.fromarray(deep), kind))[..., 0].astype(float)
        assert np.abs(read - deep / 65535 * 255).max() <= 0.5 + 1e-9


def test_floating_point_tiff_with_gaps_is_read() -> None:
    values = np.linspace(0, 8, 16 * 20, dtype=np.float32).reshape(16, 20)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    read = read_image(encoded(Image.fromarray(values), "TIFF"))
    assert read[-1, -1, 0] == 255
    assert read[0, 0, 0] == 0


def test_cmyk_becomes_rgb() -> None:
    cyan_off = Image.new("CMYK", (20, 16), (0, 255, 255, 0))  # full magenta and yellow: red
    read = read_image(encoded(cyan_off, "JPEG"))
    assert read[8, 10, 0] > 220
    assert read[8, 10, 1:].max() < 40


def test_transparency_is_laid_on_white() -> None:
    rgba = np.zeros((16, 20, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:, 10:, 3] = 255
    rgba[:, 5:10, 3] = 128
    read = read_image(encoded(Image.fromarray(rgba), "PNG")).astype(int)
    assert (read[:, :5] == 255).all()
    np.testing.assert_array_equal(read[:, 10:], np.broadcast_to([200, 0, 0], (16, 10, 3)))
    # Half way between (200, 0, 0) and white.
    assert np.abs(read[0, 7] - np.array([227, 127, 127])).max() <= 2
    np.testing.assert_array_equal(read, read_image(rgba))


def test_transparent_colour_of_a_palette_is_laid_on_white() -> None:
    index = np.zeros((16, 20), np.uint8)
    index[:, 10:] = 1
    image = Image.fromarray(index).convert("P")
    image.putpalette([250, 0, 0, 0, 250, 0])
    read = read_image(encoded(image, "PNG", transparency=0))
    assert (read[:, :10] == 255).all()
    assert (read[:, 10:] == (0, 250, 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    # EXIF 2.32, tag 274: on which sides of the scene the stored picture's row 0 and column 0 lie.
    upright = red_corner()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(data), upright)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (20, 16), (255, 0, 0)), Image.new("RGB", (20, 16), (0, 0, 255))
    read = read_image(encoded(first, kind, save_all=True, append_images=[second]))
    assert read[8, 10, 0] > 240
    assert read[8, 10, 2] < 20


def test_empty_file() -> None:
    assert "0 bytes" in message(b"")


def test_text_that_claims_to_be_a_jpeg(tmp_path: Path) -> None:
    file = tmp_path / "holiday.jpg"
    file.write_text("not a picture at all\n" * 50)
    sentence = message(file)
    assert "holiday.jpg" in sentence
    assert "JPEG" in sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "'nobody.png'" in message(tmp_path / "nobody.png")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "can't be read" in message(tmp_path)


def test_a_name_that_no_file_can_have() -> None:
    assert "can't be read" in message("a\0b.png")


@pytest.mark.parametrize("given", [None, 123, 1.5, ["a.png"], {"path": "a.png"}])
def test_what_is_no_kind_of_picture_is_refused(given: object) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_image(given)
    assert repr(given) in caught.value.value
    assert "a path" in caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "drawn"),
    [(kind, True) for kind in ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP")]
    + [("TIFF", False), ("PPM", False)],
)
def test_which_files_a_browser_draws_is_told_by_their_content(tmp_path: Path, kind: str, drawn: bool) -> None:
    file = tmp_path / "holiday.jpg"
    file.write_bytes(encoded(Image.fromarray(red_corner()), kind))
    assert browser_can_draw(file) == drawn


def test_no_browser_draws_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_text("this is no picture")
    assert not browser_can_draw(tmp_path / "holiday.png")
    assert not browser_can_draw(tmp_path / "nobody.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_truncated_file(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    sentence = message(data[: len(data) // 2])
    assert "damaged" in sentence or "not a picture" in sentence


def test_a_damaged_pil_image_is_named_like_a_damaged_file() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "PNG")
    assert "damaged" in message(Image.open(io.BytesIO(data[: len(data) // 2])))


SEEDS = {
    kind: encoded(Image.fromarray(red_corner()), kind, **options)
    for kind, options in {
        "JPEG": {},
        "PNG": {},
        "WEBP": {},
        "GIF": {},
        "BMP": {},
        "TIFF": {"compression": "tiff_deflate"},
        "PPM": {},
    }.items()
}


@pytest.mark.filterwarnings("ignore")  # Pillow remarks on damaged metadata before it goes on
@settings(max_examples=300)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    keep=st.floats(0, 1),
)
def test_damage_of_any_kind_gives_a_picture_or_a_message(
    kind: str, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(SEEDS[kind])
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        read = read_image(bytes(data[: int(keep * len(data))]))
    except ExplorerError:
        return
    assert read.dtype == np.uint8
    assert read.ndim == 3
    assert read.shape[2] == 3


@pytest.mark.parametrize(
    ("width", "height", "sentence"),
    [(1, 1, "too small"), (1, 5000, "too small"), (5000, 1, "too small"), (10, 5000, "too narrow")],
)
def test_sizes_that_show_nothing(width: int, height: int, sentence: str) -> None:
    for source in (
        encoded(Image.new("RGB", (width, height)), "PNG"),
        np.zeros((height, width, 3), np.uint8),
        Image.new("RGB", (width, height)),
    ):
        text = message(source)
        assert sentence in text
        assert f"{width}×{height}" in text


def test_a_bomb_is_refused_by_its_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    for width, height in ((30_000, 30_000), (6_000, 6_000), (12_000, 9_000)):
        sentence = message(png(width, height, bits=8, colour=2, pixels=b""))
        assert "too many pixels" in sentence
        assert "megapixels" in sentence


def test_a_real_bomb_costs_no_memory() -> None:
    # 900 million black pixels, 1 bit each: 110 kB on the wire, 2.7 GB as RGB.
    packed = zlib.compressobj(9)
    row = b"\0" * (1 + 30_000 // 8)
    pixels = b"".join(packed.compress(row) for _ in range(30_000)) + packed.flush()

    bomb = png(30_000, 30_000, bits=1, colour=0, pixels=pixels)
    assert len(bomb) < 200_000
    tracemalloc.start()
    sentence = message(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "too many pixels" in sentence
    assert peak < 4 * 2**20


def test_too_many_bytes_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as out:
        out.truncate(MAX_BYTES + 1)  # sparse: takes no room on the disk

    def read(self: Path) -> bytes:
        raise AssertionError("the file was read")

    monkeypatch.setattr(Path, "read_bytes", read)
    sentence = message(file)
    assert "huge.png" in sentence
    assert "20 MiB" in sentence


def test_too_many_bytes_from_memory() -> None:
    assert "20 MiB" in message(bytes(MAX_BYTES + 1))


def test_samples_exist_and_can_be_read() -> None:
    samples = sample_images()
    assert {"Cheetah", "Temple"} <= set(samples)
    for path in samples.values():
        assert read_image(path).shape[2] == 3


def test_digest_tells_pixels_and_shape_apart() -> None:
    image = red_corner()
    assert digest(image) == digest(image.copy())
    assert digest(image) == digest(np.asfortranarray(image))
    assert digest(image) != digest(image.reshape(40, 24, 3))
    changed = image.copy()
    changed[5, 5, 1] ^= 1
    assert digest(image) != digest(changed)


def test_placement_there_and_back() -> None:
    placement = Placement(scale=(2.5, 0.5), offset=(-3.0, 7.0), seen=(0, 0, 10, 10))
    assert placement.to_image(4, 6) == (2.5 * 4 - 3, 0.5 * 6 + 7)
    assert placement.to_cell(*placement.to_image(4, 6)) == pytest.approx((4, 6))
    # Unit (i, j) of a layer is centred on input cell (3 + 4i, 1 + 2j).
    units = placement.of_units(start=(3, 1), stride=(4, 2))
    assert units.to_image(2, 5) == pytest.approx(placement.to_image(3 + 4 * 2, 1 + 2 * 5))
    assert units.seen == placement.seen
