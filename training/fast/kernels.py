"""Convolution, ReLU and 2×2 max-pooling as one compiled function, forward and backward, for few channels.

PyTorch's convolutions on a CPU (oneDNN) put channels into the processor's vector units, 16 at a time with
AVX-512. The exercise sheet's network has 3, 6 and 16 of them, so most of each unit computes nothing. Here the
images of a batch lie innermost in memory, and 16 of them fill a unit whatever the channels. A map is an array
``(C, H, W · N)``, pixel ``(y, x)`` of image ``n`` at ``[c, y, x · N + n]``: a shift by one pixel is a shift by
``N``, and rows, even whole maps, are one long run of numbers. Convolved rows never leave the cache: they are
pooled at once, and only where each maximum came from is kept for the way back.

numba compiles the functions when they are first called, for each size of kernel and number of images, which
takes some seconds, and keeps what it made on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from importlib.util import cache_from_source
from pathlib import Path

import numba
import numpy as np
from filelock import FileLock
from numba.cpython.unsafe.tuple import tuple_setitem

# In $NUMBA_CACHE_DIR or beside Python's own compiled files. Each version of this file has a folder of its own:
# numba numbers what it keeps, and after a write that failed, a number of the new version could lead to the old.
_HOME = numba.config.CACHE_DIR or Path(cache_from_source(__file__)).parent  # type: ignore[attr-defined]
_FOLDER = Path(_HOME, "kernels-" + sha256(Path(__file__).read_bytes()).hexdigest()[:16])


def _can_keep() -> bool:
    try:
        _FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(_FOLDER, os.W_OK)


_KEEPS = _can_keep()
numba.config.CACHE_DIR = str(_FOLDER)  # type: ignore[attr-defined]
# Sums may be taken in another order, as vector units need it. NaN and infinity stay what they are: a run whose
# loss is no number must stop.
_part = numba.njit(fastmath={"contract", "reassoc", "nsz"})
_whole = numba.njit(fastmath={"contract", "reassoc", "nsz"}, nogil=True, cache=_KEEPS)
_ZERO = np.float32(0)
_BLOCKED = np.uint8(4)
"""In ``origin``, where the ReLU let nothing through. 0 to 3 are the places of a 2×2 window, row by row."""


@contextmanager
def compiling() -> Iterator[None]:
    """For first calls: one process at a time, as numba's list of what it has kept is not made for several."""
    with FileLock(_FOLDER / "lock") if _KEEPS else nullcontext():
        yield


def first_call(function: Callable[[], None]) -> None:
    """``function``, once more if what it compiled could not be kept, on a full disk, say: compiled it is."""
    try:
        function()
    except OSError:
        function()


Taps = tuple[np.float32, ...]
Batch = tuple[None, ...]


def constants(kernel: int, images: int) -> tuple[Taps, Batch]:
    """The kernel's width K and the number of images N as the functions below take them: as lengths of tuples.

    A tuple's length belongs to its type, so it is a constant to the compiler, which unrolls loops over the one
    and knows what lies where by the other. ``Taps`` are zeros: sums begin with them.
    """
    return (_ZERO,) * kernel, (None,) * images


# Indices are unsigned: for signed ones numba asks at each access whether to count from the end.


@_whole
def convolve_and_pool(x, weight, bias, taps, batch, rows, out, border, origin):  # type: ignore[no-untyped-def]
    """A block forward.

    ``x`` (C, H, W·N), padded already; ``weight`` (O, C, K, K); ``bias`` (O,); ``taps`` and ``batch``: see
    :func:`constants`; ``rows`` (2, (W − K + 1)·N): overwritten. The pooled maps go into ``out``, ``border``
    pixels from its edges; into ``origin`` (O, PH, PW·N) uint8 goes where each maximum came from.
    """
    begin = border * len(batch)
    for o in range(origin.shape[0]):
        for py in range(origin.shape[1]):
            rows[:] = bias[o]
            _convolve_row(x, weight[o], 2 * py, taps, batch, rows[0])
            _convolve_row(x, weight[o], 2 * py + 1, taps, batch, rows[1])
            target = out[o, py + border, begin : begin + origin.shape[2]]
            _pool(rows[0], rows[1], batch, target, origin[o, py])


