"""What a module that this program doesn't know does with positions, found by trying it alone.

One position of its input is made no number (NaN), in a batch of copies a different one each; what comes out is no
number where it sees that position. What is found is only what a known kind of step would do as well: nothing is
guessed from a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from explorer.fields.axis import Axis, Field, pixels
from explorer.fields.step import Step
from explorer.fields.watched import trial_copy
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
    tried = _tried(rows, columns)
    try:
        seen = _lit_by(module, step, tried)
    except Exception:  # whatever another's module raises: it was never promised such an input
        return None
    if seen is None:
        return None
    rules = [_unchanged] if tokens else [_unchanged, *_windows(module)]
    return next((rule for rule in rules if _explains(rule, tried, seen)), None)


def _has_one_input(step: Step) -> bool:
    return len(step.node.args) == 1 and not step.node.kwargs and len(step.node.all_input_nodes) == 1


def _tried(rows: int, columns: int) -> torch.Tensor:
    """Which positions (N, H, W) are no number, in each of N copies.

    Two corners, and neighbours in the middle, off the diagonal: strides and offsets tell them apart. A half of all
    positions, and a few, drawn at random: a module that looks at one particular position lights up.
    """
    neighbours = [((rows // 2 + i) % rows, (columns // 2 - 2 - i) % columns) for i in range(_NEIGHBOURS)]
    single = [(0, columns - 1), (rows - 1, 0), *neighbours]
    masks = torch.zeros(len(single) + 2 * _DRAWN, rows, columns, dtype=torch.bool)
    for mask, (row, column) in zip(masks, single, strict=False):
        mask[row, column] = True
    drawn = torch.rand(2 * _DRAWN, rows, columns, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([0.5, 0.03]).repeat(_DRAWN)[:, None, None]
    masks[len(single) :] = drawn < shares
    return masks


_NEIGHBOURS, _DRAWN = 8, 5


def _lit_by(module: nn.Module, step: Step, tried: torch.Tensor) -> torch.Tensor | None:
    """Which positions (N, H, W) come out as no number when those of each copy go in as none."""
    assert step.places is not None
    weight = next((p for p in module.parameters() if p.is_floating_point()), None)
    device, dtype = (weight.device, weight.dtype) if weight is not None else (None, None)
    batch = torch.full((len(tried), *step.shape[1:]), 0.5, device=device, dtype=dtype)
    shape = [len(tried)] + [1] * (batch.dim() - 1)
    sides = tried.shape[1:] if len(step.places) == 2 else [tried[0].numel()]
    for axis, side in zip(step.places, sides, strict=True):
        shape[axis] = side
    batch = batch.masked_fill(tried.reshape(shape).to(batch.device), torch.nan)
    module = trial_copy(module)
    with evaluating(module), torch.no_grad():
        output = module(batch)
    if not isinstance(output, torch.Tensor) or output.shape[1:] != step.output[1:]:
        return None
    others = [axis for axis in range(1, output.dim()) if axis not in step.places]
    if output.dim() != batch.dim() or len(others) != 1:
        return None
    lit = output.isnan().any(others[0])
    return lit.unsqueeze(2) if lit.dim() == 2 else lit


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


def _explains(rule: Rule, tried: torch.Tensor, seen: torch.Tensor) -> bool:
    """Whether by this rule just those positions light up that see one that is no number."""
    rows, columns = tried.shape[1:]
    try:
        field = rule(pixels(rows, columns))
    except (TypeError, ValueError, IndexError):  # numbers that mean something else there
        return False
    if tuple(seen.shape[1:]) != (field.y.units, field.x.units):
        return False
    down, across = _sees(field.y, rows), _sees(field.x, columns)
    claimed = torch.einsum("ur,nrc,vc->nuv", down, tried.float(), across) > 0
    return bool((seen.cpu() == claimed).all())


def _sees(axis: Axis, count: int) -> torch.Tensor:
    """1 where a unit (first) sees a position (second), else 0."""
    sees = torch.zeros(axis.units, count)
    for position in range(count):
        units = axis.units_seeing(position)
        sees[units.start : units.stop, position] = 1
    return sees
