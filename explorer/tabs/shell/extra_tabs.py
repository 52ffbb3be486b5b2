"""Screens of other parts of the program, and the way from there into the explorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.tabs.components import Updates, class_choices, components_of
from explorer.tabs.looking import activations, explaining
from explorer.tabs.looking.two_classes import TwoClassesTab
from explorer.tabs.shell import sidebar
from explorer.tabs.shell.sidebar import Sidebar
from explorer.workbench import Selection, Workbench


@dataclass(frozen=True)
class TabContext:
    """How another part of the program opens a network and a picture in the explorer.

    A handler with :attr:`outputs` returns what :meth:`open` gives. :attr:`selection` and :attr:`model` (the list of
    networks) may also be used on their own. ``session`` holds what the user keeps, an
    :class:`explorer.session.steps.Session`.
    """

    bench: Workbench
    sidebar: Sidebar
    active: gr.Textbox
    tabs: gr.Tabs
    two: TwoClassesTab
    session: gr.State

    @property
    def selection(self) -> gr.State:
        """What is looked at, a :class:`explorer.workbench.Selection`."""
        return self.sidebar.selection

    @property
    def model(self) -> gr.Dropdown:
        """The list of networks."""
        return self.sidebar.model

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The components that :meth:`open` updates."""
        return (
            *components_of(self.sidebar),
            *(self.active, self.tabs),
            *(self.two.first, self.two.second, self.two.seen),
        )

    def list_networks(self, selection: Selection) -> Any:
        """Update for :attr:`model` when there are new networks; what is looked at stays chosen."""
        return gr.update(choices=sidebar.model_choices(self.bench, selection.model))

    def open(
        self, selection: Selection, where: str = activations.NAME, classes: tuple[int, int] | None = None
    ) -> Updates:
        """Updates that show ``selection`` on the screen ``where``; with ``classes``, what separates the two."""
        visit = self.bench.open(selection)
        updates = {
            **sidebar.opened(self.sidebar, self.bench, visit, title=""),
            self.active: where,
            self.tabs: gr.update(selected=where),
        }
        if classes is not None:
            choices = class_choices(visit.model.labels)
            for component, index in zip((self.two.first, self.two.second), classes, strict=True):
                updates[component] = gr.update(choices=choices, value=index)
            updates[self.two.seen] = explaining.chosen_for(selection)
        return updates


@dataclass(frozen=True)
class ExtraTab:
    """A screen from another part of the program: ``build`` lays it out inside its tab, and connects it.

    It is given the way into the explorer, the name of the active screen (a textbox), and its tab.
    """

    name: str
    title: str
    build: Callable[[TabContext, gr.Textbox, gr.Tab], None]
