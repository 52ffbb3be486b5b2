"""Carry an exported notebook out as whoever is handed it would, and compare what it shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[2]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def outputs(notebook: Any) -> list[tuple[str, bytes]]:
    """(text, picture) of each code cell after the first."""
    found = []
    for cell in [c for c in notebook.cells if c.cell_type == "code"][1:]:
        text = "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")
        shown = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(shown) <= 1
        found.append((text, base64.b64decode(shown[0]) if shown else b""))
    return found


def run(notebook: Any, files: Mapping[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``notebook`` beside its ``files`` in ``folder``, in a fresh kernel; its outputs are those of this run."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # One thread, as in these tests: sums in one order.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()


def assert_shows_the_same(
    notebook: Any, files: Mapping[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notebook carried out by :func:`run` shows what it held: the same words, pixel for pixel."""
    kept = outputs(notebook)
    run(notebook, files, folder, monkeypatch)
    for (text, png), (text_again, png_again) in zip(kept, outputs(notebook), strict=True):
        assert text == text_again
        assert bool(png) == bool(png_again)
        if png:
            assert np.array_equal(pixels(png), pixels(png_again))
