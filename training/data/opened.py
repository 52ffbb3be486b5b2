"""Data sets that were opened for looking at: mapped from disk once, shared read-only by all who look."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from explorer.caches import ByteBudgetCache
from explorer.errors import ExplorerError
from explorer.networks.download import DownloadProgress
from explorer.whole_file import read_bytes, whole_file, write_whole
from training.config import TrainConfig
from training.data.downloads import CLASSES
from training.data.load import Dataset, cache_dir, channel_statistics, is_on_disk, load_dataset

MAPPED_BYTES = 8 * 2**30
"""Of addresses, not of memory: the arrays stay on disk."""
OnProgress = Callable[[float, str], None]


@dataclass(frozen=True)
class Choice:
    """Which data: the knobs of a recipe that say so."""

    dataset: str = "shapes10"
    data_dir: str | None = None
    image_size: int = 32
    skip_broken: bool = False

    def config(self) -> TrainConfig:
        """A recipe with this data; raises ExplorerError where the knobs are wrong."""
        return TrainConfig(
            dataset=self.dataset,
            data_dir=self.data_dir,
            image_size=self.image_size,
            skip_broken=self.skip_broken,
        )


@dataclass(frozen=True)
class Opened:
    """A data set with what was measured on its training pixels: mean and std per channel, in [0, 1]."""

    choice: Choice
    data: Dataset
    mean: tuple[float, ...]
    std: tuple[float, ...]


class DatasetCache:
    """Opens data sets and keeps them mapped. ``offline``: never try the network."""

    def __init__(self, *, offline: bool = False) -> None:
        self.offline = offline
        self._opened: ByteBudgetCache[Choice, Opened] = ByteBudgetCache(
            MAPPED_BYTES, lambda found: _size(found.data)
        )
        self._images: ByteBudgetCache[tuple[Choice, int | None, int | None], Dataset] = ByteBudgetCache(
            MAPPED_BYTES, _size
        )

    def open(self, choice: Choice, report: OnProgress = lambda share, what: None) -> Opened:
        """The data set, made, decoded or downloaded if it must be.

        ``report`` hears the share done, in [0, 1], and of what; it may raise to cancel.

        Raises:
            ExplorerError: as :func:`training.load_dataset`; or it would have to be downloaded, offline.
        """
        config = choice.config()
        if self.offline and choice.dataset in CLASSES and not is_on_disk(config):
            raise ExplorerError(
                f"the data set {choice.dataset!r}",
                "isn't on this computer, and this is offline mode",
                "name its archive or folder, or choose Shapes-10",
            )
        return self._opened.get_or_make(choice, lambda: _open(choice, config, report))

    def reopen(self, choice: Choice, report: OnProgress) -> Opened:
        """The same, looking anew at what lies in a folder."""
        if choice.dataset != "folder":
            return self.open(choice, report)
        found = _open(choice, choice.config(), report)
        self._opened.put(choice, found)
        _remember(found)
        return found

    def opened_as(self, fingerprint: str) -> Choice | None:
        """Which of the users' own pictures had this fingerprint when they were opened, if they are still there."""
        if not re.fullmatch(r"[0-9a-f]{16}", fingerprint):
            return None
        try:
            choice = Choice(**json.loads(read_bytes(_note_of(fingerprint))))
            return choice if is_here(choice) else None
        except (OSError, ValueError, TypeError, ExplorerError):
            return None

    def images_of(self, config: TrainConfig, labels: Sequence[str], opened: Opened | None = None) -> Dataset:
        """The images that a run was trained and tested on.

        Where they would have to be downloaded, ``opened`` takes their place if it has the same classes.

        Raises:
            ExplorerError: neither is here.
        """
        choice = Choice(config.dataset, config.data_dir, config.image_size, config.skip_broken)
        if is_here(choice):
            key = (choice, config.max_train_images, config.max_test_images)
            return self._images.get_or_make(key, lambda: load_dataset(config))
        if opened is not None and opened.data.labels == tuple(labels):
            return opened.data
        raise ExplorerError(
            f"the images of {config.dataset}, with which this run was tested,",
            "aren't on this computer",
            "open them under 1 · Data (or a folder with the same classes), or choose another run",
        )


def _note_of(fingerprint: str) -> Path:
    return cache_dir() / "opened" / f"{fingerprint}.json"


def _remember(found: Opened) -> None:
    """Note where pictures of this content lie, so that the page's address finds them after a restart, too."""
    note = _note_of(found.data.fingerprint)
    with suppress(OSError):  # a full disk: the pictures are open all the same
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, json.dumps(asdict(found.choice)).encode(), durable=False)


def _open(choice: Choice, config: TrainConfig, report: OnProgress) -> Opened:
    report(0.0, "Opening the images")

    def downloaded(progress: DownloadProgress) -> None:
        done, total = progress.done_bytes, progress.total_bytes
        # A server need not say how much is to come.
        of = f" of {total / 1e6:.0f}" if total else ""
        report(done / total if total else 0.0, f"Downloading: {done / 1e6:.0f}{of} MB")

    doing = "Drawing" if choice.dataset == "shapes10" else "Decoding"
    data = load_dataset(
        config,
        on_download=downloaded,
        on_unpack=lambda: report(0.0, "Checking and unpacking the archive"),
        on_decode=lambda done, total: report(done / total, f"{doing}: {done:,} of {total:,} images"),
    )
    report(1.0, f"Measuring {len(data.train_classes):,} training images")
    return Opened(choice, data, *channel_statistics(data))


def _size(data: Dataset) -> int:
    return data.train_images.nbytes + data.test_images.nbytes


def is_here(choice: Choice) -> bool:
    """Whether opening it needs no download."""
    return is_on_disk(choice.config())


def keep_upload(path: Path) -> Path:
    """Copy an uploaded file to where it stays; the upload itself is deleted after a while.

    Equal content is kept once, under the file's own name with a digest.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    stem = re.sub(r"[^\w.-]+", "-", path.stem)[:60] or "data"
    kept = cache_dir() / "uploads" / digest / f"{stem}{path.suffix}"
    if not kept.exists():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, whole_file(kept, durable=False) as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            if kept.exists():  # somebody else kept the same meanwhile, and it is being read
                return kept
            raise ExplorerError(
                f"{path.name}", f"cannot be kept in {kept.parent} ({error.strerror})", "make room there"
            ) from error
    return kept
