"""Runs in words, as lists show them."""

from __future__ import annotations

from training.runs.folders import Run
from training.words import _epochs, recipe_title


def run_line(run: Run) -> str:
    """One run in a list: what it trains, how far it is, and its name."""
    return f"{recipe_title(run.config)}  ·  {state(run)}  ·  {run.name}"


def state(run: Run) -> str:
    """``running, epoch 3 of 10``."""
    if run.status == "running" and run.epochs_done < run.config.epochs:
        return f"running, epoch {run.epochs_done + 1} of {run.config.epochs}"
    if run.status == "finished":
        return f"finished, {_epochs(run.epochs_done)}"
    return f"{run.status}, {run.epochs_done} of {_epochs(run.config.epochs)}"
