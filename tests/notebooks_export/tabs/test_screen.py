"""What the Export screen does, without a browser: lists of runs, steps in order, and stopping half-way."""

from __future__ import annotations

import shutil
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import nbformat
import pytest

import explorer
from explorer.errors import ExplorerError
from explorer.session.steps import MAX_TITLE, Session, Step, content_hash
from explorer.tabs.keeping import looked_at
from explorer.tabs.looking import side_by_side
from explorer.workbench import Workbench
from notebooks_export.tabs import downloads, hand_in, sheet_form, steps
from notebooks_export.tabs import screen as tab
from tests.notebooks_export.samples import files_below, own_network, own_picture
from tests.training.samples import TINY, tiny_data
from training import shipped_runs, train
from training.runs.catalogue import TrainedModels
from training.runs.folders import create
from training.tabs.lab import with_progress

WORDS = Session("Words", tuple(Step("text", title=f"step {letter}") for letter in "abc"))


@pytest.fixture
def trained(tmp_path: Path) -> TrainedModels:
    """Runs of one's own: one trained for an epoch, one that waits."""
    root = tmp_path / "runs"
    config = replace(TINY, epochs=1)
    list(train(config, create(config, root, "mine"), data=tiny_data()))
    create(config, root, "waiting")
    return TrainedModels(root)


def names(trained: TrainedModels) -> list[str]:
    return [name for _, name in sheet_form.run_choices(trained)]


def test_runs_to_choose_from(trained: TrainedModels) -> None:
    assert names(trained) == [sheet_form.SHIPPED, "mine"]
    # A run that hides a shipped one of the same name is one's own.
    shipped = shipped_runs()[0]
    shutil.copytree(shipped, trained.root / shipped.name)
    assert set(names(trained)) == {sheet_form.SHIPPED, "mine", shipped.name}


def test_entering_lists_what_there_is_now(trained: TrainedModels) -> None:
    updates, (plain, augmented) = tab.enter(trained, tab.NAME, WORDS, 1, ("mine", "deleted since"))
    # What is being written to the chosen step stays as it is.
    assert list(updates) == ["steps"]
    listed = updates["steps"]
    assert listed["value"] == 1
    assert [text for text, _ in listed["choices"]] == ["1 · step a", "2 · step b", "3 · step c"]
    assert "value" not in plain
    assert augmented["value"] == sheet_form.SHIPPED
    assert plain["choices"] == augmented["choices"] == sheet_form.run_choices(trained)
    assert tab.enter(trained, "saliency", WORDS, 1, ("mine", "")) == (steps.UNCHANGED, [])


def test_whoever_comes_first_sees_the_step_that_was_kept_last(trained: TrainedModels) -> None:
    updates, _ = tab.enter(trained, tab.NAME, WORDS, None, ("mine", ""))
    assert (updates["steps"]["value"], updates["name"]) == (2, "step c")
    updates, _ = tab.enter(trained, tab.NAME, Session(), None, ("mine", ""))
    assert list(updates) == ["steps"]
    assert updates["steps"]["choices"] == []


def test_a_run_that_was_deleted_meanwhile_is_said(trained: TrainedModels) -> None:
    shutil.rmtree(trained.root / "mine")
    with pytest.warns(UserWarning, match="Run 'mine' is not among the runs; choose one from the list"):
        record = list(sheet_form.fill(trained, Workbench(), None, "mine", sheet_form.SHIPPED, False, False))
    # The session and all that shows it stay as they are, and the progress goes.
    assert record[-1][1] == ""
    assert steps.place(WORDS, None) == {**steps.UNCHANGED, "brought": None}


def test_the_sheet_with_what_is_looked_at(trained: TrainedModels, tmp_path: Path) -> None:
    """A run's network on a sample, and an uploaded network on an uploaded picture."""
    bench = Workbench(source=trained)
    (tmp_path / "mine.png").write_bytes(own_picture())
    uploaded = bench.add_model(own_network(), "0123456789")
    for model, path, framing in (
        ("mine@1", str(explorer.sample_images()["Lion"]), "stretch"),
        (uploaded, str(tmp_path / "mine.png"), "crop"),
    ):
        selection = bench.select(model, path, framing)
        *_, (session, *_) = sheet_form.fill(trained, bench, selection, "", "", True, False)
        arguments, files = looked_at(bench, selection)
        used = [step.arguments for step in session.steps if step.title.startswith("4.") and step.arguments]
        assert {row["model"] for row in used} == {arguments["model"]}
        assert {row.get("image", arguments["image"]) for row in used} == {arguments["image"]}
        assert {row.get("framing", "crop") for row in used if "image" in row} == {framing}
        assert session.files == {content_hash(content): content for content in files}
        assert all(step.text for step in session.steps if step.title.startswith("4."))


def test_a_network_without_maps_has_nothing_side_by_side_and_says_so(tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, network="flatten, linear")
    list(train(config, create(config, tmp_path, "flat"), data=tiny_data()))
    bench = Workbench(source=TrainedModels(tmp_path))
    selection = bench.select("flat@1", str(explorer.sample_images()["Lion"]))
    shown = side_by_side.draw(bench.open(selection), [], "mean", False)
    assert "has no layer with positions" in shown.scale
    assert not shown.pictures
    assert not shown.table
    with pytest.raises(ExplorerError, match="has no layer with positions; choose another network"):
        side_by_side.compared(bench.open(selection), [], "mean", False)


