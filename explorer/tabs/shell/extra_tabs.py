"""Where other wings of the house come in: a screen of their own, and the way from it into the explorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.tabs.components import class_choices
from explorer.tabs.looking import activations, explaining
from explorer.tabs.shell import sidebar
from explorer.workbench import Selection, Workbench


@dataclass(frozen=True)
class TabContext:
    """How another wing opens a network and a picture in the explorer.

    A handler with :attr:`outputs` returns what :meth:`open` gives. ``selection`` and ``model`` (the list of networks)
    may also be used on their own. ``session`` holds what the user keeps, an :class:`explorer.session.steps.Session`.
    """

    bench: Workbench
    selection: gr.State
    model: gr.Dropdown
    session: gr.State
    outputs: tuple[Any, ...]

    def list_networks(self, selection: Selection) -> Any:
        """Update for :attr:`model` when there are new networks; what is looked at stays chosen."""
        return gr.update(choices=sidebar.model_choices(self.bench, selection.model))

    def open(
        self, selection: Selection, where: str = activations.NAME, classes: tuple[int, int] | None = None
    ) -> Any:
        """Updates that show ``selection`` on the screen ``where``; with ``classes``, what separates the two."""
        chosen: tuple[Any, ...] = (gr.skip(), gr.skip(), gr.skip())
        if classes is not None:
            choices = class_choices(self.bench.model(selection.model).labels)
            chosen = tuple(gr.update(choices=choices, value=index) for index in classes)
            chosen = (*chosen, explaining.chosen_for(selection))
        return (
            selection,
            gr.update(choices=sidebar.model_choices(self.bench, selection.model), value=selection.model),
            sidebar.shown_picture(self.bench, selection),
            selection.framing,
            "",
            *sidebar.describe(self.bench, selection),
            where,
            gr.update(selected=where),
            *chosen,
        )


@dataclass(frozen=True)
class ExtraTab:
    """A screen from another part of the program: ``build`` lays it out inside its tab, and connects it.

    It is given the way into the explorer, the name of the active screen (a textbox), and its tab.
    """

    name: str
    title: str
    build: Callable[[TabContext, gr.Textbox, gr.Tab], None]
