"""A kind of result: what is on disk of it, and how it comes about again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.session.steps import Step
from notebooks_export.kinds.cell import Given
from notebooks_export.kinds.numbers import Numbers, Scope
from notebooks_export.kinds.parameters import Parameters, checked

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of step.

    Attributes:
        name: on disk, for ever: such as ``"receptive_field.unit"``; never the name of a module or a function.
        parameters: what a step's arguments may be, with the defaults of those that it doesn't name.
        cell: the lines of its notebook cell; they call public names of ``explorer`` and ``training`` alone.
        former: names that it had on disk before, the oldest first.
        numbers: the maps and scales behind its picture, from the variables of its cell.
        opens_images: whether its cell opens the images of a training run.
        results: what is kept of the cell's variables as numbers, JSON: what no sentence has to be read for.
        record: (checked arguments, step, folder of runs) → files, for a kind whose cell takes too long to be carried
            out for its numbers alone.
    """

    name: str
    parameters: type[Parameters]
    cell: Callable[[Given], list[str]]
    former: tuple[str, ...] = ()
    numbers: Callable[[Arguments, Scope], Numbers] | None = None
    opens_images: bool = False
    results: Callable[[Scope], Mapping[str, Any]] | None = None
    record: Callable[[Arguments, Step, str | Path], dict[str, bytes]] | None = None

    def arguments(self, step: Step) -> dict[str, Any]:
        """All arguments as a session names them, those that were left at their defaults too."""
        fields = self.parameters.model_fields
        usual = {name: field.default for name, field in fields.items() if not field.is_required()}
        return {**usual, **step.arguments}

    def check(self, step: Step, number: int) -> dict[str, Any]:
        """All arguments in their one form; raises ExplorerError for one too many, too few or wrong."""
        return checked(self.parameters, step.arguments, f"step {number}")
