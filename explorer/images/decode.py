"""Pictures in, safely; and the geometry from a picture to a network's input and back.

Everywhere in this program an image is RGB, ``uint8``, ``(H, W, 3)``, at its own resolution. Pixel
coordinates are (y, x); the *centre* of the top left pixel is (0, 0), so its edges are at −0.5.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from explorer.errors import ExplorerError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 25_000_000
MIN_SIDE_PX = 8
MAX_ASPECT_RATIO = 16
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # MPO is opened as JPEG
DRAWN_BY_BROWSERS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP")

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
_LIMITS = (
    f"an image may have up to {MAX_BYTES // 2**20} MiB and {MAX_PIXELS // 10**6} megapixels, "
    f"sides of at least {MIN_SIDE_PX} px, and a long side of at most {MAX_ASPECT_RATIO} times the short one"
)


def read_image(source: ImageSource) -> np.ndarray:
    """Decode a picture to RGB ``uint8`` ``(H, W, 3)``.

    ``source`` is a path, the bytes of a file, a PIL image or an array: ``(H, W)``, ``(H, W, 1)``,
    ``(H, W, 3)`` or ``(H, W, 4)``, ``uint8`` in [0, 255] or floating point in [0, 1].

    The size is read from the header and checked before a pixel is decoded. Animations give their first
    frame, EXIF rotation is applied, transparency is laid on white, 16 bits become 8 by scaling.

    >>> read_image(np.full((8, 10), 0.5)).shape
    (8, 10, 3)

    Raises:
        ExplorerError: not a picture, broken, empty, or outside the limits.
    """
    if isinstance(source, np.ndarray):
        pixels = _from_array(source)
        _check_size(pixels.shape[1], pixels.shape[0], "the array")
        return pixels
    if isinstance(source, Image.Image):
        _check_size(*source.size, "the PIL image")
        return _unpacked(source, "the PIL image")
    if isinstance(source, bytes):
        return _decode(source, "the image")
    if not isinstance(source, str | os.PathLike):
        remedy = "give a path, the bytes of a file, a PIL image or an array"
        raise ExplorerError(f"{source!r:.100} ({type(source).__name__})", "is not a picture", remedy)
    return _decode(*_read_file(Path(source)))


def browser_can_draw(path: Path) -> bool:
    """Whether a browser shows this picture file as it is; of the formats read here, TIFF and PPM it doesn't."""
    try:
        with Image.open(path, formats=FORMATS) as opened:  # reads no more than the header
            return opened.format in DRAWN_BY_BROWSERS
    except Exception:  # whoever decodes it will say what is wrong
        return False


def digest(image: np.ndarray) -> str:
    """A name for an image's content: equal for equal pixels and shape, different otherwise."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def sample_images() -> dict[str, Path]:
    """Pictures that come inside installed packages, title → file: nothing is downloaded.

    >>> list(sample_images())
    ['Cheetah', 'Lion', 'Tower', 'Temple', 'Flower']
    """
    from importlib.util import find_spec

    def inside(package: str, *parts: str) -> Path:
        spec = find_spec(package)  # finds the folder without importing the package
        if spec is None or spec.origin is None:
            return Path(os.devnull)
        return Path(spec.origin).parent.joinpath(*parts)

    found = {
        "Cheetah": inside("gradio", "media_assets", "images", "cheetah1.jpg"),
        "Lion": inside("gradio", "media_assets", "images", "lion.jpg"),
        "Tower": inside("gradio", "media_assets", "images", "tower.jpg"),
        "Temple": inside("sklearn", "datasets", "images", "china.jpg"),
        "Flower": inside("sklearn", "datasets", "images", "flower.jpg"),
    }
    return {title: path for title, path in found.items() if path.is_file()}


def _read_file(path: Path) -> tuple[bytes, str]:
    name = f"the file {path.name!r}"
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise ExplorerError(name, f"can't be read ({reason})", "check its name and folder") from error
    if size > MAX_BYTES:
        raise ExplorerError(f"{name} with {size:,} bytes", "is too large", _LIMITS)
    return data, name


def _decode(data: bytes, name: str) -> np.ndarray:
    if not data:
        raise ExplorerError(name, "is empty (0 bytes)", "choose a JPEG, PNG or WebP file")
    if len(data) > MAX_BYTES:
        raise ExplorerError(f"{name} with {len(data):,} bytes", "is too large", _LIMITS)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            _check_size(*opened.size, name)
            return _unpacked(opened, name)
    except ExplorerError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ExplorerError(name, f"unpacks to too many pixels ({error})", _LIMITS) from error
    except UnidentifiedImageError as error:
        remedy = "choose a JPEG, PNG, WebP, GIF, BMP or TIFF file"
        raise ExplorerError(name, "is not a picture that can be read", remedy) from error
    except Exception as error:
        raise _damaged(name, error) from error


def _unpacked(image: Image.Image, name: str) -> np.ndarray:
    try:
        return _to_rgb(image)
    except Exception as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ExplorerError:
    """What to say of any error from Pillow's decoders, which raise nearly every kind on damaged files."""
    reason = str(error) or type(error).__name__
    return ExplorerError(name, f"is damaged ({reason})", "open and save it anew, or choose another")


def _check_size(width: int, height: int, name: str) -> None:
    subject = f"{name} of {width}×{height} px"
    if width * height > MAX_PIXELS:
        raise ExplorerError(subject, "has too many pixels", _LIMITS)
    if min(width, height) < MIN_SIDE_PX:
        raise ExplorerError(subject, "is too small to look at", _LIMITS)
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ExplorerError(subject, "is too narrow", _LIMITS)


def _to_rgb(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_deep(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _from_deep(grey: np.ndarray) -> np.ndarray:
    """16-bit (or 32-bit, or float) grey → 8-bit by scaling; Pillow's own conversion clips at 255."""
    deep = np.nan_to_num(grey.astype(np.float64), posinf=0.0, neginf=0.0)
    top = 65535.0 if grey.dtype.kind in "ui" else max(float(deep.max()), 1e-12)
    eight = np.clip(deep / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=2)


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    shape: Sequence[int] = array.shape
    if array.ndim != 3 or shape[2] not in (1, 3, 4) or 0 in shape:
        remedy = "give (H, W), (H, W, 3) or (H, W, 4), rows first and channels last"
        raise ExplorerError(f"an array of shape {tuple(shape)}", "is not an image", remedy)
    if array.dtype.kind == "f":
        low, high = float(np.min(array)), float(np.max(array))
        if not (low >= 0.0 and high <= 1.0):  # also catches NaN
            remedy = "scale floating-point pixels to [0, 1], or give uint8"
            raise ExplorerError(f"an array with values from {low:g} to {high:g}", "is out of range", remedy)
        array = np.rint(array * 255)
    elif array.dtype == bool:
        array = array * np.uint8(255)
    elif array.dtype != np.uint8:
        remedy = "give uint8 in [0, 255] or floating point in [0, 1]"
        raise ExplorerError(f"an array of {array.dtype}", "has no known range", remedy)
    array = array.astype(np.uint8)
    if shape[2] == 4:
        return _to_rgb(Image.fromarray(array))
    return np.array(array if shape[2] == 3 else np.repeat(array, 3, axis=2))
