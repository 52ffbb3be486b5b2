"""From the C channels of a layer to something a person can look at: one value or three per position.

Takes plain arrays ``(C, H, W)`` (or anything with ``.values`` and ``.placement``) and knows no network.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

from explorer.errors import ExplorerError

ReductionMethod = Literal["pca", "component", "mean", "max", "energy", "channel", "nmf"]
# Float32 arithmetic leaves some 1e-14 of the variance along a direction in which nothing varies.
_ROUNDING_SHARE = 1e-10


@dataclass(frozen=True, eq=False)
class PCABasis:
    """The directions in channel space that one map's PCA found; kept, they colour another map alike.

    Attributes:
        mean: ``(C,)``, the mean over positions.
        components: ``(k, C)``, orthonormal rows, by falling variance; the sign follows our own rule.
        limits: ``(k, 2)``, the lowest and highest score on the map they were found on.
        explained_variance: share of that map's variance along each, in [0, 1].
    """

    mean: np.ndarray
    components: np.ndarray
    limits: np.ndarray
    explained_variance: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Reduction:
    """A map to look at, with its meaning.

    Attributes:
        values: ``(H, W)`` float32, or ``(H, W, 3)`` for three components shown as red, green and blue.
        limits: per channel of ``values`` the (lowest, highest) value that the colour scale spans.
        signed: zero has a meaning in the middle of the scale: use a diverging colour map.
        method: what was done, as asked for.
        description: the same in words, for a caption.
        layer: where it comes from, if known.
        placement: where its cells lie on the image, if known.
        explained_variance: PCA: share of the variance of each component shown, in [0, 1]; with a kept basis,
            the share of *this* map's variance.
        basis: PCA: what to pass as ``basis`` to colour another map alike.
        constant: all positions have the same value: there is nothing to see, and it isn't stretched.
    """

    values: np.ndarray
    limits: tuple[tuple[float, float], ...]
    signed: bool
    method: ReductionMethod
    description: str
    layer: str = ""
    placement: Any = None
    explained_variance: tuple[float, ...] = ()
    basis: PCABasis | None = None
    constant: bool = False


def reduce(
    activation: Any,
    method: ReductionMethod = "pca",
    *,
    channels: int = 10,
    channel: int = 0,
    component: int = 0,
    basis: PCABasis | None = None,
) -> Reduction:
    """Reduce ``(C, H, W)`` to ``(H, W, 3)`` or ``(H, W)``.

    >>> view = reduce(np.arange(12.0).reshape(3, 2, 2), "mean", channels=2)
    >>> view.values.tolist(), view.description
    ([[2.0, 3.0], [4.0, 5.0]], 'mean of the first 2 of 3 channels')

    Args:
        activation: an Activation, or an array ``(C, H, W)``, which then has no place on an image.
        method: ``pca``: the first three principal components as red, green, blue. ``component``: one of them.
            ``mean``: of the first channels. ``max``: over channels. ``energy``: root of the sum of squares over
            channels. ``channel``: a single one. ``nmf``: three parts that add up (negative values count as 0).
        channels: ``mean``: of how many channels, from 1 up; of all, if there are fewer.
        channel: ``channel``: its number, from 0 to C − 1.
        component: ``component``: its number, from 0 to C − 1; of a kept ``basis``, one that it has.
        basis: ``pca`` and ``component``: a kept PCA basis, instead of this map's own.

    Raises:
        ExplorerError: unknown method, a number out of range, a basis for another number of channels, PCA of a
            single position.
    """
    values = np.asarray(getattr(activation, "values", activation), dtype=np.float32)
    if values.ndim != 3 or 0 in values.shape:
        raise ExplorerError(
            f"an array of shape {values.shape}", "is not (C, H, W)", "give one image's activation"
        )
    if method not in get_args(ReductionMethod):
        raise ExplorerError(
            f"view {method!r}", "is unknown", f"choose one of {', '.join(get_args(ReductionMethod))}"
        )
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        remedy = "look at an earlier layer, and at the weights"
        raise ExplorerError(f"a map with {bad} values NaN or infinite", "can't be shown", remedy)
    about = {"layer": getattr(activation, "layer", ""), "placement": getattr(activation, "placement", None)}
    count = values.shape[0]
    if method in ("pca", "component"):
        single = None if method == "pca" else _checked("principal component", component, count)
        # These matrices are small: waiting BLAS threads would only rob torch's, and other users', of the cores.
        # Of many at once one may leave the limit on, which is to the good: 32 are then 30 times as fast.
        with _openblas().limit(limits=1):
            return _pca(values, single, basis, about)
    if method == "nmf":
        return _nmf(values, about)
    if method == "mean":
        if channels < 1:
            raise ExplorerError(f"the mean of {channels} channels", "is not defined", "take at least 1")
        used = min(channels, count)
        map_ = values[:used].mean(axis=0)
        sentence = (
            f"mean of the first {used} of {count} channels"
            if used < count
            else f"mean of all {count} channels"
        )
        return _single(map_, method, sentence, about)
    if method == "max":
        return _single(values.max(axis=0), method, f"largest of {count} channels", about)
    if method == "energy":
        energy = np.sqrt(np.einsum("chw,chw->hw", values, values))
        return _single(energy, method, f"energy: root of the sum of squares of {count} channels", about)
    number = _checked("channel", channel, count)
    return _single(values[number], method, f"channel {number} of {count}", about)


def strongest_channels(activation: Any, count: int = 16) -> list[int]:
    """The numbers of the ``count`` channels with the largest mean of squares, the strongest first.

    >>> strongest_channels(np.array([1.0, -3, 2]).reshape(3, 1, 1), 2)
    [1, 2]
    """
    values = np.asarray(getattr(activation, "values", activation), dtype=np.float32)
    energy = np.einsum("chw,chw->c", values, values)
    return [int(i) for i in np.argsort(-energy, kind="stable")[:count]]


def shared_limits(views: list[Reduction]) -> tuple[float, float]:
    """One colour scale for several single-valued maps, so that a weak one looks weak."""
    low = min(v.limits[0][0] for v in views)
    high = max(v.limits[0][1] for v in views)
    if any(v.signed for v in views):
        reach = max(-low, high)
        return -reach, reach
    return low, high


def _checked(what: str, number: int, count: int) -> int:
    if not 0 <= number < count:
        raise ExplorerError(f"{what} {number}", f"is not one of the {count}", f"choose from 0 to {count - 1}")
    return int(number)


def _single(map_: np.ndarray, method: ReductionMethod, description: str, about: dict[str, Any]) -> Reduction:
    map_ = np.ascontiguousarray(map_, dtype=np.float32)
    low, high = float(map_.min()), float(map_.max())
    signed = low < 0
    reach = max(-low, high)
    return Reduction(
        values=map_,
        limits=((-reach, reach) if signed else (0.0, high),),
        signed=signed,
        method=method,
        description=description,
        constant=low == high,
        **about,
    )


def _basis_of(centred: np.ndarray, mean: np.ndarray, count: int) -> PCABasis:
    """The first ``count`` principal directions of channels over positions ``(N, C)``, given less their ``mean``.

    Solved on the C×C covariance or the N×N Gram matrix of the N positions, whichever is smaller: never on
    more than it takes. The sign makes the sum of the cubed loadings positive; of the rules we tried,
    this one flips least from an image to a slightly shifted one.
    """
    if centred.shape[0] >= centred.shape[1]:
        components = _leading_vectors(centred.T @ centred, count).T
    else:
        vectors = _leading_vectors(centred @ centred.T, count)
        # Behind the last real component comes rounding, which may repeat an earlier one: QR prevents that.
        components = np.linalg.qr(centred.T.astype(np.float64) @ vectors)[0].T
    signs = np.where((components**3).sum(axis=1) < 0, -1.0, 1.0)
    components = (components * signs[:, None]).astype(np.float32)
    scores, shares = _scores(centred, components)
    limits = np.stack([scores.min(axis=0), scores.max(axis=0)], axis=1)
    return PCABasis(mean, components, limits, shares)


def _leading_vectors(square: np.ndarray, count: int) -> np.ndarray:
    """The eigenvectors of a symmetric matrix ``(n, n)`` with the largest eigenvalues, ``(n, count)``."""
    from scipy.linalg import eigh

    last = len(square) - 1
    wanted = [max(0, last - count + 1), last]
    _, vectors = eigh(square.astype(np.float64), subset_by_index=wanted, check_finite=False)
    return vectors[:, ::-1]


@cache
def _openblas() -> Any:
    """The thread pools of numpy's and scipy's linear algebra, found once."""
    import scipy.linalg  # noqa: F401  its library must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(internal_api="openblas")


def _positions(values: np.ndarray) -> np.ndarray:
    """``(C, H, W)`` → ``(H·W, C)``; free of copying where the network worked with channels last."""
    return values.reshape(values.shape[0], -1).T.astype(np.float32, copy=False)


def _centred(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions less their mean, and the mean."""
    # The mean of equal values isn't always that value in floating point, and a PCA would find the difference.
    # Seen from the first position they are all 0, and so is their mean.
    first = positions[0]
    centred = positions - first
    shift = centred.mean(axis=0)
    centred -= shift
    return centred, first + shift


