"""Which commit of the program is running, where it runs from a git checkout; the git command isn't needed."""

from __future__ import annotations

import re
from pathlib import Path

UNKNOWN = "unknown"
_ROOT = Path(__file__).parents[2]
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit(root: Path = _ROOT) -> str:
    """The SHA that HEAD stands for in the checkout at ``root``, or ``"unknown"``.

    Only ``root`` itself is asked: a copy of the program inside another project's checkout isn't of its commit.
    Changes that weren't committed don't show.
    """
    try:
        folder = _git_folder(root)
        head = _read(folder / "HEAD")
        if not head.startswith("ref: "):
            return head if _COMMIT.fullmatch(head) else UNKNOWN
        return _resolved(folder, head.removeprefix("ref: "))
    except (OSError, ValueError):
        return UNKNOWN


def _git_folder(root: Path) -> Path:
    """``.git``, or where the file of that name points to: in a second working tree or a submodule."""
    place = root / ".git"
    return root / _read(place).removeprefix("gitdir: ") if place.is_file() else place


def _resolved(folder: Path, ref: str) -> str:
    shared = folder / _read(folder / "commondir") if (folder / "commondir").is_file() else folder
    for place in (folder / ref, shared / ref):
        if place.is_file() and _COMMIT.fullmatch(found := _read(place)):
            return found
    # git packs refs into one file now and then: lines of "SHA name".
    for line in _read(shared / "packed-refs").splitlines():
        sha, _, name = line.partition(" ")
        if name == ref and _COMMIT.fullmatch(sha):
            return sha
    return UNKNOWN


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
