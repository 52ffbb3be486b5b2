"""From a picture to a network's input and back: the affine map between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Placement:
    """Where the cells of a map lie on an image.

    The centre of cell (i, j) lies at pixel ``(scale[0]·i + offset[0], scale[1]·j + offset[1])``.
    ``seen`` is (top, left, bottom, right), half-open: the pixels that the network saw at all.

    >>> input_px = Placement(scale=(2.0, 2.0), offset=(0.5, 100.5), seen=(0, 100, 448, 548))
    >>> input_px.of_units(start=(0, 0), stride=(32, 32)).to_image(1, 2)
    (64.5, 228.5)
    """

    scale: tuple[float, float]
    offset: tuple[float, float]
    seen: tuple[int, int, int, int]

    def to_image(self, cell_y: float, cell_x: float) -> tuple[float, float]:
        """The pixel (y, x) on which the centre of a cell lies."""
        return self.scale[0] * cell_y + self.offset[0], self.scale[1] * cell_x + self.offset[1]

    def to_cell(self, y: float, x: float) -> tuple[float, float]:
        """The (fractional) cell that lies on a pixel: the inverse of :meth:`to_image`."""
        return (y - self.offset[0]) / self.scale[0], (x - self.offset[1]) / self.scale[1]

    def of_units(self, start: tuple[float, float], stride: tuple[float, float]) -> Placement:
        """The placement of a layer whose unit (i, j) is centred on our cell ``start + stride·(i, j)``."""
        return Placement(
            scale=(self.scale[0] * stride[0], self.scale[1] * stride[1]),
            offset=self.to_image(*start),
            seen=self.seen,
        )