def _scores(centred: np.ndarray, components: np.ndarray) -> tuple[np.ndarray, tuple[float, ...]]:
    """How far each of the positions ``(N, C)`` lies along each component, ``(N, k)``, and their shares of the variance.

    Along a direction in which nothing varies but rounding, all positions get the same score.
    """
    scores = centred @ components.T
    flat = centred.ravel(order="K")
    total = float(np.dot(flat, flat))
    spread = np.square(scores, dtype=np.float64).sum(axis=0)
    shares = np.minimum(spread / total, 1.0) if total > 0 else np.zeros(len(components))
    rounding = shares < _ROUNDING_SHARE
    scores[:, rounding] = 0.0
    shares[rounding] = 0.0
    return scores, tuple(float(s) for s in shares)


def _pca(
    values: np.ndarray,
    component: int | None,
    basis: PCABasis | None,
    about: dict[str, Any],
) -> Reduction:
    """Three principal components as colours, or one of them."""
    count, height, width = values.shape
    if height * width < 2:
        remedy = "choose a layer with a map, or the view of a single channel"
        raise ExplorerError(f"a layer of {height}×{width} positions", "has no principal components", remedy)
    centred, mean = _centred(_positions(values))
    sentence = ""
    if basis is None:
        basis = _basis_of(centred, mean, 3 if component is None else max(3, component + 1))
    elif len(basis.mean) != count:
        remedy = "keep a basis from the same layer of the same network"
        raise ExplorerError(f"a basis of {len(basis.mean)} channels", f"doesn't fit {count} channels", remedy)
    else:
        sentence = ", in the colours of a kept basis"
    found = len(basis.components)
    if component is not None and component >= found:
        remedy = f"choose from 0 to {found - 1}"
        raise ExplorerError(f"principal component {component}", f"isn't among the {found} found", remedy)
    numbers = list(range(min(3, found))) if component is None else [component]
    scores, shares = _scores(centred, basis.components[numbers])
    scores += basis.components[numbers] @ (mean - basis.mean)
    parts = ", ".join(f"PC{n + 1} {share:.1%}" for n, share in zip(numbers, shares, strict=True))
    return Reduction(
        **_painted(scores.reshape(height, width, -1), basis.limits[numbers], component is not None),
        signed=component is not None,
        method="pca" if component is None else "component",
        description=f"principal components of {count} channels: {parts} of the variance{sentence}",
        explained_variance=shares,
        basis=basis,
        constant=not any(shares),
        **about,
    )


