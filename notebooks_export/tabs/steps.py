"""The steps of a session: chosen, put in order, written to, taken out."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.session.steps import MAX_TEXT, MAX_TITLE, Session
from explorer.tabs.components import QUIET, note
from notebooks_export.tabs.downloads import file_for_page

# What was typed must be in the session before the next click is answered. Such events can't raise messages, so a
# refusal stands on the page.
AT_ONCE: dict[str, Any] = {"queue": False, **QUIET}
# ``multiple``: gradio would drop a click right after Cancel, while what was cancelled is still ending.
CANCELLABLE: dict[str, Any] = {"concurrency_limit": 2, "trigger_mode": "multiple", **QUIET}
STYLE = """
#export-steps .wrap { flex-flow: column; max-height: 60vh; overflow-y: auto; gap: 2px; }
#export-steps label { width: 100%; }
#export-steps label span { overflow-wrap: anywhere; }
#export-refused p { color: var(--error-text-color, #b91c1c); }
.export-text { white-space: pre-wrap; max-height: 50vh; overflow-y: auto; font-size: 0.85em; }
"""
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
    def step_outputs(self) -> list[Any]:
        """In the order of :func:`details`."""
        chosen = self.chosen
        return [self.listed.steps, chosen.name, chosen.comment, chosen.shown, chosen.picture]

    @property
    def outputs(self) -> list[Any]:
        """In the order of :func:`changed`."""
        return [self.session, self.listed.title, *self.step_outputs]

    @property
    def place_outputs(self) -> list[Any]:
        """In the order of :func:`place`."""
        return [*self.outputs, self.brought, self.before, self.listed.back]


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
    listed.steps.input(details, page.at, page.step_outputs, **AT_ONCE)
    for button, by in ((listed.up, -1), (listed.down, 1)):
        button.click(partial(move, by=by), page.at, page.outputs, **AT_ONCE)
    listed.remove.click(take_out, page.at, page.outputs, **AT_ONCE)
    listed.back.click(place, [page.session, page.before], page.place_outputs, **AT_ONCE)
    listed.title.blur(rename, [page.session, listed.title], [page.session, chosen.refused], **AT_ONCE)
    written = [chosen.name.blur, chosen.comment.blur, chosen.name.submit]
    words = [chosen.name, chosen.comment]
    gr.on(written, write, [*page.at, *words], [*page.at, chosen.refused], **AT_ONCE)


def choices(session: Session) -> list[tuple[str, int]]:
    """(text, position) per step."""
    return [
        (step.title if step.title[:1].isdigit() else f"{number + 1} · {step.title or step.kind}", number)
        for number, step in enumerate(session.steps)
    ]


def changed(session: Session, position: int | None) -> tuple[Any, ...]:
    """Updates for the session, its title, and what :func:`details` gives."""
    return session, session.title, *details(session, position)


def details(session: Session, position: int | None) -> tuple[Any, ...]:
    """Updates for the list, the step's title, its words, what it says, and its picture."""
    listed = gr.update(choices=choices(session), value=position)
    if position is None or not session.steps:
        return listed, "", "", note(_EMPTY), gr.update(value=None, visible=False)
    step = session.steps[position]
    text = f'<pre class="export-text">{html.escape(step.text)}</pre>' if step.text else ""
    path = file_for_page("result.png", step.picture) if step.picture else None
    return listed, step.title, step.comment, text, gr.update(value=path, visible=bool(path))


DETAILS = 5
"""How many updates :func:`details` gives."""
UNCHANGED = (gr.skip(),) * (2 + DETAILS)
"""As many as :func:`changed` gives."""


def move(session: Session, position: int | None, by: int) -> tuple[Any, ...]:
    """One step put ``by`` places on."""
    if position is None or not 0 <= position + by < len(session.steps):
        return UNCHANGED
    return changed(session.move(position, position + by), position + by)


def take_out(session: Session, position: int | None) -> tuple[Any, ...]:
    """Without one step; the next one is chosen."""
    if position is None:
        return UNCHANGED
    session = session.remove(position)
    return changed(session, min(position, len(session.steps) - 1) if session.steps else None)


def place(session: Session, brought: Session | None) -> tuple[Any, ...]:
    """Another session in place of this one, which can be brought back: updates for :attr:`Steps.place_outputs`.

    ``session`` is what there is by now: what was kept while the other was being made is in it too.
    """
    if brought is None:
        return (*UNCHANGED, None, gr.skip(), gr.skip())
    count = len(session.steps)
    back = gr.update(
        value=f"Back to the {count} {'step' if count == 1 else 'steps'} from before", visible=count > 0
    )
    return *changed(brought, 0 if brought.steps else None), None, session if count else None, back


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
    return f'<p class="note" role="alert">{html.escape(text[:1].upper() + text[1:])}</p>'
