"""What all screens share: loaded networks and results, kept under byte budgets. Nothing of any one user."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from explorer.activations.capture import Activation, ActivationCache, Capture
from explorer.caches import ByteBudgetCache
from explorer.errors import ExplorerError
from explorer.fields.theoretical import work_out_fields
from explorer.images.decode import digest, read_image
from explorer.layers.listing import find_layer
from explorer.networks.download import DownloadProgress
from explorer.networks.load import LoadedModel, load_model
from explorer.networks.predictions import Prediction, ranked
from explorer.networks.preprocessing import Framing
from explorer.saliency.attribution import Attribution, ClassComparison, attribute, difference
from explorer.saliency.method import AttributionMethod
from explorer.saliency.target_score import Objective


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image ``(H, W, 3) uint8`` (read-only) and the name of its content."""

    pixels: np.ndarray
    digest: str


@dataclass(frozen=True)
class Selection:
    """What one user looks at: a network, a picture, and how the picture is framed for it."""

    model: str
    image_path: str
    image_digest: str
    framing: Framing


@dataclass(frozen=True)
class Explanation:
    """What is asked of an attribution; with a :class:`Selection` it says everything about the result."""

    target: int
    method: AttributionMethod = "gradient"
    objective: Objective = "logit"
    signed: bool = True
    layer: str | None = None


AttributionCache = ByteBudgetCache[tuple[int, str, Framing, Explanation], Attribution]


class Visit:
    """A network with a picture, opened once for all that one event asks of them; :meth:`Workbench.open` makes it.

    The forward pass is run, or found in the cache, when something of it is first asked for, and then held: whoever
    draws with a visit asks no cache for the same thing again. Not to be kept from one event to the next, since it
    holds on to what the caches may let go.

    Attributes:
        selection: what was opened.
        model: its network.
        picture: its picture, decoded.
    """

    def __init__(
        self,
        selection: Selection,
        model: LoadedModel,
        picture: Picture,
        activations: ActivationCache,
        attributions: AttributionCache,
    ) -> None:
        self.selection = selection
        self.model = model
        self.picture = picture
        self._activations = activations
        self._attributions = attributions
        self._capture: Capture | None = None

    @property
    def pixels(self) -> np.ndarray:
        """The picture, RGB ``uint8`` ``(H, W, 3)``."""
        return self.picture.pixels

    def capture(self, *layers: str) -> Capture:
        """The forward pass with at least these layers; who needs several asks for them at once.

        Raises:
            ExplorerError: no such layer.
        """
        names = [find_layer(self.model, name).name for name in layers]
        if self._capture is None or not self._capture.activations.keys() >= set(names):
            self._capture = self._activations.capture(
                self.model,
                self.pixels,
                names,
                framing=self.selection.framing,
                image_digest=self.selection.image_digest,
            )
        return self._capture

    def activation(self, layer: str) -> Activation:
        """What a layer puts out; a module's name means its last step.

        Raises:
            ExplorerError: no such layer.
        """
        return self.capture(layer).activations[find_layer(self.model, layer).name]

    def predictions(self, top: int) -> list[Prediction]:
        """The ``top`` most probable classes, the most probable first."""
        return ranked(self.model, self.capture().logits, top)

    def attribution(
        self, explanation: Explanation, on_progress: Callable[[float], None] | None = None
    ) -> Attribution:
        """An attribution: computed once, then remembered for everyone.

        Raises:
            ExplorerError: as :func:`explorer.attribute`.
        """
        framing = self.selection.framing
        key = (self.model.serial, self.selection.image_digest, framing, explanation)
        return self._attributions.get_or_make(
            key,
            lambda: attribute(
                self.model,
                self.pixels,
                explanation.target,
                explanation.method,
                objective=explanation.objective,
                signed=explanation.signed,
                layer=explanation.layer,
                framing=framing,
                on_progress=on_progress,
            ),
        )

    def comparison(
        self,
        first: Explanation,
        second: Explanation,
        on_progress: Callable[[float], None] | None = None,
    ) -> ClassComparison:
        """Two classes and what separates them, from attributions that are remembered one by one."""
        report = on_progress or (lambda share: None)
        a = self.attribution(first, lambda share: report(share / 2))
        b = self.attribution(second, lambda share: report((1 + share) / 2))
        return difference(a, b)


