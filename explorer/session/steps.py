"""What the user did, for replay: steps, each of a kind and with its arguments, and the files that they need.

A saved session is a ZIP of one JSON file, pictures, and networks and data sets of the user's own. It is data:
reading it runs nothing and writes nothing, names no path of the computer, and anything that doesn't fit the form below
is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import Image

from explorer.errors import ExplorerError, suggest
from explorer.session.archive import MAX_BYTES, pack, unpack
from explorer.session.network_file import MAX_NETWORKS_BYTES, is_network_file, read_labels, too_large
from explorer.session.picture_zip import MAX_PICTURES_BYTES, check_picture_zip, is_picture_zip
from explorer.session.picture_zip import too_large as too_many_pictures
from explorer.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 2
"""Of files that are written. Format 1 names kinds by what made them and is read for ever: the words below say how."""
MAX_STEPS = 200
MAX_TEXT = 20_000
MAX_OUTPUT = 200_000
"""Characters of a result in words; the longest networks of the catalogue print 90 000."""
MAX_TITLE = 200
FIGURE_DPI = 120
"""Of a figure kept as a picture, and of the same figure in the notebook's cell."""
MAX_PICTURE_PIXELS = 50_000_000
MAX_JSON_BYTES = 8 * 2**20
MAX_FILES_BYTES = MAX_BYTES - MAX_JSON_BYTES
"""Of all files and pictures together: what is saved must be read again."""
_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scikit-learn",
    "matplotlib",
    "opencv-python-headless",
    "pillow",
)
_CONTENT = "session.json"
_ALLOWED = re.compile(r"session\.json|(pictures|files)/[0-9a-f]{64}")
_FORMAT_1 = ("function", "arguments", "title", "comment", "text", "picture", "versions")
_FIELDS: Mapping[int, tuple[str, ...]] = {1: _FORMAT_1, FORMAT: ("kind", *_FORMAT_1[1:], "results", "task")}
"""Format → the fields of a step; the first names its kind. What a format holds never changes."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_REMEDY = "choose a session that this program has saved"


@dataclass(frozen=True)
class Step:
    """One thing that a user keeps.

    Attributes:
        kind: the stable name of what it is, such as ``"activation.map"``; ``"text"`` for words alone.
        arguments: what its cell is written from, as JSON: numbers, text, lists. A picture is named by the SHA-256 of
            its file, a network by its name, or by its architecture and the SHA-256 of its file, pictures to train on
            by the SHA-256 of their zip.
        title, comment: the user's words, plain text.
        text: what the result says in words and numbers.
        picture: the result as shown, the bytes of a PNG; empty if there is none.
        versions: package → version, of what computed it.
        results: its numbers, as JSON, where no argument has them: what ``text`` is made of.
        task: the number of the task that it answers, such as ``"3.4"``; empty where there is no sheet.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    comment: str = ""
    text: str = ""
    picture: bytes = b""
    versions: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    task: str = ""


def step_of(
    kind: str,
    arguments: Mapping[str, Any],
    title: str,
    sentence: str = "",
    picture: np.ndarray | Figure | None = None,
) -> Step:
    """A step with its results: what the notebook's cell prints, and the pixels or the figure that it shows."""
    file = io.BytesIO()
    if isinstance(picture, np.ndarray):
        Image.fromarray(picture).save(file, "PNG", compress_level=6)
    elif picture is not None:
        picture.savefig(file, dpi=FIGURE_DPI, facecolor="white")
    text = f"{sentence}\n" if sentence else ""
    return Step(
        kind,
        arguments,
        title=title[:MAX_TITLE],
        text=text,
        picture=file.getvalue(),
        versions=dict(versions()),
    )


