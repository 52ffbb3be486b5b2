"""What a step's arguments may be. Session files come from anywhere, and these values become code."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, get_args

from explorer.catalogue import catalogue
from explorer.errors import ExplorerError, suggest
from explorer.images import sample_images
from explorer.picture_zip import OWN_DATA
from explorer.receptive_field_stack import Kind
from training import TrainConfig, list_networks
from training.layer_line import is_layer_line

Check = Callable[[str, Any], Any]
"""(name, value) → the value in its one form; raises ExplorerError if it isn't allowed."""

MAX_CELLS = 4096
MAX_RUNS = 12
MAX_EPOCHS = 120  # rows of numbers in a cell
SAMPLE = "sample:"
_HASH = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"\w[\w .,+=-]{0,109}@[0-9]{1,6}")  # as training.runs names them
_LAYER = re.compile(r"[A-Za-z_][\w.]{0,199}")


def one_of(*choices: Any) -> Check:
    """One of some values, of the same type."""

    def check(name: str, value: Any) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise _refused(name, value, f"one of {', '.join(map(repr, choices))}")
        return value

    return check


def whole(low: int, high: int) -> Check:
    """A whole number in [low, high]."""

    def check(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _refused(name, value, f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    """A number in [low, high]."""

    def check(name: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise _refused(name, value, f"a number from {low:g} to {high:g}")
        return value

    return check


def optional(check: Check) -> Check:
    """None, or what ``check`` allows."""
    return lambda name, value: None if value is None else check(name, value)


def several(check: Check, least: int, most: int) -> Check:
    """A tuple of what ``check`` allows."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not least <= len(value) <= most:
            raise _refused(name, value, f"a list of {least} to {most}")
        return tuple(check(name, part) for part in value)

    return check_all


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise _refused(name, value, "true or false")
    return value


def layer_name(name: str, value: Any) -> str:
    """A layer's dotted name."""
    if not isinstance(value, str) or not _LAYER.fullmatch(value):
        raise _refused(name, value, "a layer's name: letters, digits, dots and underscores")
    return value


def typed(name: str, value: Any) -> str:
    """What somebody typed into a cell: up to 40 printable characters, or nothing."""
    if not isinstance(value, str) or len(value) > 40 or not value.isprintable():
        raise _refused(name, value, "up to 40 printable characters")
    return value


def numbers(name: str, value: Any) -> Any:
    """A finite number, or nested lists of them: up to 4 axes and :data:`MAX_CELLS` cells."""

    def clean(part: Any, axes: int) -> tuple[Any, int]:
        if isinstance(part, list | tuple) and axes < 4 and 0 < len(part) <= MAX_CELLS:
            cleaned = [clean(inner, axes + 1) for inner in part]
            return [inner for inner, _ in cleaned], sum(count for _, count in cleaned)
        if type(part) in (int, float) and math.isfinite(part) and abs(part) < 1e30:
            return (int(part) if part == int(part) else float(part)), 1
        raise _refused(name, part, "a finite number, or lists of them in up to 4 axes")

    cleaned, count = clean(value, 0)
    if count > MAX_CELLS:
        raise ExplorerError(
            f"{name} with {count:,} cells", f"has more than {MAX_CELLS:,}", "use a smaller one"
        )
    return cleaned


def stack_layer(name: str, value: Any) -> tuple[Any, ...]:
    """(kind, kernel, stride, padding, dilation), each number a pair (height, width); one number counts for both."""
    if not isinstance(value, list | tuple) or len(value) != 5:
        rule, remedy = "is not a layer", "give [kind, kernel, stride, padding, dilation]"
        raise ExplorerError(f"{name} {value!r:.80}", rule, remedy)
    kind = one_of(*get_args(Kind))(name, value[0])
    pair = several(whole(0, 255), 2, 2)
    sizes = (part if isinstance(part, list | tuple) else (part, part) for part in value[1:])
    return kind, *(pair(name, size) for size in sizes)


def image_reference(name: str, value: Any) -> str:
    """``sample:Cheetah``, or the SHA-256 of a file in the session. Never a path."""
    if isinstance(value, str) and value.startswith(SAMPLE) and value.removeprefix(SAMPLE) in sample_images():
        return value
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        names = ", ".join(SAMPLE + title for title in sample_images())
        raise _refused(name, value, f"the SHA-256 of a picture in the session, or one of {names}")
    return value


def model_reference(name: str, value: Any) -> str:
    """A network of the catalogue, ``RUN@EPOCH`` for a trained one, or ``NAME:SHA-256`` for a file. Never a path."""
    if isinstance(value, str):
        name, _, digest = value.partition(":")
        if value in catalogue() or _RUN.fullmatch(value) or (name in catalogue() and _HASH.fullmatch(digest)):
            return value
    remedy = suggest(str(value)[:80], catalogue(), "explorer.catalogue()")
    rule = "is neither in the catalogue nor RUN@EPOCH nor NAME:SHA-256"
    raise ExplorerError(f"network {value!r:.100}", rule, remedy)


def network_name(name: str, value: Any) -> str:
    """A network to train: by its name, or as layers in a line."""
    known = list_networks()
    if isinstance(value, str) and (value in known or (is_layer_line(value) and len(value) <= 1000)):
        return value
    remedy = suggest(str(value)[:80], known, "training.list_networks()")
    raise ExplorerError(f"{name} {value!r:.100}", "is not a network to train", remedy)


def recipe(name: str, value: Any, *, absent: bool = False) -> TrainConfig:
    """A recipe for training as a mapping of its knobs; it names no folder of the computer.

    Pictures of one's own are ``own:SHA-256``; with ``absent`` they needn't be in the session.
    """
    if isinstance(value, TrainConfig):
        value = asdict(value)
    if not isinstance(value, Mapping):
        raise _refused(name, value, "a mapping of TrainConfig's knobs")
    place, own = value.get("data_dir"), value.get("dataset") == "folder"
    if (place is not None or own) and not (own and _is_own_data(place, absent)):
        raise ExplorerError(
            f"{name} with dataset {value.get('dataset')!r:.40} and data_dir {place!r:.80}",
            "names a folder; of a session's own pictures it is 'own:' with the SHA-256 of their zip",
            "keep the result again from the screen, or remove the step",
        )
    if unknown := set(value) - set(TrainConfig.__dataclass_fields__):
        known = ", ".join(TrainConfig.__dataclass_fields__)
        raise ExplorerError(f"{name}: knob {min(unknown)!r:.80}", "is not in TrainConfig", f"use {known}")
    try:
        return TrainConfig(**value)
    except TypeError as error:
        raise _refused(name, value, f"a recipe ({error})") from error


def recorded_recipe(name: str, value: Any) -> TrainConfig:
    """The recipe of a run that is done: pictures of one's own may have stayed behind."""
    return recipe(name, value, absent=True)


def _is_own_data(place: Any, absent: bool) -> bool:
    if not isinstance(place, str) or not place.startswith(OWN_DATA):
        return False
    digest = place.removeprefix(OWN_DATA)
    return bool(_HASH.fullmatch(digest)) or (absent and not digest)


def recipes(name: str, value: Any) -> dict[str, TrainConfig]:
    """One to :data:`MAX_RUNS` recipes by a short title."""
    given = _by_title(name, value, 1)
    return {title: recorded_recipe(f"{name} {title!r}", knobs) for title, knobs in given.items()}


def recorded(name: str, value: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Runs that are done, by title: (epoch, training and test accuracy, training and test loss) of each epoch."""
    share, loss = optional(number(0, 1)), optional(number(0, 1e30))
    checks = (whole(0, 100_000), share, share, loss, loss)

    def row(part: str, given: Any) -> tuple[Any, ...]:
        if not isinstance(given, list | tuple) or len(given) != len(checks):
            raise _refused(part, given, f"an epoch with {len(checks) - 1} numbers")
        return tuple(check(part, number) for check, number in zip(checks, given, strict=True))

    rows = several(row, 1, MAX_EPOCHS)
    return {
        title: list(rows(f"{name} {title!r}", given)) for title, given in _by_title(name, value, 1).items()
    }


def counts(name: str, value: Any) -> dict[str, int]:
    """Whole numbers by the titles of runs."""
    count = whole(1, 10**9)
    return {title: count(f"{name} {title!r}", given) for title, given in _by_title(name, value, 0).items()}


def _by_title(name: str, value: Any, least: int) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not least <= len(value) <= MAX_RUNS:
        raise _refused(name, value, f"a mapping of {least} to {MAX_RUNS} runs by title")
    for title in value:
        if not isinstance(title, str) or not 1 <= len(title) <= 80 or not title.isprintable():
            raise _refused(f"{name}: title", title, "1 to 80 printable characters")
    return dict(value)


def _refused(name: str, value: Any, wanted: str) -> ExplorerError:
    return ExplorerError(f"{name} {value!r:.100}", f"is not {wanted}", "correct the step, or remove it")
