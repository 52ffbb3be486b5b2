"""What Jupyter and Colab need of the file, and what they tell a reader who hasn't got the program."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from explorer.session.steps import Session, Step
from notebooks_export import build_notebook
from notebooks_export.notebook.running import IN_COLAB
from tests.notebooks_export.samples import performed

ROOT = Path(__file__).parents[3]


def test_the_file_is_one_that_jupyter_and_colab_open() -> None:
    written = nbformat.writes(build_notebook(performed()))
    assert written == nbformat.writes(build_notebook(performed()))
    raw = json.loads(written)
    nbformat.validate(raw)
    assert (raw["nbformat"], raw["nbformat_minor"] >= 5) == (4, True)
    # Both choose the kernel by these, and neither has widgets to restore.
    assert raw["metadata"]["kernelspec"] == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert raw["metadata"]["language_info"]["name"] == "python"
    assert "widgets" not in raw["metadata"]
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", found) for found in ids)


def test_the_results_in_it_are_text_and_png_and_nothing_that_runs() -> None:
    raw = json.loads(nbformat.writes(build_notebook(performed())))
    pictures = []
    for cell in raw["cells"]:
        for output in cell.get("outputs", []):
            assert output["output_type"] in ("stream", "execute_result")
            assert set(output.get("data", {})) <= {"image/png", "text/plain"}
            if "data" in output:
                encoded = output["data"]["image/png"]
                joined = "".join(encoded) if isinstance(encoded, list) else encoded
                pictures.append(base64.b64decode(joined.replace("\n", ""), validate=True))
    assert pictures == [step.picture for step in performed().steps if step.picture]


def test_a_reader_is_told_where_the_program_comes_from() -> None:
    cells = build_notebook(performed()).cells
    assert "How to run it again" in cells[0].source
    listed = cells[-1].source
    assert listed.startswith("## To run this notebook again")
    for name in re.findall(r"`([\w.]+\.(?:py|txt))`", listed):
        assert (ROOT / name).exists()
    assert "pip install -r requirements.txt" in listed
    assert IN_COLAB in listed
    # Words alone run nowhere, and need no program.
    words = build_notebook(Session(steps=(Step("text", title="One"),))).cells
    assert [cell.id for cell in words] == ["title", "step-1-words"]
    assert "How to run" not in words[0].source


@pytest.mark.slow
@pytest.mark.parametrize("beside", [True, False])
def test_the_cell_for_colab_finds_the_program_and_the_files(tmp_path: Path, beside: bool) -> None:
    """In an empty folder with the uploaded ZIPs, as there; the program is a stand-in with a module to import."""
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("cnn main/launch.py", "")
        archive.writestr("cnn main/requirements.txt", "")
        archive.writestr("cnn main/only_in_the_program.py", "SAID = 'found'")
    if beside:
        with zipfile.ZipFile(tmp_path / "notebook.zip", "w") as archive:
            archive.writestr("Lovelace-1234567/notebook.ipynb", "{}")
            archive.writestr("Lovelace-1234567/images/mine.txt", "a picture")
    read = "Path('images/mine.txt').read_text()" if beside else "Path.cwd().name"
    use = f"import only_in_the_program\nprint(only_in_the_program.SAID, {read})"
    # Run twice by mistake, and again after a restart.
    notebook = new_notebook(cells=[new_code_cell(source) for source in (IN_COLAB, IN_COLAB, use)])
    for _ in range(2):
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        [output] = [o for o in notebook.cells[-1].outputs if o.output_type == "stream"]
        assert output.text.strip() == f"found {'a picture' if beside else tmp_path.name}"
