"""The steps of a session: chosen, put in order, written to, taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.errors import ExplorerError
from explorer.session.steps import MAX_TEXT, MAX_TITLE, Session
from explorer.tabs.components import QUIET, note
from notebooks_export.tabs.downloads import file_for_page

# What was typed must be in the session before the next click is answered. Such events can't raise messages, so a
# refusal stands on the page.
AT_ONCE: dict[str, Any] = {"queue": False, **QUIET}
# ``multiple``: gradio would drop what is typed while the words before it are still on their way.
WRITTEN: dict[str, Any] = AT_ONCE | {"trigger_mode": "multiple"}
# ``multiple``: gradio would drop a click right after Cancel, while what was cancelled is still ending.
CANCELLABLE: dict[str, Any] = {"concurrency_limit": 2, "trigger_mode": "multiple", **QUIET}
STYLE = """
#export-steps .wrap { flex-flow: column; max-height: 60vh; overflow-y: auto; gap: 2px; }
#export-steps label { width: 100%; }
#export-steps label span { overflow-wrap: anywhere; }
#export-refused p { color: var(--error-text-color, #b91c1c); }
.export-text { white-space: pre-wrap; max-height: 50vh; overflow-y: auto; font-size: 0.85em; }
"""
Updates = Mapping[str, Any]
"""Name of a part of the page, see :attr:`Steps.parts`, → its update."""
_EMPTY = (
    "Choose a step to see it and to write to it. Steps come from the Keep buttons below results, from the exercise "
    "sheet, or from a session that you saved."
)


@dataclass(frozen=True)
class StepList:
    """The steps in order, and what moves them."""

    title: gr.Textbox
    steps: gr.Radio
    up: gr.Button
    down: gr.Button
    remove: gr.Button
    back: gr.Button


@dataclass(frozen=True)
class ChosenStep:
    """The words of the chosen step, and its result."""

    name: gr.Textbox
    comment: gr.Textbox
    refused: gr.HTML
    picture: gr.Image
    shown: gr.HTML
    numbers: gr.Button


@dataclass(frozen=True)
class Steps:
    """The session and the components that show it.

    ``brought``: another session that is to take its place; ``before``: the one whose place was taken.
    """

    session: gr.State
    listed: StepList
    chosen: ChosenStep
    brought: gr.State
    before: gr.State

    @property
    def at(self) -> list[Any]:
        """Inputs that say which step is meant: the session and a position in it."""
        return [self.session, self.listed.steps]

    @property
    def parts(self) -> dict[str, Any]:
        """Name of an update → the component that it is for."""
        listed, chosen = self.listed, self.chosen
        return {
            "session": self.session,
            "title": listed.title,
            "steps": listed.steps,
            "name": chosen.name,
            "comment": chosen.comment,
            "shown": chosen.shown,
            "picture": chosen.picture,
            "brought": self.brought,
            "before": self.before,
            "back": listed.back,
        }

    @property
    def outputs(self) -> list[Any]:
        """All that :meth:`showing` may update."""
        return [*self.parts.values()]

    def showing(self, handler: Callable[..., Updates]) -> Callable[..., dict[Any, Any]]:
        """``handler``, its updates keyed by component as gradio takes them: what it doesn't name stays."""

        def handle(*given: Any) -> dict[Any, Any]:
            updates = handler(*given) or UNCHANGED
            return {self.parts[name]: update for name, update in updates.items()}

        return handle


def lay_out_list() -> StepList:
    """The left column."""
    title = gr.Textbox(
        Session().title, label="Title", max_lines=1, max_length=MAX_TITLE, elem_id="export-title"
    )
    steps = gr.Radio([], label="Steps, in order", elem_id="export-steps")
    with gr.Row():
        up = gr.Button("Up", size="sm", min_width=60)
        down = gr.Button("Down", size="sm", min_width=60)
        remove = gr.Button("Remove", size="sm", min_width=80)
    back = gr.Button("", size="sm", visible=False, elem_id="export-back")
    return StepList(title, steps, up, down, remove, back)


def lay_out_chosen() -> ChosenStep:
    """The middle column."""
    name = gr.Textbox(
        label="Title of the step", max_lines=1, max_length=MAX_TITLE, elem_id="export-step-title"
    )
    comment = gr.Textbox(
        label="Your words",
        info="Formulas as in TeX, between dollar signs: $k^2$",
        lines=3,
        max_length=MAX_TEXT,
        elem_id="export-comment",
    )
    refused = gr.HTML("", padding=False, elem_id="export-refused")
    picture = gr.Image(
        label="Result",
        interactive=False,
        visible=False,
        height=300,
        buttons=["download", "fullscreen"],
        elem_id="export-picture",
        alt_text="The result of the step; described below",
    )
    shown = gr.HTML(note(_EMPTY), padding=False, elem_id="export-shown")
    numbers = gr.Button("Picture, map and numbers of this step", size="sm", elem_id="export-numbers")
    return ChosenStep(name, comment, refused, picture, shown, numbers)


