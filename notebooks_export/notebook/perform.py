"""Carry steps out: run the very code that the notebook shows, and keep its results."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from explorer.errors import ExplorerError
from explorer.images.decode import read_image
from explorer.session.steps import Session, Step, versions
from notebooks_export.kinds.cell import Given
from notebooks_export.kinds.parameters import SAMPLE
from notebooks_export.kinds.registry import TEXT, find_kind
from notebooks_export.notebook.build import check_steps, imports, step_code
from notebooks_export.notebook.networks import load_network
from notebooks_export.notebook.own_data import own_data_files, placed
from training.runs.folders import DEFAULT_ROOT

OnStep = Callable[[int, int, str], None]


def perform(
    session: Session, *, anew: bool = False, runs: str | Path = DEFAULT_ROOT, on_step: OnStep | None = None
) -> Session:
    """The session with the results of its steps: of those that have none yet, or with ``anew`` of all.

    Training runs that steps name are below ``runs``.
    ``on_step`` is called before each with (steps done, steps to do, its title); it may raise to cancel.

    Raises:
        ExplorerError: as :func:`~notebooks_export.build_notebook`, and whatever the functions raise.
    """
    given = check_steps(session, runs)
    todo = [
        position
        for position, step in enumerate(session.steps)
        if find_kind(step.kind, "the step").name != TEXT and (anew or not (step.text or step.picture))
    ]
    variables = _variables(session, {position: given[position] for position in todo}, runs)
    steps = list(session.steps)
    with _data_placed(session, [given[position] for position in todo]) as ready:
        for done, (position, row) in enumerate(zip(todo, ready, strict=True)):
            step = steps[position]
            if on_step is not None:
                on_step(done, len(todo), step.title or step.kind)
            steps[position], _ = _carried_out(step, row, variables)
    return replace(session, steps=tuple(steps))


def carry_out(
    session: Session, position: int, runs: str | Path = DEFAULT_ROOT
) -> tuple[Step, dict[str, Any]]:
    """One step with its results, and the variables of its cell: arrays that a picture was made of.

    Raises:
        ExplorerError: as :func:`perform`.
    """
    given = check_steps(session, runs)[position]
    variables = _variables(session, {position: given}, runs)
    with _data_placed(session, [given]) as [ready]:
        return _carried_out(session.steps[position], ready, variables)


@contextmanager
def _data_placed(session: Session, given: Sequence[Given]) -> Iterator[list[Given]]:
    """The same steps, with the pictures to train on as files for as long as they are carried out."""
    with TemporaryDirectory() as folder:
        for path, content in own_data_files(session, given, folder).items():
            Path(path).write_bytes(content)
        yield [placed(row, folder) for row in given]


def _variables(session: Session, given: Mapping[int, Given], runs: str | Path) -> dict[str, Any]:
    """What the notebook's first cell defines, as far as the steps at these positions need it."""
    variables: dict[str, Any] = {}
    cells = [step_code(session.steps[position], row) for position, row in given.items()]
    pictures = ["explorer"] if any(row.pictures for row in given.values()) else []
    _run("\n".join(imports([*cells, *pictures])), variables)
    for row in given.values():
        for variable, reference in row.networks.items():
            if variable not in variables:
                variables[variable] = load_network(session, reference, runs)
        for variable, reference in row.pictures.items():
            if variable in variables:
                continue
            if reference.startswith(SAMPLE):
                code = f"explorer.read_image(explorer.sample_images()[{reference.removeprefix(SAMPLE)!r}])"
                _run(f"{variable} = {code}", variables)
            else:
                variables[variable] = read_image(session.files[reference])
    return variables


def _carried_out(step: Step, given: Given, variables: dict[str, Any]) -> tuple[Step, dict[str, Any]]:
    printed = io.StringIO()
    # A print of their own: the process's standard output is shared by everybody.
    scope = {**variables, "print": lambda *values: print(*values, file=printed)}
    try:
        result = _run(step_code(step, given), scope)
    except ExplorerError:
        raise
    except Exception as error:
        title = step.title or step.kind
        rule, remedy = f"failed ({type(error).__name__}: {error})", "correct the step, or remove it"
        raise ExplorerError(f"step {title!r}", rule, remedy) from error
    keep = find_kind(step.kind, "the step").results
    done = replace(
        step,
        text=printed.getvalue(),
        picture=_as_png(result),
        versions=dict(versions()),
        results=dict(keep(scope)) if keep else {},
    )
    return done, scope


def _run(code: str, scope: dict[str, Any]) -> Any:
    """Run a cell; return the value of its last line, as a notebook shows it.

    The code is ours: templates of :mod:`notebooks_export.kinds`, filled with literals that were checked.
    """
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), scope)  # noqa: S102
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), scope)  # type: ignore[attr-defined] # noqa: S307


def _as_png(result: Any) -> bytes:
    if not isinstance(result, Image.Image):
        return b""
    encoded = io.BytesIO()
    result.save(encoded, "PNG", compress_level=6)
    return encoded.getvalue()
