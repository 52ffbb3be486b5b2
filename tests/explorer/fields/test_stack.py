"""Stacks of layers by numbers: the sheet's arithmetic, torch's gradients, presets against the networks they name."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from explorer.errors import ExplorerError
from explorer.fields.entry import cells, lines, read_cells, read_lines
from explorer.fields.presets import presets
from explorer.fields.stack import StackLayer, conv, max_pool, stack_fields, taps, written_out
from explorer.fields.theoretical import receptive_field
from explorer.fields.what_if import what_if
from explorer.networks.load import load_model

pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))
small_pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
convolutions = st.builds(
    StackLayer,
    st.just("conv"),
    pairs,
    small_pairs,
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    small_pairs,
)
stacks = st.lists(convolutions, min_size=1, max_size=3).map(tuple)


def test_the_sheets_two_questions_as_arithmetic() -> None:
    three = presets()["Sheet: three 3×3, stride 1"].layers
    assert [f.size for f in stack_fields(three)] == [(3, 3), (3 + 2, 3 + 2), (3 + 2 + 2, 3 + 2 + 2)]
    assert stack_fields(three)[-1].size == (7, 7)
    two = presets()["Sheet: two 4×4, stride 2"].layers
    assert [f.size for f in stack_fields(two)] == [(4, 4), (4 + 3 * 2, 4 + 3 * 2)]
    assert stack_fields(two)[-1].size == (10, 10)
    assert written_out(two, 0) == "1 + (4−1)·1·1 + (4−1)·1·2 = 10"
    assert stack_fields(two)[1].arithmetic(0) == "4 + (4 − 1)·1·2 = 10"


@pytest.mark.parametrize(
    ("preset", "network", "layer"),
    [
        ("AlexNet", "alexnet", "features.12"),
        ("ResNet-18", "resnet18", "layer4"),
        ("ResNet-50", "resnet50", "layer4"),
    ],
)
def test_a_preset_is_the_network_that_it_names(preset: str, network: str, layer: str) -> None:
    model = load_model(network, weights=None, labels=["a", "b"])
    theirs, ours = receptive_field(model, layer), stack_fields(presets()[preset].layers, (224, 224))[-1]
    assert (ours.size, ours.stride, ours.start, ours.units) == (
        theirs.size,
        theirs.stride,
        theirs.start,
        theirs.units,
    )


def test_resnet50_as_first_published() -> None:
    assert stack_fields(presets()["ResNet-50"].layers)[-1].size == (427, 427)
    original = stack_fields(presets()["ResNet-50, as first published"].layers)[-1]
    assert original.size == (427 + (3 - 1) * (4 + 8 + 16),) * 2 == (483, 483)


def test_vgg16_preset_and_the_sheets_lenet() -> None:
    # VGG: 2, 2, 3, 3, 3 layers of 3×3, each stage at twice the jump of the one before, a 2×2 pooling after each.
    assert stack_fields(presets()["VGG-16"].layers)[-1].size[0] == 1 + sum(
        (2 * count + 1) * 2**stage for stage, count in enumerate((2, 2, 3, 3, 3))
    )
    assert stack_fields(presets()["VGG-16"].layers)[-1].size == (212, 212)
    lenet = stack_fields(presets()["LeNet"].layers, (32, 32))
    assert [f.units for f in lenet] == [(28, 28), (14, 14), (10, 10), (5, 5)]
    assert lenet[-1].size == (1 + 4 + 1 + 4 * 2 + 1 * 2,) * 2


def as_torch(layers: tuple[StackLayer, ...], padded: bool) -> nn.Sequential:
    """The stack as a network that hides nothing: one channel, weights of 1."""
    network = nn.Sequential(
        *[
            nn.Conv2d(1, 1, f.kernel, f.stride, f.padding if padded else 0, f.dilation, bias=False)
            for f in layers
        ]
    )
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network


@settings(max_examples=40, deadline=None)
@given(stacks)
def test_a_unit_away_from_the_border_sees_what_torch_says(layers: tuple[StackLayer, ...]) -> None:
    last = stack_fields(layers)[-1]
    side = tuple(2 * size + 20 * stride for size, stride in zip(last.size, last.stride, strict=True))
    x = torch.ones(1, 1, *side, requires_grad=True)
    output = as_torch(layers, padded=True)(x)
    assert stack_fields(layers, side)[-1].units == tuple(output.shape[2:])
    unit = tuple(round((side[i] / 2 - last.start[i]) / last.stride[i]) for i in (0, 1))
    (gradient,) = torch.autograd.grad(output[0, 0, unit[0], unit[1]], x)
    for axis in (0, 1):
        seen = gradient[0, 0].sum(1 - axis).nonzero()[:, 0]
        centre = last.start[axis] + unit[axis] * last.stride[axis]
        reach = (last.size[axis] - 1) / 2
        assert (int(seen.min()), int(seen.max())) == (centre - reach, centre + reach)


@settings(max_examples=40, deadline=None)
@given(stacks)
def test_taps_are_the_pixels_that_torch_reads_gaps_included(layers: tuple[StackLayer, ...]) -> None:
    layers = tuple(replace(layer, padding=(0, 0)) for layer in layers)
    x = torch.ones(1, 1, *stack_fields(layers)[-1].size, requires_grad=True)
    (gradient,) = torch.autograd.grad(as_torch(layers, padded=False)(x).sum(), x)
    for axis in (0, 1):
        assert taps(layers, axis)[0] == gradient[0, 0].sum(1 - axis).nonzero()[:, 0].tolist()


def value_of(written: str) -> int:
    """What a written-out sum comes to, computed by Python; it must be what it says itself."""
    terms, _, claimed = written.rpartition(" = ")
    value = int(eval(terms.translate(str.maketrans("−·×", "-**"))))
    assert value == int(claimed)
    return value


def test_sums_of_real_networks_are_right_and_short() -> None:
    for preset in presets().values():
        written = written_out(preset.layers, 1)
        assert value_of(written) == stack_fields(preset.layers)[-1].size[1]
        assert len(written) < 200


@settings(deadline=None)
@given(stacks)
def test_growth_adds_up_to_the_field(layers: tuple[StackLayer, ...]) -> None:
    fields = stack_fields(layers)
    for axis in (0, 1):
        sizes = [1 + grown for grown in accumulate(f.growth[axis] for f in fields)]
        assert sizes == [f.size[axis] for f in fields]
        assert sizes[-1] == taps(layers, axis)[0][-1] - taps(layers, axis)[0][0] + 1
        assert value_of(written_out(layers, axis)) == sizes[-1]


@settings(deadline=None)
@given(stacks)
def test_what_is_typed_comes_back(layers: tuple[StackLayer, ...]) -> None:
    assert read_cells(cells(layers)) == layers
    assert read_lines(lines(layers)) == layers


def test_lines_have_defaults_names_and_pooling_as_wide_as_its_stride() -> None:
    read = read_lines("conv 7 s2 p3  # stem\n\n maxpool 3\nCONV 1X7 P0x3\navgpool 2 s1")
    assert read == (
        conv(7, 2, 3, name="stem"),
        max_pool(3, 3),
        conv((1, 7), padding=(0, 3)),
        StackLayer("avg_pool", (2, 2)),
    )


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_if_on_three_3x3_layers(at: int) -> None:
    """Derived by hand: behind layer ``at`` come 2 − at layers that add 2 px each."""
    behind = 2 * (2 - at)
    found = {w.knob: w.size_after[0] - w.size_before[0] for w in what_if((conv(3), conv(3), conv(3)), at)}
    assert found == {
        "depth": 2,
        "kernel": 2,
        "stride": behind,  # nothing at the last layer: no layer is left that would stand further apart
        "dilation": 2,
        "pooling": 1 + behind,
    }


def test_what_if_leaves_out_what_a_layer_cannot_take() -> None:
    stack = (StackLayer("avg_pool", (2, 2), (64, 64)), conv(3))
    assert {w.knob for w in what_if(stack, 0)} == {"depth", "kernel", "pooling"}
    changed = next(w for w in what_if(stack, 1) if w.knob == "dilation")
    assert stack_fields(changed.layers)[-1].size == changed.size_after


@pytest.mark.parametrize(
    ("cell", "typed", "says"),
    [
        ("kernel", "", "kernel of layer 2 is empty.*whole number"),
        ("kernel", "three", "'three' as the kernel of layer 2 is not a whole number"),
        ("kernel", "3x3x3", "'3x3x3' as the kernel of layer 2"),
        ("kernel", "2.5", "'2.5' as the kernel of layer 2"),
        ("kernel", "0", "in layer 2, kernel 0 is out of range.*from 1 to"),
        ("kernel", "9999999", "'9999999' as the kernel"),
        ("stride", "0", "in layer 2, stride 0 is out of range.*from 1 to"),
        ("stride", "-1", "in layer 2, stride -1 is out of range"),
        ("stride", "−1", "in layer 2, stride -1 is out of range"),
        ("padding", "-1", "in layer 2, padding -1 is out of range.*from 0 to"),
        ("dilation", "0", "in layer 2, dilation 0 is out of range"),
        ("kind", "pool", "kind 'pool' of layer 2 is unknown.*conv, maxpool, avgpool"),
    ],
)
def test_a_bad_cell_is_named_with_its_rule(cell: str, typed: str, says: str) -> None:
    rows = cells((conv(3), conv(3)))
    rows[1][cell] = typed
    with pytest.raises(ExplorerError, match=says):
        read_cells(rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("conv", "line 1, 'conv' does not begin with a layer and its kernel"),
        ("dense 10", "line 1, 'dense 10' does not begin"),
        ("conv 3 q1", "'q1' in line 1 is neither s, p nor d"),
        ("conv 3\nmaxpool 2 p2", "in layer 2, padding 2 in a pooling of 2 is more than half the window"),
        ("avgpool 2 d2", "dilation 2 in an average-pool is not known to torch"),
        ("conv 3\n" * 201, "201 layers is too long to follow; use at most 200"),
    ],
)
def test_a_bad_line_is_named_with_its_rule(text: str, says: str) -> None:
    with pytest.raises(ExplorerError, match=says):
        read_lines(text)


def test_a_stack_that_cannot_be_followed() -> None:
    with pytest.raises(ExplorerError, match="a stack of no layers"):
        stack_fields(())
    with pytest.raises(ExplorerError, match=r"in layer 2, a kernel of 7 is larger than the padded input, 3"):
        stack_fields((conv(3, stride=2), conv(7)), (8, 8))
    with pytest.raises(ExplorerError, match=r"behind layer 4 is beyond the 1,000,000 px"):
        stack_fields([conv(3, stride=64)] * 4)
    with pytest.raises(ExplorerError, match="layer 3 is not in this stack of 2; choose from 1 to 2"):
        what_if((conv(3), conv(3)), 2)
