"""The training lab for other programs: named, documented endpoints for gradio_client and MCP clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from gradio.events import api as endpoint

from explorer.errors import ExplorerError
from explorer.tabs.components import on_screen
from training.config import TrainConfig, config_from_json
from training.data.opened import Choice, is_here
from training.runs import folders as runs
from training.runs.folders import Run
from training.tabs.lab import Lab
from training.words import recipe_title


def build(lab: Lab) -> None:
    """Add the endpoints to an open ``gr.Blocks``."""
    answers = Endpoints(lab)
    offered: list[Callable[..., Any]] = [
        answers.list_runs,
        answers.training_history,
        answers.start_training,
        answers.stop_training,
        answers.resume_training,
    ]
    for function in offered:
        endpoint(on_screen(function), api_name=function.__name__)


@dataclass(frozen=True)
class Endpoints:
    """What other programs can ask for. Signatures and docstrings are what clients see."""

    lab: Lab

    def list_runs(self) -> list[dict[str, Any]]:
        """List every training run, the newest first, then those that come with the program.

        Returns:
            Per run its name, recipe in words, status, message, epochs done and wanted, test accuracy (0 to 1, or
            null), and the epochs that can be looked into.
        """
        return [
            _about(run) | {"epochs_kept": self.lab.models.epochs(run.name)} for run in self.lab.models.runs()
        ]

    def training_history(self, run: str) -> list[dict[str, Any]]:
        """Every finished epoch of a run.

        Args:
            run: its name, as /list_runs gives it.

        Returns:
            Per epoch the accuracies (0 to 1), losses, seconds, images per second, learning rate and the test
            accuracy of each class.
        """
        return [asdict(result) for result in runs.history(self.lab.models.run(run).folder)]

    def start_training(
        self,
        dataset: str = "shapes10",
        network: str = "lenet",
        epochs: int = 10,
        batch_size: int = 16,
        learning_rate: float = 0.001,
        augmentation: str = "",
        seed: int = 0,
        more: str = "{}",
    ) -> dict[str, Any]:
        """Train a network in a process of its own, as soon as it is its turn.

        Args:
            dataset: shapes10, or cifar10, cifar100, fashion_mnist or mnist if it is on the server already.
            network: lenet, wide, resnet9, a classifier of torchvision, or layers in a line such as
                "conv 6 5, relu, maxpool 2, flatten, linear".
            epochs: passes over the training images.
            batch_size: images per step.
            learning_rate: the highest rate.
            augmentation: any of flip, crop, color_jitter, cutout, separated by commas.
            seed: all that is random follows from it.
            more: other knobs of the recipe, as JSON, such as {"optimizer": "sgd", "normalization": [0.5, 0.5]}.

        Returns:
            The run, as /list_runs describes it.
        """
        given = replace(
            config_from_json(more),
            dataset=dataset,
            network=network,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augmentation=tuple(name.strip() for name in augmentation.split(",") if name.strip()),
            seed=seed,
        )
        return _start(self.lab, given)

    def stop_training(self, run: str) -> dict[str, Any]:
        """Ask a run to stop; its finished epochs stay.

        Args:
            run: its name.

        Returns:
            The run, as /list_runs describes it.
        """
        found = self.lab.models.run(run)
        runs.stop(found.folder)
        return _about(found)

    def resume_training(self, run: str, epochs: int | None = None) -> dict[str, Any]:
        """Let a run go on after its last finished epoch.

        Args:
            run: its name.
            epochs: how many it is to have in the end; as it was begun, if left out.

        Returns:
            The run, as /list_runs describes it.
        """
        found = _own(self.lab, run)
        runs.resume(found.folder, epochs=epochs)
        return _about(runs.read_run(found.folder))


def _start(lab: Lab, config: TrainConfig) -> dict[str, Any]:
    choice = Choice(config.dataset, config.data_dir, config.image_size, config.skip_broken)
    if config.data_dir is not None and not lab.typed_paths:
        raise ExplorerError(
            f"data_dir {config.data_dir!r}", "may not be named from elsewhere", "leave it out"
        )
    if not is_here(choice):
        raise ExplorerError(
            f"dataset {config.dataset!r}",
            "isn't on the server",
            "open it on the page first, or choose shapes10",
        )
    lab.check(config, choice)
    return _about(runs.read_run(runs.start(replace(config, device=lab.device), lab.root)))


def _own(lab: Lab, name: str) -> Run:
    found = lab.models.run(name)
    if found.folder.parent != lab.root:
        raise ExplorerError(f"run {name!r}", "came with the program", "start one of your own")
    return found


def _about(run: Run) -> dict[str, Any]:
    history = runs.history(run.folder)
    return {
        "name": run.name,
        "recipe": recipe_title(run.config),
        "status": run.status,
        "message": run.message,
        "epochs_done": run.epochs_done,
        "epochs": run.config.epochs,
        "test_accuracy": history[-1].test_accuracy if history else None,
    }
