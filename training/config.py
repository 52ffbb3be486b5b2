"""Every knob of a training run, in one frozen and validated place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from explorer.errors import ExplorerError, Suggestion, suggest

DATASETS = ("cifar10", "cifar100", "fashion_mnist", "mnist", "shapes10", "folder")
AUGMENTATIONS = ("flip", "crop", "color_jitter", "cutout")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle")
PRECISIONS = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "mps")


def _knob(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class TrainConfig:
    """One run's recipe. The defaults are the exercise sheet's: Adam 0.001, batches of 16, 10 epochs.

    Invalid values raise :class:`~explorer.errors.ExplorerError` at construction, so that a
    ``TrainConfig`` that exists can be trained, short of what only the data can tell.
    """

    dataset: str = _knob("cifar10", f"one of {', '.join(DATASETS)}")
    data_dir: str | None = _knob(
        None, "where the archive lies or goes; for 'folder': the folder or zip itself"
    )
    network: str = _knob("lenet", "a network's name, or layers: 'conv 6 5, relu, maxpool 2, flatten, linear'")
    epochs: int = _knob(10, "passes over the training set")
    batch_size: int = _knob(16, "images per step, over all processes together")
    learning_rate: float = _knob(1e-3, "the highest rate that the schedule reaches")
    augmentation: tuple[str, ...] = _knob((), f"any of {', '.join(AUGMENTATIONS)}")
    normalization: tuple[float, float] | Literal["measured"] | None = _knob(
        None, "mean and standard deviation, or 'measured'; without it inputs stay in [0, 1]"
    )
    seed: int = _knob(0, "initial weights, order of the images and every random draw follow from it")
    optimizer: str = _knob("adam", f"one of {', '.join(OPTIMIZERS)}")
    weight_decay: float = _knob(0.0, "L2 penalty (sgd, adam) or decoupled decay (adamw)")
    momentum: float = _knob(0.9, "sgd only; Nesterov")
    schedule: str = _knob("constant", f"one of {', '.join(SCHEDULES)}")
    label_smoothing: float = _knob(0.0, "share of the target spread over all classes, in [0, 1)")
    mixup: float = _knob(0.0, "alpha of the Beta distribution that blends pairs of images; 0 is off")
    precision: str = _knob("float32", f"one of {', '.join(PRECISIONS)}")
    device: str = _knob("auto", f"one of {', '.join(DEVICES)}")
    threads: int | None = _knob(
        None, "CPU threads; another number changes the last digits. None: as torch is set"
    )
    image_size: int = _knob(32, "images are cropped and resized to this many pixels a side")
    max_train_images: int | None = _knob(None, "use only so many training images, evenly from all classes")
    max_test_images: int | None = _knob(None, "use only so many test images, evenly from all classes")
    skip_broken: bool = _knob(False, "leave out files that cannot be decoded instead of refusing the folder")

    def __post_init__(self) -> None:
        _check_kinds(self)
        object.__setattr__(self, "augmentation", tuple(self.augmentation))
        if isinstance(self.normalization, list):
            object.__setattr__(self, "normalization", tuple(self.normalization))
        _check_names(self)
        _check_numbers(self)
        _check_normalization(self.normalization)
        if self.dataset == "folder" and self.data_dir is None:
            raise ExplorerError(
                "dataset 'folder'",
                "needs data_dir",
                "set data_dir to a folder or zip with one subfolder per class",
                parameter="data_dir",
            )

    def to_json(self) -> str:
        """This recipe as JSON; :func:`config_from_json` reads it back."""
        return json.dumps(asdict(self), indent=2)


def config_from_json(text: str) -> TrainConfig:
    """The recipe in ``text``; raises ExplorerError on broken JSON, an unknown knob or a value of the wrong kind."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ExplorerError("the recipe", f"is not valid JSON ({error})", "restore config.json") from error
    if not isinstance(values, dict):
        raise ExplorerError(f"the recipe {text[:40]!r}", "is not a JSON object", "restore config.json")
    known = [f.name for f in fields(TrainConfig)]
    for name in values:
        if name not in known:
            remedy = suggest(name, known, "TrainConfig's docstring")
            raise ExplorerError(f"knob '{name}'", "is not in TrainConfig", remedy, parameter=name)
    return TrainConfig(**values)


def comparable(config: TrainConfig) -> TrainConfig:
    """The recipe without its seed, and without what computes and where the data lie: equal for runs to compare.

    Of pictures of one's own, ``data_dir`` says which they are, so there it stays.
    """
    place = config.data_dir if config.dataset == "folder" else None
    return replace(config, seed=0, threads=None, device="auto", data_dir=place)


