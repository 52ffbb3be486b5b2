"""Pictures of two colours, in folders and zips of one folder per class."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from training import Dataset, TrainConfig, load_dataset


def picture(color: tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


RED, BLUE = (255, 0, 0), (0, 0, 255)


def make_folder(root: Path, names: dict[str, bytes]) -> Path:
    for name, content in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def make_zip(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


TEN = {
    f"{label}/{i}.png": picture(color) for label, color in (("sea", BLUE), ("rose", RED)) for i in range(5)
}


def of_folder(path: Path, **more: Any) -> Dataset:
    return load_dataset(TrainConfig(dataset="folder", data_dir=str(path), image_size=16, **more))