def connect(page: Steps) -> None:
    """Choosing a step, putting it elsewhere, taking it out, writing to it."""
    listed, chosen = page.listed, page.chosen
    listed.steps.input(page.showing(details), page.at, page.outputs, **AT_ONCE)
    for button, by in ((listed.up, -1), (listed.down, 1)):
        button.click(page.showing(partial(move, by=by)), page.at, page.outputs, **AT_ONCE)
    listed.remove.click(page.showing(take_out), page.at, page.outputs, **AT_ONCE)
    listed.back.click(page.showing(place), [page.session, page.before], page.outputs, **AT_ONCE)
    listed.title.blur(rename, [page.session, listed.title], [page.session, chosen.refused], **WRITTEN)
    written = [chosen.name.blur, chosen.comment.blur, chosen.name.submit]
    words = [chosen.name, chosen.comment]
    gr.on(written, write, [*page.at, *words], [*page.at, chosen.refused], **WRITTEN)


def choices(session: Session) -> list[tuple[str, int]]:
    """(text, position) per step."""
    return [
        (step.title if step.title[:1].isdigit() else f"{number + 1} · {step.title or step.kind}", number)
        for number, step in enumerate(session.steps)
    ]


def changed(session: Session, position: int | None) -> Updates:
    """Updates for the session, its title, and the step at ``position``."""
    return {"session": session, "title": session.title, **details(session, position)}


def details(session: Session, position: int | None) -> Updates:
    """Updates for the list, the step's title, its words, what it says, and its picture."""
    listed = gr.update(choices=choices(session), value=position)
    if position is None or not session.steps:
        return _details(listed, "", "", note(_EMPTY), "")
    step = session.steps[position]
    text = Markup('<pre class="export-text">{}</pre>').format(step.text) if step.text else ""
    path = file_for_page("result.png", step.picture) if step.picture else ""
    return _details(listed, step.title, step.comment, text, path)


def _details(listed: Any, name: str, comment: str, shown: str, path: str) -> Updates:
    picture = gr.update(value=path or None, visible=bool(path))
    return {"steps": listed, "name": name, "comment": comment, "shown": shown, "picture": picture}


UNCHANGED: Updates = {"session": gr.skip()}
"""gradio wants at least one update."""


def move(session: Session, position: int | None, by: int) -> Updates:
    """One step put ``by`` places on."""
    if position is None or not 0 <= position + by < len(session.steps):
        return UNCHANGED
    return changed(session.move(position, position + by), position + by)


def take_out(session: Session, position: int | None) -> Updates:
    """Without one step; the next one is chosen."""
    if position is None:
        return UNCHANGED
    session = session.remove(position)
    return changed(session, min(position, len(session.steps) - 1) if session.steps else None)


def place(session: Session, brought: Session | None) -> Updates:
    """Another session in place of this one, which can be brought back.

    ``session`` is what there is by now: what was kept while the other was being made is in it too.
    """
    if brought is None:
        return {**UNCHANGED, "brought": None}
    count = len(session.steps)
    back = gr.update(
        value=f"Back to the {count} {'step' if count == 1 else 'steps'} from before", visible=count > 0
    )
    return {
        **changed(brought, 0 if brought.steps else None),
        "brought": None,
        "before": session if count else None,
        "back": back,
    }


def rename(session: Session, title: str) -> tuple[Any, str]:
    """Updates for the session, with another title, and for what is said of a refused one."""
    try:
        return session.rename(title), ""
    except ExplorerError as error:
        return gr.skip(), _refusal(error)


def write(session: Session, position: int | None, name: str, comment: str) -> tuple[Any, Any, str]:
    """Updates for the session and the list, with other words at one step, and for what is said of refused ones.

    Of a title and a comment, each is taken whatever becomes of the other.
    """
    if position is None:
        return gr.skip(), gr.skip(), ""
    sentence = ""
    for words in ({"title": name}, {"comment": comment}):
        try:
            session = session.change(position, **words)
        except ExplorerError as error:
            sentence += _refusal(error)
    return session, gr.update(choices=choices(session)), sentence


def _refusal(error: ExplorerError) -> str:
    text = f"{error}. It isn't in the hand-in yet."
    return Markup('<p class="note" role="alert">{}</p>').format(text[:1].upper() + text[1:])
