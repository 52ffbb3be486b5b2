"""The place for one result: a picture, or a before/after slider, its colour bar and its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from explorer.images.overlay import enlarged
from explorer.tabs.components import note, picture_file

MAP_PX = 448
"""A map shown alone is enlarged to at least this."""


@dataclass(frozen=True, eq=False)
class PaneContent:
    """What a :class:`Pane` is to show.

    Attributes:
        scale: what the colours mean, or bars in a picture's place.
        caption: plain words.
        picture: a file; None: no picture.
        beside: the file of a picture that ``picture`` is put before and after with.
    """

    scale: Markup
    caption: str
    picture: str | None = None
    beside: str | None = None


@dataclass(frozen=True)
class Pane:
    """The place for one result: a picture, or a before/after slider; its colour bar and its caption."""

    picture: gr.Image
    slider: gr.ImageSlider
    scale: gr.HTML
    caption: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """The components that :meth:`showing` updates."""
        return [self.picture, self.slider, self.scale, self.caption]

    def showing(self, content: PaneContent) -> dict[Any, Any]:
        """Updates that show it."""
        picture = slider = gr.update(visible=False)
        if content.beside is not None:
            slider = gr.update(value=(content.beside, content.picture), visible=True)
        elif content.picture is not None:
            picture = gr.update(value=content.picture, visible=True)
        return {
            self.picture: picture,
            self.slider: slider,
            self.scale: content.scale,
            self.caption: note(content.caption),
        }


SHOWN = [("Overlay", "overlay"), ("Before / after", "slider"), ("Map alone", "map")]


def result_pane(label: str, elem_id: str, height: int = 400) -> Pane:
    """Lay out a :class:`Pane` inside an open column."""
    picture = gr.Image(
        label=label,
        height=height,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=elem_id,
        elem_classes="result",
        alt_text=f"{label}; described in the caption below",
    )
    slider = gr.ImageSlider(
        label=f"Left: the picture. Right: {label[:1].lower()}{label[1:]}",
        height=height,
        interactive=False,
        visible=False,
        elem_id=f"{elem_id}-slider",
        elem_classes="result",
    )
    scale = gr.HTML(padding=False, elem_id=f"{elem_id}-scale")
    caption = gr.HTML(padding=False, elem_id=f"{elem_id}-caption")
    return Pane(picture, slider, scale, caption)


def map_content(
    shown: str,
    pixels: np.ndarray,
    laid: Callable[[], np.ndarray],
    alone: Callable[[], np.ndarray],
    scale: Markup,
    caption: str,
) -> PaneContent:
    """A map as :data:`SHOWN` has it: ``laid`` over the picture, before and after, or ``alone``, a pixel a cell."""
    if shown == "map":
        return PaneContent(scale, caption, picture_file(enlarged(alone(), MAP_PX), "map"))
    beside = picture_file(pixels) if shown == "slider" else None
    return PaneContent(scale, caption, picture_file(laid(), "overlay"), beside)
