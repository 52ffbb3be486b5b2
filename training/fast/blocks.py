"""The convolution blocks that a small network begins with, computed by :mod:`training.fast.kernels`.

A block is a convolution, a ReLU and a 2×2 max-pooling. With few input channels it takes a half to a third of
PyTorch's time; from 16 channels on PyTorch fills a processor's vector units itself.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from training.fast import kernels

FEW_CHANNELS = 15
"""Most input channels of a block. With 16 PyTorch was as fast, with 32 faster."""
FEW_MULTIPLICATIONS = 2**25
"""Most multiplications of a block and batch, forward: one core computes them, PyTorch shares more out to all."""
FEW_IMAGES = 64
"""Most images of a batch: each is an argument to the compiler, see :func:`training.fast.kernels.constants`."""
LARGEST_KERNEL = 9
"""In pixels. From 11 on the compiler doesn't unroll it any more, and is a hundred times as slow."""


def split_off_blocks(network: nn.Module, shape: torch.Size) -> tuple[list[nn.Conv2d], nn.Module]:
    """The convolutions of the blocks that ``network`` begins with, and the layers after them.

    ``shape``: (n, C, S, S) of a batch of images. Only blocks that are faster by the kernels are split off.
    """
    layers = list(network) if type(network) is nn.Sequential else []
    found: list[nn.Conv2d] = []
    count, _, side, _ = shape
    while count <= FEW_IMAGES and len(layers) >= 3 and _is_block(*layers[:3]):
        convolution = cast(nn.Conv2d, layers[0])
        convolved = _convolved_side(convolution, side)
        if convolved < 2 or count * convolution.weight.numel() * convolved**2 > FEW_MULTIPLICATIONS:
            break
        found.append(convolution)
        layers, side = layers[3:], convolved // 2
    return found, nn.Sequential(*layers) if found else network


def _convolved_side(convolution: nn.Conv2d, side: int) -> int:
    return side + 2 * int(convolution.padding[0]) - convolution.kernel_size[0] + 1


def _is_block(first: nn.Module, second: nn.Module, third: nn.Module) -> bool:
    """Whether three layers are a block that the kernels know, ReLU and pooling in either order."""
    pool = third if isinstance(second, nn.ReLU) else second
    return (
        isinstance(first, nn.Conv2d)
        and {type(second), type(third)} == {nn.ReLU, nn.MaxPool2d}
        and first.in_channels <= FEW_CHANNELS
        and first.kernel_size == (first.kernel_size[0],) * 2
        and first.kernel_size[0] <= LARGEST_KERNEL
        and (first.stride, first.dilation, first.groups) == ((1, 1), (1, 1), 1)
        and isinstance(first.padding, tuple)
        and first.padding == (first.padding[0],) * 2
        and first.padding_mode == "zeros"
        and first.bias is not None
        and isinstance(pool, nn.MaxPool2d)
        and (pool.kernel_size, pool.stride, pool.padding, pool.dilation) == (2, 2, 0, 1)
        and not pool.ceil_mode
    )


class ConvBlocks:
    """Blocks one after another for batches of one shape; their maps and gradients are kept and overwritten."""

    def __init__(self, convolutions: list[nn.Conv2d], shape: torch.Size) -> None:
        """``shape``: (n, C, S, S) of the images. Weights are read from ``convolutions`` at each call."""
        count, channels, side, _ = shape
        self._blocks: list[_Block] = []
        for convolution in convolutions:
            block = _Block(convolution, channels, side, count, passes_back=bool(self._blocks))
            self._blocks.append(block)
            channels, side = convolution.out_channels, block.pooled_side
        self._features = torch.zeros(channels, side, side * count)
        first, edge = self._blocks[0], self._blocks[0].border
        padded = first.x.view(shape[1], first.side, first.side, count)
        self._images = padded[:, edge : first.side - edge, edge : first.side - edge]
        self._shape = (channels, side, side, count)
        with kernels.compiling():
            for block in self._blocks:
                block.compile()

    def forward(self, images: Tensor) -> Tensor:
        """The last block's maps (O, S, S, n), batch last, valid until the next call; ``images`` (n, C, S, S)."""
        self._images.copy_(images.permute(1, 2, 3, 0))
        for block, following in pairwise(self._blocks):
            block.forward(following.x, following.border)
        self._blocks[-1].forward(self._features, 0)
        return self._features.view(self._shape)

    def backward(self, gradient: Tensor) -> list[Tensor]:
        """Gradients of each block's weight and bias, valid until the next call; ``gradient`` of the last maps."""
        passed, border = gradient.reshape(self._features.shape), 0
        gradients: list[Tensor] = []
        for block in reversed(self._blocks):
            block.backward(passed, border)
            gradients[:0] = [block.weight_gradient, block.bias_gradient]
            passed, border = block.x_gradient, block.border
        return gradients


class _Block:
    """One block's arrays. torch allocates them: at the edges of the processor's cache lines, which counts here."""

    def __init__(
        self, convolution: nn.Conv2d, channels: int, side: int, count: int, passes_back: bool
    ) -> None:
        """``side`` of the maps that come in; ``passes_back``: whether a block before needs their gradient."""
        kernel, self.border = convolution.kernel_size[0], int(convolution.padding[0])
        weight, bias = convolution.weight.detach(), cast(Tensor, convolution.bias).detach()
        self.side = side + 2 * self.border
        convolved = _convolved_side(convolution, side)
        self.pooled_side = convolved // 2
        self.x = torch.zeros(channels, self.side, self.side * count)
        self.x_gradient = torch.empty(channels, self.side if passes_back else 0, self.side * count)
        self.weight_gradient, self.bias_gradient = torch.empty_like(weight), torch.empty_like(bias)
        self._weight, self._bias = weight.numpy(), bias.numpy()
        self._taps, self._batch = kernels.constants(kernel, count)
        self._rows = torch.empty(2, convolved * count).numpy()
        self._unpooled = torch.zeros((kernel - 1 + 2 * self.pooled_side * self.side) * count).numpy()
        pooled = (len(weight), self.pooled_side, self.pooled_side * count)
        self._origin = torch.empty(pooled, dtype=torch.uint8).numpy()

    def compile(self) -> None:
        """Both ways once, on zeros."""
        pooled = torch.zeros(self._origin.shape)
        kernels.first_call(lambda: self.forward(pooled, 0))
        kernels.first_call(lambda: self.backward(pooled, 0))

    def forward(self, out: Tensor, border: int) -> None:
        """Write the pooled maps into ``out``, ``border`` pixels from its edges."""
        kernels.convolve_and_pool(
            self.x.numpy(),
            self._weight,
            self._bias,
            self._taps,
            self._batch,
            self._rows,
            out.numpy(),
            border,
            self._origin,
        )

    def backward(self, gradient: Tensor, border: int) -> None:
        """Compute all gradients from that of ``out``."""
        kernels.pass_back(
            self.x.numpy(),
            self._weight,
            self._taps,
            self._batch,
            gradient.numpy(),
            border,
            self._origin,
            self._unpooled,
            self.weight_gradient.numpy(),
            self.bias_gradient.numpy(),
            self.x_gradient.numpy(),
        )
