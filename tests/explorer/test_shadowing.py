"""A folder of the reader's own with the name of one of our packages: said at import, never passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT

ALONE = f"""
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("shadowing", {str(ROOT / "explorer" / "shadowing.py")!r})
shadowing = module_from_spec(spec)
spec.loader.exec_module(shadowing)  # without the package, which takes seconds
"""


def sentence(folder: Path, code: str, *, path: Path = ROOT) -> str:
    """What Python, started in ``folder`` as a notebook's kernel is, says on stderr to ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(path), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize("name", ["training", "notebooks_export"])
@pytest.mark.parametrize("inside", ["{}/__init__.py", "{}.py"])
def test_a_package_or_a_file_of_that_name_is_named(tmp_path: Path, name: str, inside: str) -> None:
    own = tmp_path / inside.format(name)
    own.parent.mkdir(exist_ok=True)
    own.touch()
    warning = sentence(tmp_path, f"{ALONE}shadowing.warn_if_shadowed()")
    found, kind = (own.parent, "folder") if own.name == "__init__.py" else (own, "file")
    assert warning.count("UserWarning") == 1
    assert f"'import {name}' finds {found.resolve()}, so CNN Explorer's own" in warning
    assert f"rename that {kind}, or start Python in another folder" in warning


def test_what_is_named_is_what_is_imported(tmp_path: Path) -> None:
    """The finder only looks; a second opinion comes from the import itself."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    code = (
        "import os, training; assert os.path.dirname(training.__file__) == shadowing.find_shadow('training')"
    )
    # Before the import, by looking; after it, by what is there.
    assert sentence(tmp_path, f"{ALONE}before = shadowing.find_shadow('training')\n{code} == before") == ""


@pytest.mark.parametrize("content", ["", "notes.txt", "train.py"])
def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "training").mkdir()
    if content:
        (tmp_path / "training" / content).touch()
    code = "from importlib.util import find_spec; assert find_spec('training').origin.startswith(shadowing._HOME)"
    assert sentence(tmp_path, f"{ALONE}shadowing.warn_if_shadowed()\n{code}") == ""


def test_ours_is_quiet_from_anywhere_and_through_a_link(tmp_path: Path) -> None:
    quiet = f"{ALONE}shadowing.warn_if_shadowed()"
    assert sentence(tmp_path, quiet) == ""
    assert sentence(ROOT, quiet) == ""
    link = tmp_path / "link"
    try:
        link.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        pytest.skip("this computer lets no plain user make links")
    assert sentence(tmp_path, quiet, path=link) == ""


def test_importing_the_explorer_says_it_once_at_the_line_that_imports(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    (tmp_path / "notes.py").write_text("import os\n\nimport explorer\n", encoding="utf-8")
    warning = sentence(tmp_path, "import notes, explorer")
    assert warning.count("'import training' finds") == 1
    assert "notes.py:3: UserWarning" in warning
