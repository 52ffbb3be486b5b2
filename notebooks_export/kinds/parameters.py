"""What a step's arguments may be. Session files come from anywhere, and these values become code.

Each kind declares its parameters and their defaults as a pydantic model; the types here are what they are made of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from explorer.errors import ExplorerError, suggest
from explorer.fields.stack import StackLayerKind
from explorer.images.decode import sample_images
from explorer.images.overlay import DIVERGING, SEQUENTIAL
from explorer.networks.catalogue import catalogue
from explorer.networks.preprocessing import Framing
from explorer.session.picture_zip import OWN_DATA
from training import TrainConfig, list_networks
from training.networks.layer_line import is_layer_line

MAX_CELLS = 4096
MAX_RUNS = 12
MAX_EPOCHS = 120  # rows of numbers in a cell
SAMPLE = "sample:"
REMEDY = "correct the step, or remove it"
_HASH = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"\w[\w .,+=-]{0,109}@[0-9]{1,6}")  # as training.runs.folders names them
_LAYER = re.compile(r"[A-Za-z_][\w.]{0,199}")


class Parameters(BaseModel):
    """The parameters of a kind; a field's default is that of steps which don't name it, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def whole(low: int, high: int) -> Any:
    """A whole number in [low, high]."""
    return Field(strict=True, ge=low, le=high)


def number(low: float, high: float) -> BeforeValidator:
    """A number in [low, high]; whole ones stay whole, as they are written in a cell."""

    def check(value: Any) -> Any:
        if type(value) not in (int, float) or not low <= value <= high:
            raise _refused(value, f"a number from {low:g} to {high:g}")
        return value

    return BeforeValidator(check)


def several(least: int, most: int) -> Any:
    """``least`` to ``most`` of them."""
    return Field(min_length=least, max_length=most)


def one_of(*choices: str) -> AfterValidator:
    """One of some names that are known only when the program runs."""

    def check(value: str) -> str:
        if value not in choices:
            raise _refused(value, f"one of {', '.join(map(repr, choices))}")
        return value

    return AfterValidator(check)


