"""The commit that the program runs from, read as git writes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from notebooks_export.notebook.checkout import UNKNOWN, commit

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git, the reference, isn't there")
SHA = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=x", "-c", "user.email=x@y", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "first")
    return folder


@needs_git
def test_what_git_says(checkout: Path, tmp_path: Path) -> None:
    """On a branch, after packing, on a branch with a slash, on no branch, and in a second working tree."""
    first = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout) == first
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git/refs/heads/main").exists()
    assert commit(checkout) == first
    git(checkout, "checkout", "-b", "wip/more")
    git(checkout, "commit", "--allow-empty", "-m", "second")
    second = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout) == second != first
    git(checkout, "checkout", "--detach", first)
    assert commit(checkout) == first
    for name in ("other", "wip/more"):
        place = tmp_path / name.replace("/", "-")
        git(
            checkout,
            "worktree",
            "add",
            *(["-b", "other", str(place)] if name == "other" else [str(place), name]),
        )
        assert commit(place) == git(place, "rev-parse", "HEAD")
    git(checkout, "pack-refs", "--all")
    assert commit(tmp_path / "wip-more") == second


@needs_git
def test_a_folder_inside_a_checkout_is_not_of_its_commit(checkout: Path) -> None:
    (checkout / "program").mkdir()
    assert commit(checkout / "program") == UNKNOWN


@pytest.mark.parametrize(
    "head",
    [
        "",
        "nonsense",
        "ref: refs/heads/unborn",
        "ref: ../../secret",
        "ref: /etc/hostname",
        SHA[:-1],
        SHA.upper() + "g",
    ],
)
def test_anything_else_is_unknown(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "secret").write_text("no commit")
    (tmp_path / ".git/HEAD").write_text(head)
    assert commit(tmp_path) == UNKNOWN


def test_neither_a_checkout_nor_text(tmp_path: Path) -> None:
    assert commit(tmp_path) == UNKNOWN
    (tmp_path / ".git").write_bytes(b"\xff\xfe")
    assert commit(tmp_path) == UNKNOWN
