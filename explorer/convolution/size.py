"""The output size of a convolution in one dimension, derived step by step instead of quoted."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.convolution.arithmetic import output_size


@dataclass(frozen=True)
class SizeStep:
    """One line of the derivation: what it is about, its arithmetic, and why."""

    title: str
    arithmetic: str
    reason: str


@dataclass(frozen=True)
class SizeDerivation:
    """Where a kernel can stand on a padded row of pixels, and so how many outputs there are.

    Coordinates are pixels of the unpadded input: the padding reaches from ``-padding`` to
    ``size + padding - 1``.
    """

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    output: int

    @property
    def padded(self) -> int:
        """The length with its padding, in pixels."""
        return self.size + 2 * self.padding

    @property
    def span(self) -> int:
        """Pixels from the first tap to the last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def room(self) -> int:
        """How far the window can slide from its first position before it would leave the padded input."""
        return self.padded - self.span

    @property
    def left_over(self) -> int:
        """What is left of the room after the last whole stride: the pixels that the floor drops."""
        return self.room % self.stride

    @property
    def starts(self) -> tuple[int, ...]:
        """The coordinate of the first tap at each position."""
        return tuple(range(-self.padding, -self.padding + self.output * self.stride, self.stride))

    def taps(self, position: int) -> tuple[int, ...]:
        """The coordinates read at one position."""
        start = self.starts[position]
        return tuple(start + tap * self.dilation for tap in range(self.kernel))

    @property
    def steps(self) -> tuple[SizeStep, ...]:
        """The way to the output size, line by line."""
        n, k, s, p, d = self.size, self.kernel, self.stride, self.padding, self.dilation
        whole = self.room // s
        dilated = f"{d}·({k} − 1) + 1 = {self.span}"
        return (
            SizeStep(
                "Padded length",
                f"{n} + 2·{p} = {self.padded}",
                f"{p} added on either side" if p else "nothing is added at the ends",
            ),
            SizeStep(
                "What the kernel spans",
                dilated,
                f"{k} taps, {d} apart" if d > 1 else f"{k} taps side by side",
            ),
            SizeStep(
                "Room to slide",
                f"{self.padded} − {self.span} = {self.room}",
                "how far it can move from the left end before it would stick out on the right",
            ),
            SizeStep("Whole steps that fit", f"⌊{self.room} / {s}⌋ = {whole}", self._floor_reason()),
            SizeStep(
                "Positions",
                f"{whole} + 1 = {self.output}",
                "the place where it stands before the first step counts as well",
            ),
        )

    def _floor_reason(self) -> str:
        if self.left_over == 0:
            return "the stride divides the room: nothing is left over, the floor changes nothing"
        pixels = "1 pixel is" if self.left_over == 1 else f"{self.left_over} pixels are"
        return (
            f"{pixels} left, less than a stride of {self.stride}: "
            "there is no half step, so the floor drops the rest"
        )


def derive_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> SizeDerivation:
    """Derive the output size along one axis.

    Args:
        size: pixels of the input.
        kernel: taps of the kernel.
        stride, padding, dilation: as of :func:`~explorer.output_size`.

    Raises:
        ExplorerError: as :func:`~explorer.output_size`.

    >>> [step.arithmetic for step in derive_size(6, 2, stride=2).steps][-2:]
    ['⌊4 / 2⌋ = 2', '2 + 1 = 3']
    """
    output = output_size(size, kernel, stride, padding, dilation)
    return SizeDerivation(size, kernel, stride, padding, dilation, output)