@dataclass(frozen=True)
class Session:
    """Steps in order, a title, and the files that the steps use (pictures, networks, data): SHA-256 → content.

    ``sheet`` names the exercise sheet whose tasks the steps answer, empty without one.
    The functions below return a changed copy; positions count from 0.
    """

    title: str = "Looking inside a convolutional network"
    steps: tuple[Step, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    sheet: str = ""

    def add(self, step: Step, files: Iterable[bytes] = ()) -> Session:
        """With one step more at the end, and the files that it uses.

        Raises:
            ExplorerError: more steps, words, pictures, networks or pictures to train on than a session may hold.
        """
        if len(self.steps) >= MAX_STEPS:
            rule = f"is more than a session holds ({MAX_STEPS})"
            raise ExplorerError(f"step {len(self.steps) + 1}", rule, "remove some, or begin another session")
        _check_words(step, len(self.steps))
        everything = {**self.files, **{content_hash(content): content for content in files}}
        _check_size(everything.values(), "of your own in this session")
        return _that_fits(replace(self, steps=(*self.steps, step), files=everything))

    def rename(self, title: str) -> Session:
        """With another title."""
        return replace(self, title=_text(title.strip(), MAX_TITLE, "the title"))

    def change(self, position: int, *, title: str | None = None, comment: str | None = None) -> Session:
        """With other words at one step."""
        step = self.steps[self._checked(position)]
        if title is not None:
            step = replace(step, title=title.strip())
        changed = step if comment is None else replace(step, comment=comment.replace("\r\n", "\n"))
        _check_words(changed, position)
        return _that_fits(replace(self, steps=(*self.steps[:position], changed, *self.steps[position + 1 :])))

    def remove(self, position: int) -> Session:
        """Without one step, and without the files that no other step uses."""
        self._checked(position)
        steps = self.steps[:position] + self.steps[position + 1 :]
        return replace(self, steps=steps, files=_used(self.files, steps))

    def move(self, position: int, to: int) -> Session:
        """With one step put at another position; beyond the ends means at the end."""
        steps = list(self.steps)
        step = steps.pop(self._checked(position))
        steps.insert(max(0, to), step)
        return replace(self, steps=tuple(steps))

    def _checked(self, position: int) -> int:
        if not 0 <= position < len(self.steps):
            rule = f"is not one of the {len(self.steps)} steps"
            raise ExplorerError(f"step {position + 1}", rule, "choose one from the list")
        return position


def content_hash(content: bytes) -> str:
    """The name of a file's content: its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@cache
def versions() -> Mapping[str, str]:
    """Package → version, of everything that can change a number or a pixel."""
    found = {"cnn-explorer": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def save_session(session: Session) -> bytes:
    """The session as a file: a ZIP with the pictures inside. The same session gives the same bytes.

    Raises:
        ExplorerError: more than :func:`read_session` would read.
    """
    _that_fits(session)
    files = {f"files/{name}": content for name, content in _used(session.files, session.steps).items()}
    steps = []
    for step in session.steps:
        row = {name: value for name, value in asdict(step).items() if value}
        if step.picture:
            row["picture"] = content_hash(step.picture)
            files[f"pictures/{row['picture']}"] = step.picture
        steps.append(row)
    files[_CONTENT] = _as_json(session, steps)
    return pack(files)


def _as_json(session: Session, steps: list[dict[str, Any]]) -> bytes:
    sheet = {"sheet": session.sheet} if session.sheet else {}
    record = {"format": FORMAT, "title": session.title, **sheet, "steps": steps}
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _that_fits(session: Session) -> Session:
    """``session``, if its file can be read again. Raises ExplorerError if it holds too much for that."""
    pictures = {step.picture for step in session.steps}
    size = sum(map(len, {*pictures, *_used(session.files, session.steps).values()}))
    if size > MAX_FILES_BYTES:
        rule = f"are more than a session's file holds ({MAX_FILES_BYTES / 1e6:.0f} MB)"
        remedy = "remove steps, or begin another session"
        raise ExplorerError(f"{size / 1e6:.0f} MB of pictures and files", rule, remedy)
    words = [{**asdict(replace(step, picture=b"")), "picture": "0" * 64} for step in session.steps]
    size = len(_as_json(session, words))
    if size > MAX_JSON_BYTES:
        rule = f"are more than a session's file holds ({MAX_JSON_BYTES:,})"
        raise ExplorerError(f"{size:,} bytes of words and numbers", rule, "shorten some, or remove steps")
    return session


def read_session(data: bytes, kinds: Mapping[str, str], what: str = "the session file") -> Session:
    """The inverse of :func:`save_session`.

    Args:
        data: the file's bytes.
        kinds: every name that a kind of step has or ever had → its name today. Arguments are checked by what
            carries the steps out.
        what: the file's name for messages.

    Raises:
        ExplorerError: not a session, damaged, from a later version, an unknown kind, content that isn't what
            its name says, or more than a session may hold.
    """
    files = unpack(data, _ALLOWED, what)
    record = _parsed(files.pop(_CONTENT, b""), what)
    for name, content in files.items():
        if name.partition("/")[2] != content_hash(content):
            raise ExplorerError(f"{name[:24]}… in {what}", "isn't what its name says", _REMEDY)
    version = record.get("format")
    if type(version) is not int or version not in _FIELDS:
        known = " and ".join(map(str, _FIELDS))
        rule = f"has format {version!r:.20}; this program reads the formats {known}"
        raise ExplorerError(what, rule, "open it with the program's version that saved it")
    rows = record.get("steps")
    if not isinstance(rows, list) or len(rows) > MAX_STEPS:
        raise ExplorerError(what, f"has no list of up to {MAX_STEPS} steps", _REMEDY)
    steps = tuple(_step(row, number, files, kinds, version) for number, row in enumerate(rows))
    title = _text(record.get("title", ""), MAX_TITLE, "the title")
    sheet = _text(record.get("sheet", ""), MAX_TITLE, "the sheet's name")
    contents = {
        name.partition("/")[2]: content for name, content in files.items() if name.startswith("files/")
    }
    _check_size(contents.values(), f"in {what}")
    for name, content in contents.items():
        if is_network_file(content):
            read_labels(content, f"the network {name[:12]}… in {what}")
        elif is_picture_zip(content):
            check_picture_zip(content, f"the pictures {name[:12]}… in {what}")
    return Session(title, steps, contents, sheet)


def _used(files: Mapping[str, bytes], steps: Iterable[Step]) -> dict[str, bytes]:
    """The files that these steps name."""
    named = json.dumps([dict(step.arguments) for step in steps])
    return {name: content for name, content in files.items() if name in named}


def _check_size(files: Iterable[bytes], what: str) -> None:
    """Raises ExplorerError for more networks, or pictures to train on, than a session holds."""
    files = list(files)
    size = sum(len(content) for content in files if is_network_file(content))
    if size > MAX_NETWORKS_BYTES:
        raise too_large(f"the networks {what}", size)
    size = sum(len(content) for content in files if is_picture_zip(content))
    if size > MAX_PICTURES_BYTES:
        raise too_many_pictures(f"the pictures {what}", size)


def _parsed(content: bytes, what: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    def finite(digits: str) -> float:
        number = float(digits)
        return number if math.isfinite(number) else refuse(digits)

    if not content or len(content) > MAX_JSON_BYTES:
        raise ExplorerError(what, f"has no {_CONTENT} of up to {MAX_JSON_BYTES:,} bytes", _REMEDY)
    try:
        record = json.loads(content.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise ExplorerError(f"{_CONTENT} in {what}", f"is not valid JSON ({error})", _REMEDY) from error
    if not isinstance(record, dict):
        raise ExplorerError(f"{_CONTENT} in {what}", "is not a JSON object", _REMEDY)
    return record


def _step(row: Any, number: int, files: Mapping[str, bytes], kinds: Mapping[str, str], version: int) -> Step:
    where = f"step {number + 1}"
    known = _FIELDS[version]
    if not isinstance(row, dict) or not set(row) <= set(known):
        raise ExplorerError(where, f"has other fields than {', '.join(known)}", _REMEDY)
    words = {
        name: _text(row.get(name, ""), longest, f"the {name} of {where}")
        for name, longest in (("title", MAX_TITLE), ("comment", MAX_TEXT), ("text", MAX_OUTPUT), ("task", 20))
    }
    step = Step(
        _kind(row.get(known[0]), where, kinds),
        _object(row.get("arguments", {}), f"the arguments of {where}"),
        picture=_picture(row.get("picture"), number, files),
        versions=_object(row.get("versions", {}), f"the versions of {where}"),
        results=_object(row.get("results", {}), f"the results of {where}"),
        **words,
    )
    if not all(isinstance(v, str) and len(v) < 100 for v in step.versions.values()):
        raise ExplorerError(f"the versions of {where}", "are not short texts", _REMEDY)
    _check_words(step, number)
    return step


def _kind(name: Any, where: str, kinds: Mapping[str, str]) -> str:
    if not isinstance(name, str) or name not in kinds:
        known = sorted(set(kinds.values()))
        remedy = suggest(str(name)[:80], known, f"the list {', '.join(known)}")
        raise ExplorerError(f"kind {name!r:.80} of {where}", "is not one that this program knows", remedy)
    return kinds[name]


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ExplorerError(what, "are not a JSON object", _REMEDY)
    return value


def _picture(name: Any, number: int, files: Mapping[str, bytes]) -> bytes:
    if name is None:
        return b""
    content = files.get(f"pictures/{name}")
    if content is None:
        raise ExplorerError(f"the picture of step {number + 1}", "is missing from the session", _REMEDY)
    check_png(content, f"the picture of step {number + 1}")
    return content


def check_png(content: bytes, what: str) -> None:
    """Raises ExplorerError unless ``content`` is a whole PNG of a size that can be shown."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as opened:
            width, height = opened.size
            if width * height > MAX_PICTURE_PIXELS:
                rule = f"has {width}×{height} px, more than {MAX_PICTURE_PIXELS:,}"
                raise ExplorerError(what, rule, _REMEDY)
            opened.verify()
    except ExplorerError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly every kind
        raise ExplorerError(what, f"is not a PNG that can be read ({error})", _REMEDY) from error


def _text(value: Any, longest: int, what: str) -> str:
    if not isinstance(value, str):
        raise ExplorerError(what, "is not text", _REMEDY)
    if len(value) > longest:
        rule = f"is longer than {longest:,}"
        raise ExplorerError(f"{what} with {len(value):,} characters", rule, "shorten it")
    if unprintable := _UNPRINTABLE.search(value):
        rule = f"holds the character U+{ord(unprintable[0]):04X}, which can't be printed"
        raise ExplorerError(what, rule, "remove it")
    return value


def _check_words(step: Step, position: int) -> None:
    _text(step.title, MAX_TITLE, f"the title of step {position + 1}")
    _text(step.comment, MAX_TEXT, f"the comment of step {position + 1}")
    _text(step.text, MAX_OUTPUT, f"the text of step {position + 1}")