class ModelSource(Protocol):
    """Networks that the catalogue doesn't know, such as those of training runs."""

    def choices(self, current: str) -> list[tuple[str, str]]:
        """(text, name) of each; where a run has several, ``current`` is named, else the last."""

    def versions(self, name: str) -> dict[int, str]:
        """Epoch → name, for all networks of the run that ``name`` belongs to; empty if it is none of ours."""

    def identity(self, name: str) -> Hashable:
        """What changes when the weights behind ``name`` do; None if it is none of ours."""

    def load(self, name: str, device: str) -> LoadedModel:
        """The network itself; raises ExplorerError if it is gone or damaged."""


class Workbench:
    """Loads each network once, decodes each picture once, runs each forward pass once; then remembers.

    Keys name contents, so users who share a key share only what they both have.
    """

    def __init__(
        self,
        *,
        device: str = "cpu",
        offline: bool = False,
        source: ModelSource | None = None,
        models_bytes: int = 2 * 2**30,
        activations_bytes: int = 512 * 2**20,
    ) -> None:
        self.device = device
        self.offline = offline
        self.source = source
        self.activations = ActivationCache(activations_bytes)
        self._models: ByteBudgetCache[Hashable, LoadedModel] = ByteBudgetCache(
            models_bytes, lambda model: 4 * model.parameters
        )
        self._pictures: ByteBudgetCache[tuple[str, int], Picture] = ByteBudgetCache(
            256 * 2**20, lambda picture: picture.pixels.nbytes
        )
        self._attributions: AttributionCache = ByteBudgetCache(
            128 * 2**20, lambda found: found.values.nbytes + found.raw.nbytes + found.map.nbytes
        )

    def model(self, name: str, on_progress: Callable[[DownloadProgress], None] | None = None) -> LoadedModel:
        """A network of the catalogue, of :attr:`source`, or one that :meth:`add_model` was given.

        Raises:
            ExplorerError: as :func:`explorer.load_model`.
        """

        def load() -> LoadedModel:
            if ":" in name:
                raise ExplorerError(f"network {name!r}", "is no longer in memory", "load its file again")
            return begun(load_model(name, device=self.device, offline=self.offline, on_progress=on_progress))

        def begun(model: LoadedModel) -> LoadedModel:
            work_out_fields(model)  # every placed map needs them; who is asked first shouldn't wait
            return model

        source = self.source
        if source is not None and (identity := source.identity(name)) is not None:
            return self._models.get_or_make((name, identity), lambda: begun(source.load(name, self.device)))
        return self._models.get_or_make(name, load)

    def add_model(self, model: LoadedModel, content: str) -> str:
        """Keep a network that isn't in the catalogue; ``content`` names its weights. Returns its name here.

        The same weights with other class names are another network: no user's names show on another's screen.
        """
        labels = hashlib.sha256("\n".join(model.labels).encode()).hexdigest()[:8]
        name = f"{model.name}:{content}-{labels}"
        work_out_fields(model)
        self._models.put(name, model)
        return name

    def picture(self, path: str) -> Picture:
        """A decoded picture; ``path`` is one that the server itself wrote.

        Raises:
            ExplorerError: not a picture that can be read.
        """
        file = Path(path)
        # A file that was replaced since is another picture.
        changed = file.stat().st_mtime_ns if file.exists() else 0

        def decode() -> Picture:
            pixels = read_image(path)
            pixels.flags.writeable = False
            return Picture(pixels, digest(pixels))

        return self._pictures.get_or_make((path, changed), decode)

    def select(self, model: str, image_path: str, framing: Framing = "crop") -> Selection:
        """Name what is to be looked at; decodes the picture, and does not load the network."""
        return Selection(model, image_path, self.picture(image_path).digest, framing)

    def open(self, selection: Selection) -> Visit:
        """The network and the picture of a selection, together and once, for all that one event asks of them.

        Raises:
            ExplorerError: as :meth:`model` and :meth:`picture`.
        """
        model, picture = self.model(selection.model), self.picture(selection.image_path)
        return Visit(selection, model, picture, self.activations, self._attributions)

    def capture(self, selection: Selection, layers: tuple[str, ...] = ()) -> Capture:
        """As :meth:`Visit.capture`, for who needs nothing else."""
        return self.open(selection).capture(*layers)

    def attribution(
        self,
        selection: Selection,
        explanation: Explanation,
        on_progress: Callable[[float], None] | None = None,
    ) -> Attribution:
        """As :meth:`Visit.attribution`, for who needs nothing else."""
        return self.open(selection).attribution(explanation, on_progress)
