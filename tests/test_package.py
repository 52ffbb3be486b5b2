"""The package that pip installs: what lies in it, what it asks for, and that it runs in any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from email.message import Message
from email.parser import BytesParser
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import explorer
from tests.serving import ROOT, served

PACKAGES = ("explorer", "training", "notebooks_export")
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = ABOUT["project"]
RANGES = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}


def pins(file: str) -> dict[str, str]:
    """Name → version of the exact pins in a requirements file."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


PINNED = pins("requirements.txt")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout. Built without pip's isolation, it needs no connection."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip installs it, in a folder of its own. What it needs is here already."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options, str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


def elsewhere(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """``command`` to its end in ``folder``, where the package is there and the checkout isn't."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(installed), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def console_command(installed: Path) -> str:
    found = shutil.which("cnn-explorer", path=installed / "bin")
    assert found, "pip makes the command"
    return found


def test_the_three_packages_are_there_whole_and_nothing_else_is(names):
    ours = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and (file.suffix != ".pyi" or file.name == "__init__.pyi")
    }
    assert {name for name in names if ".dist-info/" not in name} == ours | {"cnn_explorer.py"}
    # The comparison has something to compare: each kind of file that isn't Python.
    kinds = {Path(name).suffix for name in ours} | {Path(name).name for name in ours}
    assert kinds >= {".js", ".css", ".typ", ".safetensors", ".jsonl", "card.md", "py.typed"}


def test_launch_is_there_under_a_name_that_is_ours(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("cnn_explorer.py") == (ROOT / "launch.py").read_bytes()


def test_it_says_its_version_licence_and_python(metadata, names):
    assert metadata["Name"] == "cnn-explorer"
    assert metadata["Version"] == explorer.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_asks_for_what_the_program_needs(metadata):
    asked = {canonicalize_name(Requirement(text).name) for text in metadata.get_all("Requires-Dist")}
    assert asked == set(RANGES) == set(PINNED)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_the_version_that_the_tests_run_with_is_in_the_range(name):
    asked = RANGES[name].specifier
    assert asked.contains(PINNED[name])
    assert sorted(part.operator for part in asked) == ["<", ">="], "a range has two ends"


def test_torch_and_torchvision_can_only_come_as_a_pair():
    """Each torchvision is built for one minor version of torch: both ranges are one minor version wide."""
    for name in ("torch", "torchvision"):
        (low,) = (p.version for p in RANGES[name].specifier if p.operator == ">=")
        (high,) = (p.version for p in RANGES[name].specifier if p.operator == "<")
        major, minor = map(int, low.split(".")[:2])
        assert high == f"{major}.{minor + 1}"
    wanted = next(r for r in map(Requirement, requires("torchvision")) if r.name == "torch")
    assert wanted.specifier.contains(PINNED["torch"])


def test_what_builds_it_here_is_what_pip_builds_it_with():
    (builder,) = ABOUT["build-system"]["requires"]
    assert builder == f"hatchling=={pins('requirements-dev.txt')['hatchling']}"


def test_installed_it_works_in_another_folder_with_its_data(installed, tmp_path):
    code = (
        "import explorer, training, notebooks_export\n"
        "for package in (explorer, training, notebooks_export):\n"
        "    print(package.__file__)\n"
        "print(explorer.__version__, len(training.shipped_runs()))\n"
    )
    done = elsewhere(installed, tmp_path, sys.executable, "-c", code)
    assert done.stderr == ""
    *files, last = done.stdout.splitlines()
    assert [Path(file) for file in files] == [installed / name / "__init__.py" for name in PACKAGES]
    assert last == f"{explorer.__version__} 2"


def test_the_command_answers_and_gives_its_exit_status(installed, tmp_path):
    listed = elsewhere(installed, tmp_path, sys.executable, "-m", "cnn_explorer", "--help")
    assert listed.returncode == 0
    assert "--offline" in listed.stdout
    refused = elsewhere(installed, tmp_path, console_command(installed), "--auth", "ada")
    assert refused.returncode == 2
    assert "'ada' is not USER:PASS" in refused.stderr


@pytest.mark.process
def test_the_installed_command_serves_the_page_in_another_folder(installed, tmp_path):
    options = ("--offline", "--data-dir", str(tmp_path / "data"))
    command = [console_command(installed)]
    with (
        served(tmp_path, *options, command=command, place=tmp_path, PYTHONPATH=str(installed)) as running,
        urllib.request.urlopen(running.url, timeout=20) as answer,
    ):
        assert answer.status == 200
        assert "CNN Explorer" in answer.read().decode()
    assert "Warning" not in running.printed()
