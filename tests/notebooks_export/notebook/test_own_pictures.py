"""Results on pictures of one's own are kept with the pictures, and made again from what is handed in alone."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explorer.errors import ExplorerError
from explorer.session.picture_zip import check_picture_zip, picture_zip
from explorer.session.steps import Session, Step, content_hash, read_session, save_session
from explorer.workbench import Workbench
from notebooks_export import build_notebook, build_submission, exercise_sheet, notebook_files, perform
from notebooks_export.kinds.registry import NAMES
from tests.notebooks_export.fresh_kernel import assert_shows_the_same, pixels
from tests.notebooks_export.test_hostile_pictures import gallery_of
from training import TrainConfig, load_dataset
from training.data.load import Dataset
from training.data.opened import Choice, DatasetCache
from training.report.comparison import group_runs
from training.report.inside import Scene
from training.report.predictions import predict_test_images
from training.runs import folders as runs
from training.runs.catalogue import TrainedModels
from training.runs.folders import Run
from training.runs.worker import work
from training.tabs import keeping

SECRET = "where-my-pictures-lie"
CLASSES = ("a", "a b", "Käfer", 'жук\'s "x"')
ODD = (
    "10",
    "9",
    "a",
    "a b",
    "a-b",
    " a",
    "a ",
    "train",
    "Test",
    "蝶 と 蛾",
    "🐞",
    "it's",
    'say "x"',
    "e\u0301",
    "é",
)


def draw(folder: Path, names: Mapping[str, int], seed: int = 0) -> Path:
    """So many pictures in each subfolder, of any size and of two formats, a colour of its own for each."""
    random = np.random.default_rng(seed)
    for index, (name, count) in enumerate(names.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            size = (*random.integers(34, 60, 2), 3)
            made = (random.integers(0, 120, size) + 30 * (index % 4)).astype(np.uint8)
            suffix = "jpg" if number % 3 == 0 else "png"
            Image.fromarray(made).save(folder / name / f"{seed}-{number}.{suffix}")
    return folder


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.*"), reverse=True):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


def data_of(source: Path, size: int = 32, **more: Any) -> Dataset:
    return load_dataset(TrainConfig(dataset="folder", data_dir=str(source), image_size=size, **more))


def packed(data: Dataset) -> bytes:
    train, test = (data.train_images, data.train_classes), (data.test_images, data.test_classes)
    return picture_zip(data.labels, {"train": train, "test": test})


def assert_same_data(one: Dataset, other: Dataset) -> None:
    assert one.labels == other.labels
    for name in ("train_images", "train_classes", "test_images", "test_classes"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.fingerprint == other.fingerprint


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNN_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp(SECRET) / "insects", dict.fromkeys(CLASSES, 20))


@pytest.fixture(scope="module")
def root(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small runs on them."""
    root = tmp_path_factory.mktemp("runs")
    config = TrainConfig(dataset="folder", data_dir=str(folder), epochs=2, threads=1, device="cpu")
    for name, augmentation in {"plain": (), "flipped": ("flip",)}.items():
        made = runs.create(replace(config, augmentation=augmentation), root, name)
        work(made, on_epoch=lambda result: None)
    return root


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return runs.read_run(root / "plain")


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return data_of(folder)


@pytest.fixture(scope="module")
def session(folder: Path, root: Path, run: Run, data: Dataset, tmp_path_factory: Any) -> Session:
    """Everything that the lab can keep, with pictures of one's own."""
    opened = DatasetCache(offline=True).open(Choice("folder", str(folder)))
    found = predict_test_images(run.folder, 2, data)
    test_image = tmp_path_factory.mktemp("scene") / "test-3.png"
    Image.fromarray(np.asarray(data.test_images[3])).save(test_image)
    bench, scene = (
        Workbench(offline=True, source=TrainedModels(root)),
        Scene(str(test_image), 1, "A test image"),
    )
    cell = np.argwhere(found.confusion)[0]
    session = Session()
    for step, files in (
        keeping.keep_gallery(opened, 0),
        keeping.keep_pairs(opened, ["flip", "crop"], 1),
        keeping.keep_curves(run),
        keeping.keep_comparison(group_runs([run, runs.read_run(root / "flipped")]), "accuracy"),
        keeping.keep_classes(run, 2),
        keeping.keep_confusion(run, 2, None, found, data),
        keeping.keep_mistakes(run, 2, None, found, data, None),
        keeping.keep_mistakes(run, 2, None, found, data, (int(cell[0]), int(cell[1]))),
        keeping.keep_first_layer(bench, run, 2, scene),
        keeping.keep_saliency(bench, run, 1, scene),
        keeping.keep_film(bench, run, scene, [0, 1, 2]),
    ):
        session = session.add(step, files)
    return session


