"""What is handed in has the right name, the right content and the same bytes each time."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step, content_hash, save_session
from notebooks_export import __main__ as command
from notebooks_export import build_submission, notebook_files, open_session
from notebooks_export.submission import submission_name
from tests.notebooks_export.samples import files_below, own_picture, performed

WORDS = Session("Words", (Step("text", title="One", text="Why?"),))


def test_the_zip_has_everything_and_the_same_bytes_each_time() -> None:
    made = build_submission(performed(), surname="Lovelace", matriculation_number="1234567")
    assert made.filename == "Lovelace-1234567.zip"
    again = open_session(save_session(performed()))
    assert build_submission(again, surname="Lovelace", matriculation_number="1234567") == made
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        assert archive.testzip() is None
        files = {name.removeprefix("Lovelace-1234567/"): archive.read(name) for name in archive.namelist()}
    assert {"notebook.ipynb", "report.pdf", "session.zip", "manifest.json", "README.txt"} <= set(files)
    assert files["report.pdf"].startswith(b"%PDF")
    assert open_session(files["session.zip"]) == performed()
    [image] = [content for name, content in files.items() if name.startswith("images/")]
    assert image == own_picture()
    assert set(notebook_files(performed())) <= set(files)
    listed = json.loads(files["manifest.json"])["steps"]
    for number, (row, step) in enumerate(zip(listed, performed().steps, strict=True), start=1):
        assert row["kind"] == step.kind
        if step.picture:
            assert row["picture_sha256"] == content_hash(files[f"pictures/step-{number:02d}.png"])
            assert row["versions"]["torch"]


@pytest.mark.parametrize(
    ("surname", "value", "remedy"),
    [
        ("", "an empty surname", "give your surname"),
        ("Müller", "'Müller'", "write 'Mueller'"),
        ("Groß", "'Groß'", "write 'Gross'"),
        ("Núñez", "'Núñez'", "write 'Nunez'"),
        ("von Ahn", "'von Ahn'", "write 'vonAhn'"),
        ("A/B", "'A/B'", "write 'A-B'"),
        ("../../etc", "'../../etc'", "write 'etc'"),
        ("C:\\x", "x", "write 'C-x'"),
        ("-Ada", "'-Ada'", "write 'Ada'"),
        ("Ada\n", "Ada\n", ""),
        ("李", "'李'", "write it in the letters"),
        ("x" * 300, "'" + "x" * 40, "shorten"),
    ],
)
def test_a_surname_that_breaks_the_rule(surname: str, value: str, remedy: str) -> None:
    if surname.strip() == "Ada":
        assert submission_name(surname, "1234567") == "Ada-1234567"
        return
    with pytest.raises(ExplorerError) as caught:
        build_submission(WORDS, surname=surname, matriculation_number="1234567")
    assert value in caught.value.value
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "number", ["", "123", "12 34567", "12345a7", "1" * 13, "١٢٣٤٥", "-1234567", "123/4567"]
)
def test_a_number_that_breaks_the_rule(number: str) -> None:
    with pytest.raises(ExplorerError, match="is not 4 to 12 digits"):
        submission_name("Ada", number)


@given(st.text(max_size=80))
def test_the_suggested_spelling_is_a_good_one(surname: str) -> None:
    try:
        name = submission_name(surname, "1234567")
    except ExplorerError as error:
        if "write '" in error.remedy:
            suggested = error.remedy.removeprefix("write '").removesuffix("'")
            assert submission_name(suggested, "1234567") == f"{suggested}-1234567"
    else:
        assert name == f"{surname.strip()}-1234567"
        assert name.isascii()


def test_a_refused_name_makes_nothing_and_keeps_the_session() -> None:
    sentence: list[str] = []
    with pytest.raises(ExplorerError):
        build_submission(
            WORDS, surname="é", matriculation_number="1", on_stage=lambda _, what: sentence.append(what)
        )
    assert sentence == []
    assert [step.title for step in WORDS.steps] == ["One"]


def test_progress_is_told_and_may_cancel() -> None:
    shares: list[float] = []

    def stop(share: float, what: str) -> None:
        shares.append(share)
        if len(shares) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_submission(WORDS, surname="Ada", matriculation_number="1234567", on_stage=stop)
    assert shares == sorted(shares)


def test_a_file_that_can_not_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.zip", tmp_path, "\0"):
        with pytest.raises(ExplorerError, match="can't be read"):
            open_session(path)
    (tmp_path / "x.zip").write_bytes(b"nothing")
    with pytest.raises(ExplorerError, match=r"'x\.zip' is not a ZIP"):
        open_session(tmp_path / "x.zip")


def test_the_command_carries_out_what_has_no_result_and_writes_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = WORDS.add(Step("convolution.size", {"size": 6, "kernel": 2}, title="Size"))
    (tmp_path / "s.zip").write_bytes(save_session(session))
    out = tmp_path / "out"
    assert command.main([str(tmp_path / "s.zip"), "--out", str(out)]) == 0
    assert list(files_below(out)) == ["manifest.json", "notebook.ipynb", "report.pdf", "session.zip"]
    assert "5" in open_session(out / "session.zip").steps[1].text
    record = capsys.readouterr()
    assert "1/1 Size" in record.err
    assert str(out / "report.pdf") in record.out
    names = ["--surname", "Ada", "--matriculation-number", "1234567"]
    assert command.main([str(tmp_path / "s.zip"), "--out", str(out / "zip"), *names]) == 0
    assert list(files_below(out / "zip")) == ["Ada-1234567.zip"]


@pytest.mark.parametrize(
    "names", [["--surname", "Müller", "--matriculation-number", "1234567"], ["--surname", "Ada"]]
)
def test_the_command_refuses_and_writes_nothing(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.zip").write_bytes(save_session(WORDS))
    assert command.main([str(tmp_path / "s.zip"), "--out", str(tmp_path / "out"), *names]) == 2
    assert "notebooks_export:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