def _check_kinds(config: TrainConfig) -> None:
    """What neither a list of names nor a range will refuse."""
    for knob, kinds, rule, example in (
        ("network", str, "is not text", "give a network's name, such as 'lenet'"),
        ("data_dir", str | None, "is not a path as text", "give a folder's name in quotes, or None"),
        ("augmentation", tuple | list, "is not a list of names", "give a list, such as ['flip', 'crop']"),
        ("skip_broken", bool, "is neither True nor False", "choose one of them"),
    ):
        if not isinstance(getattr(config, knob), kinds):
            raise ExplorerError(f"{knob} {getattr(config, knob)!r}", rule, example, parameter=knob)


def _check_names(config: TrainConfig) -> None:
    for knob, names in (
        ("dataset", DATASETS),
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("precision", PRECISIONS),
        ("device", DEVICES),
    ):
        _check_name(knob, getattr(config, knob), names)
    for name in config.augmentation:
        _check_name("augmentation", name, AUGMENTATIONS)
    if len(set(config.augmentation)) < len(config.augmentation):
        value = f"augmentation {config.augmentation}"
        raise ExplorerError(value, "names one twice", "name each once", parameter="augmentation")


def _check_name(knob: str, value: object, names: tuple[str, ...]) -> None:
    if value not in names:
        listing = f"the list {', '.join(names)}"
        remedy = suggest(str(value), names, listing)
        raise ExplorerError(f"{knob} {value!r}", "is unknown", remedy, parameter=knob)


def _check_numbers(config: TrainConfig) -> None:
    _check_range("epochs", config.epochs, 1, 100_000, whole=True)
    _check_range("batch_size", config.batch_size, 1, 1_000_000, whole=True)
    _check_range("seed", config.seed, 0, 2**63 - 1, whole=True)
    _check_range("image_size", config.image_size, 8, 512, whole=True)
    # Above 1 even plain SGD with batch normalisation diverges; far above it is a typing mistake.
    _check_range("learning_rate", config.learning_rate, 1e-9, 10.0)
    _check_range("weight_decay", config.weight_decay, 0.0, 1.0)
    _check_range("momentum", config.momentum, 0.0, 0.9999)
    _check_range("label_smoothing", config.label_smoothing, 0.0, 0.99)
    _check_range("mixup", config.mixup, 0.0, 10.0)
    for knob in ("max_train_images", "max_test_images", "threads"):
        if getattr(config, knob) is not None:
            _check_range(knob, getattr(config, knob), 1, 1024 if knob == "threads" else 10**9, whole=True)


def _check_range(knob: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    # The comparison is False for NaN, which is what we want.
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        remedy = f"choose one, such as {_default(knob)}"
        if knob in ("max_train_images", "max_test_images"):
            remedy = Suggestion(remedy, on_page=f"{remedy}, or 0 for all")
        rule = f"is not {kind} from {low:g} to {high:g}"
        raise ExplorerError(f"{knob} {value!r}", rule, remedy, parameter=knob)


def _default(knob: str) -> object:
    default = next(f.default for f in fields(TrainConfig) if f.name == knob)
    if default is None:
        return 1 if knob == "threads" else 1000
    return default


def _check_normalization(value: object) -> None:
    if value is None or value == "measured":
        return
    numbers = isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)
    if not numbers or not (0 <= value[0] <= 1 and 0 < value[1] <= 1):  # type: ignore[index]
        raise ExplorerError(
            f"normalization {value!r}",
            "is neither None, 'measured' nor (mean in [0, 1], standard deviation in (0, 1])",
            "the exercise sheet's is (0.5, 0.5)",
            parameter="normalization",
        )


def changed_knobs(config: TrainConfig) -> dict[str, Any]:
    """What differs from the defaults, as JSON; a folder and a device of this computer stay here."""
    given, usual = {**asdict(config), "data_dir": None, "device": "auto"}, asdict(TrainConfig())
    changed = {name: value for name, value in given.items() if value != usual[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


SHEET = TrainConfig()
RECIPES: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "sheet": SHEET,
        "sheet, augmented": replace(SHEET, augmentation=("flip", "crop"), normalization=(0.5, 0.5)),
        "shapes": replace(SHEET, dataset="shapes10", epochs=5),
        "small resnet": TrainConfig(
            network="resnet9",
            epochs=20,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=5e-4,
            schedule="one_cycle",
            label_smoothing=0.1,
            augmentation=("flip", "crop"),
            normalization="measured",
            precision="bfloat16",
        ),
    }
)
