"""The app for other programs: named, documented endpoints for gradio_client and MCP clients.

They are events of components that no page shows, so that files come in through gradio's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.activations.captions import describe_activation, describe_attribution, describe_comparison
from explorer.activations.reduction import reduce
from explorer.errors import ExplorerError
from explorer.images.overlay import overlay
from explorer.layers.architecture import architecture
from explorer.networks.catalogue import BUNDLED, catalogue
from explorer.tabs.components import on_screen, picture_file
from explorer.workbench import Explanation, Visit, Workbench


def build(bench: Workbench) -> None:
    """Add the endpoints to an open ``gr.Blocks``."""
    with gr.Column(visible=False):
        image = gr.File(label="image")
        model = gr.Textbox(BUNDLED, label="model")
        layer = gr.Textbox("blocks.4", label="layer")
        view = gr.Textbox("pca", label="view")
        number = gr.Number(10, label="number")
        alpha = gr.Number(0.6, label="alpha")
        target, other = gr.Textbox("293", label="target"), gr.Textbox("289", label="other class")
        method, objective = gr.Textbox("gradient", label="method"), gr.Textbox("logit", label="objective")
        pictures = [gr.Image(type="filepath", label=f"picture {i + 1}") for i in range(3)]
        facts = gr.JSON(label="facts")

    answers = Endpoints(bench)

    def offer(fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
        name = fn.__name__
        gr.Button(name, visible=False).click(
            on_screen(fn), inputs, outputs, api_name=name, concurrency_limit=4
        )

    offer(answers.models, [], [facts])
    offer(answers.layers, [model], [facts])
    offer(answers.predict, [image, model, number], [facts])
    offer(answers.activations, [image, model, layer, view, number, alpha], [pictures[0], facts])
    offer(answers.saliency, [image, model, target, method, objective, alpha], [pictures[0], facts])
    offer(answers.compare_classes, [image, model, target, other, method, alpha], [*pictures, facts])


@dataclass(frozen=True)
class Endpoints:
    """What other programs can ask for. Signatures and docstrings are what clients see."""

    bench: Workbench

    def _open(self, image: str | None, model: str) -> Visit:
        if not image:
            raise ExplorerError("no image", "was given", "send a picture file")
        return self.bench.open(self.bench.select(model, image))

    def models(self) -> list[dict[str, Any]]:
        """List every network of the catalogue.

        Returns:
            Per network its name, its number of parameters, its published ImageNet accuracy (0 to 1, or null),
            and whether its weights are on the server.
        """
        return [
            {"name": info.name, "parameters": info.parameters, "top1": info.top1, "on_disk": info.on_disk}
            for info in catalogue().values()
        ]

    def layers(self, model: str) -> list[dict[str, Any]]:
        """List the layers of a network in execution order.

        Args:
            model: a name of the catalogue, for example "efficientnet_lite0".

        Returns:
            Per layer its name, kind, settings, output shape [C, H, W] and number of parameters.
        """
        return [
            {
                "name": row.name,
                "kind": row.kind,
                "settings": row.settings,
                "shape": list(row.shape),
                "parameters": row.parameters,
            }
            for row in architecture(self.bench.model(model))
        ]

    def predict(self, image: str, model: str, top: float) -> list[dict[str, Any]]:
        """Say what a picture shows, according to a network.

        Args:
            image: a picture file.
            model: a name of the catalogue.
            top: how many classes to return.

        Returns:
            Per class its index, label, probability (0 to 1) and logit, the most probable first.
        """
        return [
            {"index": p.index, "label": p.label, "probability": p.probability, "logit": p.logit}
            for p in self._open(image, model).predictions(int(top))
        ]

    def activations(
        self, image: str, model: str, layer: str, view: str, number: float, alpha: float
    ) -> tuple[str, dict[str, Any]]:
        """Lay what a layer responds to over a picture.

        Args:
            image: a picture file.
            model: a name of the catalogue.
            layer: a layer's name as /layers lists them, or a module's name, for example "layer1.0".
            view: pca, component, mean, max, energy, channel or nmf.
            number: the channel (from 0), the component (from 0), or how many channels the mean takes.
            alpha: opacity of the map, from 0 to 1.

        Returns:
            The picture with the map laid over it, and what it shows: layer, shape, limits of the colour scale,
            explained variance, and a caption.
        """
        visit = self._open(image, model)
        activation = visit.activation(layer)
        chosen: Any = view
        shown = reduce(
            activation,
            chosen,
            channels=max(1, int(number)) if view == "mean" else 10,
            channel=int(number) if view == "channel" else 0,
            component=int(number) if view == "component" else 0,
        )
        return picture_file(overlay(visit.pixels, shown, alpha), "activation"), {
            "layer": activation.layer,
            "shape": list(activation.shape),
            "limits": [list(pair) for pair in shown.limits],
            "explained_variance": list(shown.explained_variance),
            "caption": describe_activation(activation, shown),
        }

    def saliency(
        self, image: str, model: str, target: str, method: str, objective: str, alpha: float
    ) -> tuple[str, dict[str, Any]]:
        """Show which pixels of a picture speak for a class.

        Args:
            image: a picture file.
            model: a name of the catalogue.
            target: the class, by index ("243") or by name ("bull mastiff").
            method: gradient, input_x_gradient, smooth_grad, integrated_gradients, grad_cam, hires_cam, or occlusion
                by a grey square of a seventh of the input's side.
            objective: logit, loss or probability.
            alpha: opacity of the map, from 0 to 1.

        Returns:
            The picture with the map laid over it, and what it shows: class, logit, probability, limits of the
            colour scale, and a caption.
        """
        visit = self._open(image, model)
        found = visit.attribution(_asked(visit, target, method, objective))
        return picture_file(overlay(visit.pixels, found, alpha, fade=True), "saliency"), {
            "target": found.target,
            "label": found.label,
            "logit": found.logit,
            "probability": found.probability,
            "limits": [list(pair) for pair in found.limits],
            "caption": describe_attribution(found),
        }

    def compare_classes(
        self, image: str, model: str, first: str, second: str, method: str, alpha: float
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Show what makes a picture one class rather than another, on one colour scale.

        Args:
            image: a picture file.
            model: a name of the catalogue.
            first: class A, by index or by name.
            second: class B, by index or by name.
            method: as for /saliency.
            alpha: opacity of the maps, from 0 to 1.

        Returns:
            The map for A, the map for B, their signed difference A − B; and the limits of their common colour
            scale with a caption.
        """
        visit = self._open(image, model)
        a, b = (_asked(visit, target, method, "logit") for target in (first, second))
        found = visit.comparison(a, b)
        pictures = [
            picture_file(overlay(visit.pixels, view, alpha, limits=found.limits, fade=True), name)
            for view, name in ((found.a, "a"), (found.b, "b"), (found.difference, "difference"))
        ]
        return (
            *pictures,
            {  # type: ignore[return-value]
                "limits": [list(pair) for pair in found.limits],
                "caption": describe_comparison(found),
            },
        )


def _asked(visit: Visit, target: str, method: Any, objective: Any) -> Explanation:
    return Explanation(visit.model.class_index(target), method, objective)