def test_pictures_come_back_as_they_were_under_any_class_name(tmp_path: Path) -> None:
    before = data_of(draw(tmp_path / "odd", dict.fromkeys(ODD, 5)), 20)
    content = packed(before)
    (tmp_path / "again.zip").write_bytes(content)
    after = data_of(tmp_path / "again.zip", 20)
    assert after.labels == tuple(sorted(ODD))
    assert_same_data(before, after)
    assert packed(after) == content
    listed = check_picture_zip(content, "x")
    assert (listed.labels, listed.count, listed.size_px) == (after.labels, 5 * len(ODD), 20)


def test_the_order_is_that_of_the_classes_however_a_folder_is_packed(tmp_path: Path) -> None:
    """A blank sorts before the slash behind a folder's name; two names for training would follow one another."""
    names = {
        "train/a": 3,
        "train/a b": 2,
        "training/a": 2,
        "test/a b": 1,
        "val/a": 2,
        "train/c": 1,
        "val/c": 1,
    }
    folder = draw(tmp_path / "pets", names)
    of_folder, of_zip = data_of(folder), data_of(zipped(folder, tmp_path / "pets.zip"))
    assert of_folder.train_classes.tolist() == [0, 0, 0, 0, 0, 1, 1, 2]
    assert of_folder.test_classes.tolist() == [0, 0, 1, 2]
    assert_same_data(of_folder, of_zip)
    (tmp_path / "again.zip").write_bytes(packed(of_zip))
    assert_same_data(of_folder, data_of(tmp_path / "again.zip"))


def test_what_was_left_out_stays_out(tmp_path: Path) -> None:
    folder = draw(tmp_path / "pets", {"a": 6, "b": 6})
    (folder / "a" / "0-1.png").write_bytes(b"broken")
    data = data_of(folder, skip_broken=True)
    (tmp_path / "again.zip").write_bytes(packed(data))
    assert_same_data(data, data_of(tmp_path / "again.zip"))
    limited = data_of(folder, skip_broken=True, max_train_images=4, max_test_images=2)
    (tmp_path / "limited.zip").write_bytes(packed(limited))
    assert np.array_equal(data_of(tmp_path / "limited.zip").train_images, limited.train_images)


@pytest.mark.parametrize("name", ["a\\b", "line\nbreak", "x" * 121, "a\udcffb"])
def test_class_names_that_can_not_go_along(name: str) -> None:
    images, classes = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
    with pytest.raises(ExplorerError, match="rename its folder"):
        picture_zip(sorted(["a", name]), {"train": (images, classes), "test": (images, classes)})
    with pytest.raises(ExplorerError, match="'b' has no picture"):
        picture_zip(["a", "b"], {"train": (images, classes * 0), "test": (images, classes * 0)})


@pytest.mark.slow
def test_everything_kept_in_a_fresh_kernel_on_another_computer(
    session: Session,
    root: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [own] = {content_hash(content) for content in session.files.values() if content[:2] == b"PK"}
    opened = read_session(save_session(session), NAMES)
    notebook, files = build_notebook(opened, runs=root), notebook_files(opened, runs=root)
    assert content_hash(files[f"data/{own[:16]}.zip"]) == own
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "there").mkdir()
    hidden = folder.rename(folder.with_name("hidden"))
    try:
        assert_shows_the_same(notebook, files, tmp_path / "there", monkeypatch)
    finally:
        hidden.rename(folder)


def test_steps_are_carried_out_anew_from_the_session(session: Session, root: Path) -> None:
    again = perform(session, anew=True, runs=root)
    for before, after in zip(session.steps, again.steps, strict=True):
        assert before.text == after.text
        assert np.array_equal(pixels(before.picture), pixels(after.picture))


def test_no_path_of_this_computer_goes_along(session: Session, root: Path) -> None:
    made = build_submission(session, surname="Ada", matriculation_number="1234567", runs=root)
    assert made == build_submission(session, surname="Ada", matriculation_number="1234567", runs=root)
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert [name for name in files if name.startswith("Ada-1234567/data/")]
    assert not [name for name, content in files.items() if SECRET.encode() in content]
    with zipfile.ZipFile(io.BytesIO(files["Ada-1234567/session.zip"])) as archive:
        assert not [name for name in archive.namelist() if SECRET.encode() in archive.read(name)]


@pytest.mark.parametrize("here", [True, False], ids=["with the pictures", "without"])
def test_the_exercise_sheet_with_runs_on_them(here: bool, root: Path, folder: Path) -> None:
    hidden = folder if here else folder.rename(folder.with_name("hidden"))
    try:
        sheet = exercise_sheet(
            model="efficientnet_lite0", plain=root / "plain", augmented=root / "flipped", teacher=True
        )
    finally:
        hidden.rename(folder)
    task = replace(sheet, steps=tuple(step for step in sheet.steps if step.title.startswith("3.")))
    done = perform(read_session(save_session(task), NAMES))
    images, _, _, _, _, both, _ = done.steps
    assert ("Shapes-10" in images.title) is not here
    assert images.arguments["config"].get("dataset") == ("folder" if here else "shapes10")
    [run, other] = both.arguments["configs"].values()
    assert (run["data_dir"] == "own:") is not here
    assert other == {**run, "augmentation": ["flip"]}
    assert both.text.count("epoch 2: ") == 2
    assert "can't be put down to these" not in done.steps[-1].comment  # they differ in augmentation alone
    saved = save_session(done) + b"".join(notebook_files(done).values())
    assert SECRET.encode() not in saved
    if here:
        expected, _ = keeping.keep_gallery(DatasetCache(offline=True).open(Choice("folder", str(folder))), 0)
        assert np.array_equal(pixels(images.picture), pixels(expected.picture))


