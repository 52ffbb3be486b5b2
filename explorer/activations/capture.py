"""What every layer puts out for an image: one forward pass, any number of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from explorer.caches import ByteBudgetCache
from explorer.fields.theoretical import receptive_fields
from explorer.images.decode import digest
from explorer.images.geometry import Placement
from explorer.layers.listing import Layer, channels_first, find_layer, not_reached, stages, trace
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Framing


@dataclass(frozen=True, eq=False)
class Activation:
    """A layer's output for one image.

    Attributes:
        layer: the layer's name.
        kind: its module's class or function.
        values: ``(C, H, W)`` float32, true values: nothing later in the network has written into them.
            Read-only, since they are shared. A vector of C values is ``(C, 1, 1)``.
        placement: where its cells lie on the image, by the centres of their receptive fields.
    """

    layer: str
    kind: str
    values: np.ndarray
    placement: Placement

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        return self.values.shape


@dataclass(frozen=True, eq=False)
class Capture:
    """One forward pass, kept: the activations by layer name, in execution order, and the logits ``(classes,)``."""

    activations: Mapping[str, Activation]
    logits: np.ndarray

    @property
    def size_bytes(self) -> int:
        """Memory of everything kept."""
        return self.logits.nbytes + sum(a.values.nbytes for a in self.activations.values())


def capture_activations(
    model: LoadedModel,
    image: np.ndarray,
    layers: Iterable[str] | None = None,
    *,
    framing: Framing | None = None,
) -> dict[str, Activation]:
    """Run the network once on an image and return what layers put out.

    >>> found = capture_activations(model, image, ["conv_stem", "blocks.2"])
    >>> {name: activation.shape for name, activation in found.items()}
    {'conv_stem': (32, 112, 112), 'blocks.2': (40, 28, 28)}

    Args:
        model: the network; it is run in eval mode, and each module keeps the mode that it had.
        image: RGB ``uint8`` ``(H, W, 3)``.
        layers: names of layers, or of modules, which mean their last step; None: all layers.
        framing: what of the image the network sees, see :data:`explorer.networks.preprocessing.Framing`; None: what
            it was trained for.

    Returns:
        Name as asked for → its Activation, in the order asked for; of all layers in execution order.

    Raises:
        ExplorerError: no such layer.
    """
    if layers is None:
        return dict(capture_all(model, image, framing=framing).activations)
    wanted = {name: find_layer(model, name).name for name in layers}
    found, _ = _read(model, image, list(wanted.values()), framing)
    if missing := [name for name in wanted.values() if name not in found]:
        raise not_reached(missing[0])
    return {name: found[layer] for name, layer in wanted.items()}


class ActivationCache:
    """Whole forward passes by (network, image, framing), so that the next click needs none.

    One pass captures every layer if they take at most half the budget; otherwise the stages of the film
    strip, and each further layer when it is asked for.
    """

    def __init__(self, budget_bytes: int = 512 * 2**20) -> None:
        self._captures: ByteBudgetCache[tuple[int, str, Framing], Capture] = ByteBudgetCache(
            budget_bytes, lambda capture: capture.size_bytes
        )

    @property
    def used_bytes(self) -> int:
        """The bytes of activations kept now."""
        return self._captures.used_bytes

    def capture(
        self,
        model: LoadedModel,
        image: np.ndarray,
        layers: Iterable[str] = (),
        *,
        framing: Framing | None = None,
        image_digest: str | None = None,
    ) -> Capture:
        """A forward pass of ``model`` on ``image`` with at least ``layers``; ``image_digest`` if it is known.

        Raises:
            ExplorerError: no such layer.
        """
        framing = framing or model.preprocess.framing
        key = (model.serial, image_digest or digest(image), framing)
        wanted = [find_layer(model, name).name for name in layers]
        found = self._captures.get_or_make(key, lambda: self._capture(model, image, wanted, framing))
        missing = [name for name in wanted if name not in found.activations]
        if missing:
            found = self._capture(model, image, [*found.activations, *missing], framing)
            self._captures.put(key, found)
            if missing := [name for name in wanted if name not in found.activations]:
                raise not_reached(missing[0])
        return found

    def _capture(self, model: LoadedModel, image: np.ndarray, wanted: list[str], framing: Framing) -> Capture:
        layers = trace(model).layers
        total = sum(layer.size_bytes for layer in layers.values())
        if total > self._captures.budget_bytes // 2:
            keep = {layer.name for layer in stages(model)}.union(wanted)
            layers = {name: layer for name, layer in layers.items() if name in keep}
        return capture_all(model, image, list(layers), framing)


def capture_all(
    model: LoadedModel, image: np.ndarray, layers: Iterable[str] | None = None, framing: Framing | None = None
) -> Capture:
    """One forward pass with the logits and the activations of ``layers`` (``None``: of all that are run)."""
    traced = trace(model)
    names = list(traced.layers) if layers is None else list(layers)
    activations, outputs = _read(model, image, names, framing, also=traced.output)
    return Capture(activations, outputs[traced.output][0].float().cpu().numpy())


def _read(
    model: LoadedModel, image: np.ndarray, names: list[str], framing: Framing | None, also: str = ""
) -> tuple[dict[str, Activation], dict[str, torch.Tensor]]:
    """One forward pass up to the last of these layers: their activations, and the raw outputs with that of ``also``."""
    traced = trace(model)
    with evaluating(model.module), torch.inference_mode():
        wanted = dict.fromkeys([*names, also] if also else names)
        outputs = traced.run(model.preprocess(image, framing), wanted)
    placement = model.preprocess.placement(image.shape[0], image.shape[1], framing)
    # A network whose path depends on its input may leave some layers out.
    activations = {
        name: _activation(model, traced.layers[name], outputs[name], placement)
        for name in names
        if name in outputs
    }
    return activations, outputs


def _activation(
    model: LoadedModel, layer: Layer, output: torch.Tensor, input_placement: Placement
) -> Activation:
    field = receptive_fields(model)[layer.name]
    values = channels_first(output, layer).float().cpu().numpy()
    values.flags.writeable = False
    return Activation(layer.name, layer.kind, values, input_placement.of_units(field.start, field.stride))