def _matching(pattern: re.Pattern[str], wanted: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise _refused(value, wanted)
        return value

    return AfterValidator(check)


def _printable(least: int, most: int) -> AfterValidator:
    def check(value: str) -> str:
        if not least <= len(value) <= most or not value.isprintable():
            raise _refused(value, f"{least} to {most} printable characters")
        return value

    return AfterValidator(check)


def image_reference(value: str) -> str:
    """``value``, if it names a sample picture or a picture of the session; raises ExplorerError else."""
    if value.startswith(SAMPLE) and value.removeprefix(SAMPLE) in sample_images():
        return value
    if not _HASH.fullmatch(value):
        names = ", ".join(SAMPLE + title for title in sample_images())
        raise _refused(value, f"the SHA-256 of a picture in the session, or one of {names}")
    return value


def network_reference(value: str) -> str:
    """``value``, if it names a network as sessions do; raises ExplorerError else."""
    name, _, digest = value.partition(":")
    if value in catalogue() or _RUN.fullmatch(value) or (name in catalogue() and _HASH.fullmatch(digest)):
        return value
    remedy = suggest(value[:80], catalogue(), "explorer.catalogue()")
    rule = "is neither in the catalogue nor RUN@EPOCH nor NAME:SHA-256"
    raise ExplorerError(f"network {value!r:.100}", rule, remedy)


def _network_to_train(value: str) -> str:
    known = list_networks()
    if value in known or (is_layer_line(value) and len(value) <= 1000):
        return value
    remedy = suggest(value[:80], known, "training.list_networks()")
    raise ExplorerError(f"{value!r:.100}", "is not a network to train", remedy)


def _matrix(value: Any) -> Any:
    def clean(part: Any, axes: int) -> tuple[Any, int]:
        if isinstance(part, list | tuple) and axes < 4 and 0 < len(part) <= MAX_CELLS:
            cleaned = [clean(inner, axes + 1) for inner in part]
            return [inner for inner, _ in cleaned], sum(count for _, count in cleaned)
        if type(part) in (int, float) and math.isfinite(part) and abs(part) < 1e30:
            return (int(part) if part == int(part) else float(part)), 1
        raise _refused(part, "a finite number, or lists of them in up to 4 axes")

    cleaned, count = clean(value, 0)
    if count > MAX_CELLS:
        raise ExplorerError(f"with {count:,} cells", f"has more than {MAX_CELLS:,}", "use a smaller one")
    return cleaned


def _each_axis(value: Any) -> Any:
    """One number counts for height and width."""
    return value if isinstance(value, list | tuple) else (value, value)


def _recipe(value: Any, *, absent: bool = False) -> TrainConfig:
    if isinstance(value, TrainConfig):
        value = asdict(value)
    if not isinstance(value, Mapping):
        raise _refused(value, "a mapping of TrainConfig's knobs")
    place, own = value.get("data_dir"), value.get("dataset") == "folder"
    if (place is not None or own) and not (own and _is_own_data(place, absent)):
        raise ExplorerError(
            f"with dataset {value.get('dataset')!r:.40} and data_dir {place!r:.80}",
            "names a folder; of a session's own pictures it is 'own:' with the SHA-256 of their zip",
            "keep the result again from the screen, or remove the step",
        )
    if unknown := set(value) - set(TrainConfig.__dataclass_fields__):
        known = ", ".join(TrainConfig.__dataclass_fields__)
        raise ExplorerError(f"knob {min(unknown)!r:.80}", "is not in TrainConfig", f"use {known}")
    try:
        return TrainConfig(**value)
    except TypeError as error:
        raise _refused(value, f"a recipe ({error})") from error


def _recorded_recipe(value: Any) -> TrainConfig:
    return _recipe(value, absent=True)


def _is_own_data(place: Any, absent: bool) -> bool:
    if not isinstance(place, str) or not place.startswith(OWN_DATA):
        return False
    digest = place.removeprefix(OWN_DATA)
    return bool(_HASH.fullmatch(digest)) or (absent and not digest)


LayerName = Annotated[
    str, _matching(_LAYER, "a layer's name: letters, digits, dots and underscores"), Field(strict=True)
]
"""A layer's dotted name."""
ImageReference = Annotated[str, AfterValidator(image_reference), Field(strict=True)]
"""``sample:Cheetah``, or the SHA-256 of a file in the session. Never a path."""
NetworkReference = Annotated[str, AfterValidator(network_reference), Field(strict=True)]
"""A network of the catalogue, ``RUN@EPOCH`` for a trained one, or ``NAME:SHA-256`` for a file. Never a path."""
NetworkToTrain = Annotated[str, AfterValidator(_network_to_train), Field(strict=True)]
"""A network to train: by its name, or as layers in a line."""
Colormap = Annotated[str, one_of(*SEQUENTIAL, *DIVERGING), Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Opacity = Annotated[Any, number(0, 1)]
Share = Annotated[Any, number(0, 1)]
"""In [0, 1]."""
ClassIndex = Annotated[int, whole(0, 99_999)]
Seed = Annotated[int, whole(0, 2**31)]
Place = tuple[Annotated[int, whole(0, 100_000)], Annotated[int, whole(0, 100_000)]]
"""(row, column), counted from 0."""
Sides = tuple[Annotated[int, whole(1, 64)], Annotated[int, whole(1, 64)]]
Steps = tuple[Annotated[int, whole(0, 255)], Annotated[int, whole(0, 255)]]
"""Strides, paddings, dilations: (vertical, horizontal)."""
Scale = tuple[Annotated[Any, number(-1e30, 1e30)], Annotated[Any, number(-1e30, 1e30)]]
"""(lowest, highest) value of a colour."""
Matrix = Annotated[Any, BeforeValidator(_matrix)]
"""A finite number, or nested lists of them: up to 4 axes and :data:`MAX_CELLS` cells."""
StackedLayer = tuple[
    StackLayerKind,
    Annotated[Steps, BeforeValidator(_each_axis)],
    Annotated[Steps, BeforeValidator(_each_axis)],
    Annotated[Steps, BeforeValidator(_each_axis)],
    Annotated[Steps, BeforeValidator(_each_axis)],
]
"""(kind, kernel, stride, padding, dilation), each number a pair (height, width); one number counts for both."""
Typed = Annotated[str, _printable(0, 40), Field(strict=True)]
"""What somebody typed into a cell."""
Title = Annotated[str, _printable(1, 80), Field(strict=True)]
ClassLabel = Annotated[str, _printable(1, 255), Field(strict=True)]
Recipe = Annotated[Any, BeforeValidator(_recipe)]
"""A recipe for training as a mapping of its knobs; it names no folder: pictures of one's own are ``own:SHA-256``."""
RecordedRecipe = Annotated[Any, BeforeValidator(_recorded_recipe)]
"""The recipe of a run that is done: pictures of one's own may have stayed behind."""
RecordedEpoch = tuple[
    Annotated[int, whole(0, 100_000)],
    Share | None,
    Share | None,
    Annotated[Any, number(0, 1e30)] | None,
    Annotated[Any, number(0, 1e30)] | None,
]
"""(epoch, training accuracy, test accuracy, training loss, test loss)."""
Shown = Literal["overlay", "map"]


class OfNetwork(Parameters):
    """Of one network."""

    model: NetworkReference


class OfPicture(OfNetwork):
    """Of one network that looks at one picture."""

    image: ImageReference
    framing: Framing = "crop"


def checked(parameters: type[Parameters], arguments: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``arguments`` in their one form, those left at their defaults too; ``where`` is such as ``"step 3"``.

    Raises:
        ExplorerError: one too many, too few or wrong. pydantic's own error never leaves this function.
    """
    try:
        return dict(parameters.model_validate(dict(arguments)))
    except ValidationError as error:
        raise _in_words(error.errors(include_url=False)[0], parameters, where) from error


def _in_words(problem: ErrorDetails, parameters: type[Parameters], where: str) -> ExplorerError:
    name, *inner = problem["loc"] or ("arguments",)
    what = f"{name} of {where}"
    if problem["type"] == "extra_forbidden":
        known = ", ".join(parameters.model_fields) or "none"
        return ExplorerError(f"argument {str(name)!r:.80} of {where}", "isn't known", f"use {known}")
    if problem["type"] == "missing" and not inner:
        return ExplorerError(f"argument {name!r} of {where}", "is missing", "add it, or remove the step")
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, ExplorerError):
        return ExplorerError(f"{what}: {cause.value}", cause.rule, cause.remedy)
    rule = problem["msg"].removeprefix("Input ").removeprefix("Value ")
    return ExplorerError(f"{what} {problem['input']!r:.100}", rule[:1].lower() + rule[1:], REMEDY)


def _refused(value: Any, wanted: str) -> ExplorerError:
    return ExplorerError(f"{value!r:.100}", f"is not {wanted}", REMEDY)