def _painted(scores: np.ndarray, limits: np.ndarray, single: bool) -> dict[str, Any]:
    """The ``values`` and ``limits`` of a view of scores ``(H, W, k)``; colours without a component stay 0."""
    pairs = [(float(low), float(high)) for low, high in limits]
    if single:
        reach = max(-pairs[0][0], pairs[0][1])
        return {"values": scores[..., 0], "limits": ((-reach, reach),)}
    missing = 3 - len(pairs)
    return {
        "values": np.pad(scores, ((0, 0), (0, 0), (0, missing))),
        "limits": (*pairs, *[(0.0, 0.0)] * missing),
    }


def _nmf(values: np.ndarray, about: dict[str, Any]) -> Reduction:
    """Non-negative matrix factorisation (Lee and Seung, 1999) into three parts, deterministic start (NNDSVD)."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    count, height, width = values.shape
    positions = _positions(values)
    had_negative = bool((positions < 0).any())
    positions = np.maximum(positions, 0)
    parts = min(3, *positions.shape)
    map_ = np.zeros((height * width, 3), np.float32)
    sentence = f"{parts} parts that add up (NMF) of {count} channels"
    constant = bool((positions == positions[0]).all())
    if positions.any():
        # The start is found by a randomised SVD: unseeded, each call would colour the map anew.
        model = NMF(parts, init="nndsvda", max_iter=200, tol=1e-3, random_state=0)
        with warnings.catch_warnings():
            # Stopping early is fine here: how much of the map is rebuilt is said in the description.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores = model.fit_transform(positions)
        # A part's size and its mixture's size are exchangeable: give the parts unit length, the largest first.
        scores = scores * np.linalg.norm(model.components_, axis=1)
        # Equal positions get equal parts but for rounding, which must not look like a pattern.
        scores = np.broadcast_to(scores[:1], scores.shape) if constant else scores
        map_[:, :parts] = scores[:, np.argsort(-np.square(scores).sum(axis=0), kind="stable")]
        rebuilt = 1 - (float(model.reconstruction_err_) / float(np.linalg.norm(positions))) ** 2
        sentence += f", which rebuild {rebuilt:.1%} of the energy"
    sentence += "; negative values count as 0" if had_negative else ""
    map_ = map_.reshape(height, width, 3)
    tops = map_.reshape(-1, 3).max(axis=0)
    return Reduction(
        values=map_,
        limits=tuple((0.0, float(t)) for t in tops),
        signed=False,
        method="nmf",
        description=sentence,
        constant=constant,
        **about,
    )