@_whole
def pass_back(  # type: ignore[no-untyped-def]
    x, weight, taps, batch, gradient, border, origin, unpooled, weight_gradient, bias_gradient, x_gradient
):
    """A block backward: overwrites the last three; an ``x_gradient`` (C, 0, …) is not asked for.

    ``gradient`` is that of ``out``, ``border`` pixels wider on each side than what counts. ``unpooled``
    ((K − 1)·N + 2·PH·W·N,): zeros at first; each call writes to the same places, so the others stay zero. The
    rest as in :func:`convolve_and_pool`.
    """
    begin, margin, width = border * len(batch), (len(taps) - 1) * len(batch), x.shape[2]
    weight_gradient[:] = _ZERO
    x_gradient[:] = _ZERO
    for o in range(origin.shape[0]):
        total = _ZERO
        for py in range(origin.shape[1]):
            source = gradient[o, py + border, begin : begin + origin.shape[2]]
            rows = unpooled[margin + 2 * py * width :]
            total += _unpool(source, origin[o, py], batch, rows, rows[width:])
        bias_gradient[o] = total
        _weigh(x, unpooled[margin:], taps, batch, weight_gradient[o])
        if x_gradient.shape[1] > 0:
            _spread(unpooled, weight[o], taps, batch, x_gradient)


@_part
def _convolve_row(x, weight, y, taps, batch, row):  # type: ignore[no-untyped-def]
    """Add to ``row`` row ``y`` of the convolution of ``x`` with one output channel's ``weight``."""
    kernel, count = np.uint64(len(taps)), np.uint64(len(batch))
    for c in range(x.shape[0]):
        for ky in range(kernel):
            source, factors = x[c, np.uint64(y) + ky], weight[c, ky]
            for i in range(np.uint64(row.shape[0])):
                total = row[i]
                for kx in range(kernel):
                    total += factors[kx] * source[i + kx * count]
                row[i] = total


@_part
def _pool(row0, row1, batch, out, origin):  # type: ignore[no-untyped-def]
    """The first largest of each 2×2 pixels, NaN before all, as PyTorch has it; then ReLU."""
    count = np.uint64(len(batch))
    for px in range(np.uint64(origin.shape[0]) // count):
        for n in range(count):
            left, i = np.uint64(2) * px * count + n, px * count + n
            right = left + count
            best, place = row0[left], np.uint8(0)
            for value, at in ((row0[right], 1), (row1[left], 2), (row1[right], 3)):
                if value > best or value != value:
                    best, place = value, np.uint8(at)
            blocked = best <= _ZERO
            out[i] = _ZERO if blocked else best
            origin[i] = _BLOCKED if blocked else place


@_part
def _unpool(gradient, origin, batch, row0, row1):  # type: ignore[no-untyped-def]
    """Gradients back to the pixels that the maxima came from, zero elsewhere; returns their sum."""
    count, total = np.uint64(len(batch)), _ZERO
    for px in range(np.uint64(origin.shape[0]) // count):
        for n in range(count):
            left, i = np.uint64(2) * px * count + n, px * count + n
            right = left + count
            passed, place = gradient[i], origin[i]
            row0[left] = passed if place == 0 else _ZERO
            row0[right] = passed if place == 1 else _ZERO
            row1[left] = passed if place == 2 else _ZERO
            row1[right] = passed if place == 3 else _ZERO
            total += _ZERO if place == _BLOCKED else passed
    return total


# On the way back, rows are as long as those of ``x``, their last K − 1 pixels zero: a whole map is one run, and
# what would lie beyond a row's end counts nothing.


@_part
def _weigh(x, unpooled, taps, batch, weight_gradient):  # type: ignore[no-untyped-def]
    """Add up one output channel's ``weight_gradient``."""
    kernel, count = np.uint64(len(taps)), np.uint64(len(batch))
    length = np.uint64(unpooled.shape[0]) - (kernel - np.uint64(1)) * count
    for c in range(x.shape[0]):
        for ky in range(len(taps)):
            source, sums = x[c].ravel()[ky * x.shape[2] :], taps
            for i in range(length):
                gradient = unpooled[i]
                for kx in range(kernel):
                    total = sums[kx] + gradient * source[i + kx * count]
                    # A tuple stays in registers; an array of sums would be written at each step.
                    sums = tuple_setitem(sums, kx, total)  # type: ignore[call-arg]
            for kx in range(kernel):
                weight_gradient[c, ky, kx] += sums[kx]


@_part
def _spread(unpooled, weight, taps, batch, x_gradient):  # type: ignore[no-untyped-def]
    """Add to ``x_gradient`` what one output channel passes back; ``unpooled`` begins with K − 1 pixels of zeros."""
    kernel, count = np.uint64(len(taps)), np.uint64(len(batch))
    last = kernel - np.uint64(1)
    length = np.uint64(unpooled.shape[0]) - last * count
    for c in range(x_gradient.shape[0]):
        for ky in range(len(taps)):
            target, factors = x_gradient[c].ravel()[ky * x_gradient.shape[2] :], weight[c, ky]
            for i in range(length):
                total = target[i]
                for kx in range(kernel):
                    total += factors[last - kx] * unpooled[i + kx * count]
                target[i] = total
