"""The documents say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import explorer

ROOT = Path(__file__).parents[1]
PACKAGES = ("explorer", "training", "notebooks_export")
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "findings/README.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)


def section(text: str, title: str) -> str:
    """What stands below ``## title``."""
    return re.split(r"^## ", text.split(f"\n## {title}\n", 1)[1], flags=re.M)[0]


def test_the_architecture_names_every_room_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for package in PACKAGES:
        named = set(re.findall(r"^\| `([a-z_]+)/` \|", section(text, package), re.M))
        rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        if package == "training":
            rooms.add("pretrained")
        assert named == rooms


def test_each_room_begins_with_a_file_that_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for package in PACKAGES:
        begins = re.findall(r"^\| `([a-z_]+)/` \|.*\| `([a-z_/]+\.py)` \|$", section(text, package), re.M)
        assert len(begins) > 3
        for room, file in begins:
            assert (ROOT / package / room / file).is_file(), f"{package}/{room}/{file}"


def test_files_that_documents_name_are_there() -> None:
    for document in DOCUMENTS:
        for name in re.findall(r"`([\w./-]+/[\w./-]+\.(?:py|md|sh|txt|toml))`", document.read_text()):
            found = (ROOT / name).is_file() or any(
                next((ROOT / package).rglob(name), None) for package in PACKAGES
            )
            assert found or "NAME" in name, f"{document.name}: {name}"


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == explorer.__version__


def test_findings_install_in_a_temporary_folder_and_pin_what_they_install() -> None:
    """They are run by hand; this is what a reader can check without running them."""
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert scripts
    for script in scripts:
        text = script.read_text()
        assert "mktemp -d" in text, script.name
        assert re.search(r"pip\"? install .*==\d", text) or "$2" in text, script.name
        assert not re.search(r"import (explorer|training|notebooks_export)", text), script.name