def test_the_sheet_compares_runs_on_the_same_pictures_only(root: Path, tmp_path: Path) -> None:
    config = runs.read_run(root / "plain").config
    other = draw(tmp_path / "insects", dict.fromkeys(CLASSES, 6), seed=1)
    made = runs.create(replace(config, data_dir=str(other), epochs=1), tmp_path / "runs", "other")
    work(made, on_epoch=lambda result: None)
    with pytest.raises(
        ExplorerError, match=r"they saw 'insects' \(\w{6}\) at 32 px and 'insects' \(\w{6}\) at"
    ):
        exercise_sheet(model="efficientnet_lite0", plain=root / "plain", augmented=made)


def test_one_file_for_all_steps_and_none_without(session: Session, run: Run, data: Dataset) -> None:
    assert content_hash(packed(data)) in session.files
    for _ in session.steps:
        session = session.remove(0)
    assert not session.files


def test_training_again_from_the_notebook_is_the_same_training(
    session: Session, root: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Session(steps=(session.steps[2],), files=session.files)
    for name, content in notebook_files(alone, runs=root).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    setup, cell = (c.source for c in build_notebook(alone).cells if c.cell_type == "code")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(f"{setup}\n{cell.replace('= False', '= True').replace('Image.open(file)', '')}", names)
    [again] = names["histories"].values()
    assert [r.test_loss for r in again] == [r.test_loss for r in runs.history(run.folder)]


def test_curves_stay_when_the_pictures_are_gone_changed_or_too_many(
    root: Path, run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(place: Path) -> Step:
        moved = replace(run, config=replace(run.config, data_dir=str(place)))
        (step, files), (other, more) = keeping.keep_curves(moved), keeping.keep_classes(moved, 2)
        assert not [*files, *more]
        session = read_session(save_session(Session().add(step).add(other)), NAMES)
        cells = [c.source for c in build_notebook(session).cells if c.id.endswith("-code")]
        sentence = "# To train again, put the folder of the pictures, or a zip of it, in data_dir's place."
        assert all(sentence in cell for cell in cells)
        for before, after in zip(session.steps, perform(session, anew=True).steps, strict=True):
            assert before.text == after.text
            assert np.array_equal(pixels(before.picture), pixels(after.picture))
        return step

    gone = kept(tmp_path / "gone")
    shutil.copytree(folder, tmp_path / "changed")
    (tmp_path / "changed" / "a" / "0-1.png").unlink()
    changed = kept(tmp_path / "changed")
    monkeypatch.setattr("explorer.session.picture_zip.MAX_PICTURES_BYTES", 20_000)
    for step in (gone, changed, kept(folder)):
        assert [knobs["data_dir"] for knobs in step.arguments["configs"].values()] == ["own:"]
    opened = DatasetCache(offline=True).open(Choice("folder", str(folder)))
    with pytest.raises(ExplorerError) as caught:
        keeping.keep_gallery(opened, 0)
    assert "80 pictures (by a sample of them) with 0 MB" in caught.value.value
    assert "a smaller image size" in caught.value.remedy


def test_pictures_that_are_a_little_too_many(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(data)
    monkeypatch.setattr("explorer.session.picture_zip.MAX_PICTURES_BYTES", len(content))
    assert packed(data) == content
    for limit, words in (
        (len(content) - 1, "80 pictures with"),
        (int(0.85 * len(content)), "of 80 pictures with"),
    ):
        monkeypatch.setattr("explorer.session.picture_zip.MAX_PICTURES_BYTES", limit)
        with pytest.raises(ExplorerError, match=words):
            packed(data)
        with pytest.raises(ExplorerError, match=r"^x with"):
            check_picture_zip(content, "x")


def test_a_session_holds_so_many_pictures(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = packed(data)
    second = packed(replace(data, test_images=data.test_images[::-1]))
    steps = [gallery_of(content) for content in (first, second)]
    session = Session().add(steps[0], [first])
    both = save_session(session.add(steps[1], [second]))
    monkeypatch.setattr("explorer.session.steps.MAX_PICTURES_BYTES", len(first) + len(second) - 1)
    for action in (lambda: session.add(steps[1], [second]), lambda: read_session(both, NAMES)):
        with pytest.raises(ExplorerError, match="of your own pictures in all"):
            action()


def test_pictures_that_are_gone_from_the_session(session: Session, root: Path) -> None:
    without = replace(session, files={})
    for action in (build_notebook, perform, notebook_files):
        with pytest.raises(ExplorerError, match="of step 1 are not in the session any more"):
            action(Session(steps=without.steps[:1]), runs=root)
