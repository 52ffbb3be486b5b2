"""The Keep button: what is on screen becomes a step of the session, to be handed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.images.decode import sample_images
from explorer.networks.load import LoadedModel
from explorer.session.network_file import network_file
from explorer.session.steps import Session, Step, content_hash
from explorer.tabs.components import QUIET, Values, on_screen
from explorer.workbench import Selection, Visit, Workbench

Keep = Callable[..., tuple[Step, list[bytes]]]


def keep_button(elem_id: str, **options: Any) -> gr.Button:
    """The button itself; :func:`connect` says what it keeps. ``options`` are those of a button."""
    return gr.Button("Keep for the hand-in", size="sm", elem_id=elem_id, **options)


def connect(
    button: gr.Button, session: gr.State, keep: Keep, inputs: list[Any] | set[Any], about: Any = None
) -> None:
    """Add what ``keep`` returns, a step and the files that it needs, to the session.

    With a list of inputs it is called as ``keep(*values)``, with a set as ``keep({component: value})``. What the
    result is about is the first input, of a set ``about``; while it is None there is nothing to keep.
    """

    def added(session: Session, kept: tuple[Step, list[bytes]]) -> Session:
        step, files = kept
        session = session.add(step, files)
        gr.Info(f"{step.title}: step {len(session.steps)} in the Export tab.", title="Kept", duration=4)
        return session

    def add(before: Session, *given: Any) -> Any:
        return gr.skip() if given[0] is None else added(before, keep(*given))

    def add_by_component(given: Values) -> Any:
        return gr.skip() if given[about] is None else added(given[session], keep(given))

    place = f"document.getElementById({json.dumps(button.elem_id)})"
    # Many pictures of one's own take seconds to pack.
    busy = f"(...values) => {{ {place}?.setAttribute('aria-busy', 'true'); return values; }}"
    idle = f"() => {{ {place}?.removeAttribute('aria-busy'); }}"
    options: dict[str, Any] = {"js": busy, "concurrency_limit": 4, **QUIET}
    if isinstance(inputs, set):
        adding = button.click(on_screen(add_by_component), {session, *inputs}, session, **options)
    else:
        adding = button.click(on_screen(add), [session, *inputs], session, **options)
    adding.then(None, js=idle, **QUIET)


def looked_at(bench: Workbench, selection: Selection) -> tuple[dict[str, Any], list[bytes]]:
    """A step's arguments for a network and a picture, and the files of those that are the user's own.

    Raises:
        ExplorerError: a network of an uploaded file that is larger than a session may hold, or no longer in
            memory; a picture that is gone.
    """
    return _named(selection, lambda: bench.model(selection.model))


def visited(visit: Visit) -> tuple[dict[str, Any], list[bytes]]:
    """The same of what is open already; raises as :func:`looked_at`."""
    return _named(visit.selection, lambda: visit.model)


def _named(selection: Selection, load: Callable[[], LoadedModel]) -> tuple[dict[str, Any], list[bytes]]:
    reference, files = picture_of(selection)
    model = selection.model
    if ":" in model:
        own = load()
        content = network_file(own)
        model, files = f"{own.name}:{content_hash(content)}", [content, *files]
    return {"model": model, "framing": selection.framing, "image": reference}, files


def picture_of(selection: Selection) -> tuple[str, list[bytes]]:
    """A picture as a step names it, and its file where it is the user's own.

    Raises:
        ExplorerError: the file is gone: the server removes uploads after a while.
    """
    path = Path(selection.image_path)
    sample = next((title for title, file in sample_images().items() if file == path), None)
    if sample is not None:
        return f"sample:{sample}", []
    try:
        content = path.read_bytes()
    except OSError as error:
        rule = f"can't be read any more ({error.strerror})"
        raise ExplorerError("the picture", rule, "upload it again") from error
    return content_hash(content), [content]
