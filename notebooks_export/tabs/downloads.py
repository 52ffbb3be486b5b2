"""Files that the page may fetch, and the end of the work that makes them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from explorer.errors import ExplorerError
from explorer.session.steps import content_hash
from explorer.tabs.components import warn
from explorer.whole_file import write_once

READY = "Ready to download"


def ready(files: dict[str, bytes], sentence: str = READY) -> Any:
    """Update for a list of files to download, name → content, with what is said of them."""
    paths = [file_for_page(name, content) for name, content in files.items()]
    return gr.update(value=paths, label=sentence, visible=True)


def file_for_page(name: str, content: bytes) -> str:
    """A file, whole or not at all, in a folder named by its content."""
    path = Path(get_upload_folder()) / content_hash(content) / name
    write_once(path, content)
    return str(path)


def settled(work: Generator[Any, None, Any], outputs: int) -> Generator[Any, None, Any]:
    """What ``work`` yields and returns; where it can't be done, say so, take the progress away, return None.

    The progress is behind ``outputs`` others, which stay as they are.
    """
    try:
        return (yield from work)
    except ExplorerError as error:
        warn(error)
        yield (*(gr.skip(),) * outputs, "")
        return None
