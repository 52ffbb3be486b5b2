"""``python -m training``: every field of TrainConfig is an option of the same name.

In the program's own folder, or anywhere once it is installed; where a folder "training" of your own lies, with
``python -P -m training``.

python -m training --dataset shapes10 --epochs 3
python -m training --dataset cifar10 --augmentation flip crop --normalization 0.5 0.5
python -m training --folder runs/NAME                    go on with a run that was stopped or killed
torchrun --nproc-per-node 2 -m training --dataset cifar10 --batch-size 512

Over several machines, on each of them, with the same options and the data at hand; the first one writes:

torchrun --nnodes 2 --node-rank 0 --master-addr FIRST --nproc-per-node 8 -m training --dataset cifar10
torchrun --nnodes 2 --node-rank 1 --master-addr FIRST --nproc-per-node 8 -m training --dataset cifar10
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

from explorer.allocator import keep_freed_pages
from explorer.errors import ExplorerError
from training import distributed
from training.config import RECIPES, TrainConfig
from training.loop.setup import choose_device
from training.runs import folders as runs
from training.runs.worker import Stopped, be_polite, work


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says. Returns the exit status: 0, 1 for an error, 130 when stopped."""
    options = _parser().parse_args(arguments)
    try:
        if options.list:
            return _list(options.runs_dir)
        return _run(options)
    except (Stopped, KeyboardInterrupt):
        print("stopped; --folder goes on after the last complete epoch", file=sys.stderr)
        return 130
    except distributed.FirstFailed:
        return 1
    except ExplorerError as error:
        if distributed.speaks():
            print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        distributed.leave()


def _run(options: argparse.Namespace) -> int:
    keep_freed_pages()
    if options.background:
        be_polite()
    if distributed.is_launched():
        distributed.join(choose_device(options.device or "auto").type)
    folder = distributed.from_first(lambda: _folder(options))
    if distributed.rank() == 0:
        print(f"{folder}", flush=True)
    work(folder, slots=options.slots, on_epoch=_print if distributed.rank() == 0 else _ignore, on_note=_print)
    return 0


def _print(result: object) -> None:
    print(result, flush=True)


def _ignore(result: object) -> None:
    """What the other processes of a run say, the first one says for all."""


def _folder(options: argparse.Namespace) -> Path:
    given = _given(options)
    if options.folder is None:
        return runs.create(
            replace(RECIPES[options.recipe], **given),
            options.runs_dir,
            options.name,
            side_by_side=options.slots or distributed.processes_here(),
        )
    folder = Path(options.folder)
    config = runs.read_run(folder).config
    if given and replace(config, **given) != config:
        raise ExplorerError(
            f"--folder with {', '.join(given)}", "changes the recipe", "start a new run, or leave them out"
        )
    return folder


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of TrainConfig that were on the command line."""
    values = {f.name: getattr(options, f.name) for f in fields(TrainConfig)}
    given = {name: value for name, value in values.items() if value is not None}
    words = given.get("normalization")
    if words is not None:
        given["normalization"] = _normalization(words)
    return given


def _normalization(words: list[str]) -> Any:
    if words in (["none"], ["measured"]):
        return None if words == ["none"] else "measured"
    try:
        return tuple(float(word) for word in words)
    except ValueError as error:
        raise ExplorerError(
            f"--normalization {' '.join(words)}",
            "is not MEAN STD, measured or none",
            "the exercise sheet's is 0.5 0.5",
        ) from error


def _list(root: str) -> int:
    for run in runs.list_runs(root):
        print(f"{run.name:40s} {run.status:11s} {run.epochs_done:3d}/{run.config.epochs:<3d} {run.message}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--recipe", choices=list(RECIPES), default="sheet", help="start from this one instead of the sheet's"
    )
    parser.add_argument(
        "--runs-dir", default=str(runs.DEFAULT_ROOT), help="where runs are kept (default: runs)"
    )
    parser.add_argument("--name", help="the run's name; default: network, data and time")
    parser.add_argument("--folder", metavar="FOLDER", help="train, or go on with, the run in this folder")
    parser.add_argument(
        "--slots", type=int, help="wait in the queue of the runs folder, with so many at a time"
    )
    parser.add_argument(
        "--background", action="store_true", help="leave the processor to others where they want it"
    )
    parser.add_argument("--list", action="store_true", help="list the runs and end")
    recipe = parser.add_argument_group("recipe (defaults: the exercise sheet's)")
    for knob in fields(TrainConfig):
        recipe.add_argument(f"--{knob.name.replace('_', '-')}", help=knob.metadata["help"], **_kind(knob))
    return parser


def _kind(knob: Field[Any]) -> dict[str, Any]:
    if knob.name == "augmentation":
        return {"nargs": "*"}
    if knob.name == "normalization":
        return {"nargs": "+", "metavar": "NUMBER"}
    if isinstance(knob.default, bool):
        return {"action": "store_const", "const": True}
    if isinstance(knob.default, int) or knob.name in ("threads", "max_train_images", "max_test_images"):
        return {"type": int, "metavar": "N"}
    return {"type": float, "metavar": "X"} if isinstance(knob.default, float) else {"metavar": "NAME"}


if __name__ == "__main__":
    sys.exit(main())