def test_steps_are_put_elsewhere_and_taken_out() -> None:
    assert steps.changed(WORDS, 1)["session"] == WORDS
    for unchanged in (steps.move(WORDS, 0, -1), steps.move(WORDS, 2, 1), steps.move(WORDS, None, 1)):
        assert unchanged is steps.UNCHANGED
    moved = steps.move(WORDS, 0, 1)["session"]
    assert [step.title[-1] for step in moved.steps] == ["b", "a", "c"]
    made = steps.take_out(WORDS, 2)
    assert [step.title[-1] for step in made["session"].steps] == ["a", "b"]
    assert made["steps"]["value"] == 1
    made = steps.take_out(replace(WORDS, steps=WORDS.steps[:1]), 0)
    assert (made["session"].steps, made["steps"]["value"]) == ((), None)


def test_what_a_handler_does_not_name_stays() -> None:
    # Stand-ins for components: gradio's leave an event loop behind, and here they are keys only.
    listed = steps.StepList(**{name: object() for name in steps.StepList.__dataclass_fields__})
    chosen = steps.ChosenStep(**{name: object() for name in steps.ChosenStep.__dataclass_fields__})
    page = steps.Steps(object(), listed, chosen, brought=object(), before=object())
    shown = page.showing(lambda session: {"title": session.title})
    assert shown(WORDS) == {page.listed.title: WORDS.title}
    # gradio takes an empty mapping for the value of the first output.
    assert set(page.showing(dict)()) == {page.session}
    assert set(page.parts.values()) == set(page.outputs)


def test_another_session_takes_the_place_of_all_that_was_kept_and_gives_it_back() -> None:
    sheet = Session("Sheet", (Step("text", title="1.1"),))
    made = steps.place(WORDS, sheet)
    back = made["back"]
    assert [made[name] for name in ("session", "title", "brought", "before")] == [sheet, "Sheet", None, WORDS]
    assert back["visible"]
    assert "the 3 steps" in back["value"]
    # The way back is a way there again.
    made = steps.place(made["session"], made["before"])
    assert (made["session"], made["before"]) == (WORDS, sheet)
    assert "the 1 step " in made["back"]["value"]
    made = steps.place(Session(), sheet)
    assert (made["before"], made["back"]["visible"]) == (None, False)


def test_refused_words_are_said_and_the_others_taken() -> None:
    session, _, sentence = steps.write(WORDS, 1, "x" * (MAX_TITLE + 1), "What I say.")
    assert (session.steps[1].title, session.steps[1].comment) == ("step b", "What I say.")
    assert "with 201 characters is longer than 200; shorten it" in sentence
    session, _, sentence = steps.write(WORDS, 1, "Mine", "a \x07 bell")
    assert (session.steps[1].title, session.steps[1].comment) == ("Mine", "")
    assert "U+0007" in sentence
    assert 'role="alert"' in sentence
    assert steps.write(WORDS, 1, "Mine", "Fine")[2] == ""
    session, sentence = steps.rename(WORDS, "x" * (MAX_TITLE + 1))
    assert not isinstance(session, Session)
    assert "the title" in sentence.lower()
    assert steps.rename(WORDS, "Mine") == (replace(WORDS, title="Mine"), "")


def test_a_fault_of_the_programs_own_takes_the_progress_away_too() -> None:
    def work(report: Any) -> None:
        report((0.5, "Half"))
        raise ZeroDivisionError

    record = downloads.settled(with_progress(work, 1), 1)
    assert "progressbar" in next(record)[1]
    assert next(record)[1] == ""
    with pytest.raises(gr.Error, match="ZeroDivisionError"):
        next(record)


def stopped_half_way(work: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Cancel ``work`` while the PDF is being set, let that end, and list the files that are there for the page."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "page"))
    setting, go_on = threading.Event(), threading.Event()

    def set_pdf(*_: object) -> bytes:
        setting.set()
        go_on.wait(60)
        return b"%PDF"

    monkeypatch.setattr("notebooks_export.submission.to_pdf", set_pdf)
    before = set(threading.enumerate())
    *_, bar = next(work)
    assert "progressbar" in bar
    assert setting.wait(60)
    work.close()  # as gradio does on Cancel, and when the page is closed
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    return list(files_below(tmp_path / "page"))


def test_cancelling_leaves_no_file(
    trained: TrainedModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert stopped_half_way(hand_in.make_files(trained, WORDS), monkeypatch, tmp_path) == []
    named = hand_in.hand_in(trained, WORDS, "Ada", "1234567")
    assert stopped_half_way(named, monkeypatch, tmp_path) == []
    # What nobody stops is there, whole.
    *_, (ready, bar) = hand_in.make_files(trained, WORDS)
    assert bar == ""
    assert [Path(path).name for path in ready["value"]] == ["notebook.ipynb", "report.pdf"]
    assert len(list(files_below(tmp_path / "page"))) == 2


def test_a_notebook_that_reads_files_comes_with_them(
    trained: TrainedModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "page"))
    picture = own_picture()
    selection = {"model": "mine@1", "image": content_hash(picture)}
    session = Session(
        steps=(Step("network.prediction", selection, "Mine", "kept"),), files={selection["image"]: picture}
    )
    *_, (ready, _) = hand_in.make_files(trained, session)
    assert "the files it reads" in ready["label"]
    assert [Path(path).name for path in ready["value"]] == ["notebook.zip", "report.pdf"]
    with zipfile.ZipFile(ready["value"][0]) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    notebook = nbformat.reads(inside.pop("notebook.ipynb").decode(), as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert sorted({Path(name).parts[0] for name in inside}) == ["images", "runs"]
    [image] = [name for name in inside if name.startswith("images/")]
    assert f"explorer.read_image('{image}')" in code
    assert inside[image] == picture
    assert "runs/mine/config.json" in inside
    # The next download is spoken of as usual.
    assert hand_in.keep_file(session)["label"] == "Ready to download"
