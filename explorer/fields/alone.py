"""What a module that this program doesn't know does with positions, found by trying it alone.

One position of its input is made no number (NaN), in a batch of copies a different one each; what comes out is no
number where it sees that position. What is found is only what a known kind of step would do as well: nothing is
guessed from a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from explorer.fields.axis import Field, pixels
from explorer.fields.step import Step
from explorer.fields.windows import convolved, same_padded, windowed
from explorer.networks.hooks import evaluating

Rule = Callable[[Field], Field]


def tried_alone(step: Step, module: nn.Module) -> Rule | None:
    """What the module makes of a field: nothing, or what a window of its own numbers does; ``None`` if neither.

    Only for a module with one input, a map of known rows and columns, or a list of positions.
    """
    if not _has_one_input(step) or not step.places or step.shape[0] != 1:
        return None
    tokens = len(step.places) == 1
    rows, columns = (step.shape[step.places[0]], 1) if tokens else (step.shape[axis] for axis in step.places)
    if rows * columns < 2:
        return None
    positions = _positions(rows, columns)
    try:
        seen = _lit_by(module, step, positions)
    except Exception:  # whatever another's module raises: it was never promised such an input
        return None
    if seen is None:
        return None
    rules = [_unchanged] if tokens else [_unchanged, *_windows(module)]
    return next((rule for rule in rules if _explains(rule, rows, columns, positions, seen)), None)


def _has_one_input(step: Step) -> bool:
    return len(step.node.args) == 1 and not step.node.kwargs and len(step.node.all_input_nodes) == 1


def _positions(rows: int, columns: int) -> list[tuple[int, int]]:
    """Two corners, and neighbours in the middle, off the diagonal: strides and offsets tell them apart."""
    middle = [((rows // 2 + i) % rows, (columns // 2 - 2 - i) % columns) for i in range(4)]
    return [(0, columns - 1), (rows - 1, 0), *middle]


def _lit_by(module: nn.Module, step: Step, positions: list[tuple[int, int]]) -> torch.Tensor | None:
    """Which positions (N, H, W) come out as no number when each of these goes in as none."""
    assert step.places is not None
    weight = next((p for p in module.parameters() if p.is_floating_point()), None)
    device, dtype = (weight.device, weight.dtype) if weight is not None else (None, None)
    batch = torch.full((len(positions), *step.shape[1:]), 0.5, device=device, dtype=dtype)
    for copy, position in zip(batch, positions, strict=True):
        index: list[slice | int] = [slice(None)] * copy.dim()
        for axis, at in zip(step.places, position, strict=False):  # of tokens there are rows only
            index[axis - 1] = at
        copy[tuple(index)] = torch.nan
    with evaluating(module), torch.no_grad():
        output = module(batch)
    if not isinstance(output, torch.Tensor) or output.shape[1:] != step.output[1:]:
        return None
    others = [axis for axis in range(1, output.dim()) if axis not in step.places]
    if output.dim() != batch.dim() or not others:
        return None
    lit = output.isnan().any(others[0]) if len(others) == 1 else None
    return lit.unsqueeze(2) if lit is not None and lit.dim() == 2 else lit


def _unchanged(field: Field) -> Field:
    return field


def _windows(module: nn.Module) -> Iterator[Rule]:
    """What windows of the module's own numbers would do, padded as PyTorch does and as TensorFlow does."""
    if not hasattr(module, "kernel_size") or not hasattr(module, "stride"):
        return
    if isinstance(module, nn.Conv2d):
        yield lambda field: convolved(field, module)
    else:
        kernel, padding = module.kernel_size, getattr(module, "padding", 0)
        stride, dilation = module.stride or kernel, getattr(module, "dilation", 1)
        yield lambda field: windowed(
            field, kernel, stride, padding, dilation, getattr(module, "ceil_mode", False)
        )
    yield lambda field: same_padded(field, module)


def _explains(
    rule: Rule, rows: int, columns: int, positions: list[tuple[int, int]], seen: torch.Tensor
) -> bool:
    """Whether by this rule each position is seen from the first lit row and column to the last."""
    try:
        field = rule(pixels(rows, columns))
    except (TypeError, ValueError, IndexError):  # numbers that mean something else there
        return False
    if tuple(seen.shape[1:]) != (field.y.units, field.x.units):
        return False
    for (row, column), lit in zip(positions, seen.cpu(), strict=True):
        claimed = torch.zeros_like(lit)
        down, across = field.y.units_seeing(row), field.x.units_seeing(column)
        claimed[down.start : down.stop, across.start : across.stop] = True
        if not bool((lit == claimed).all()):
            return False
    return True
