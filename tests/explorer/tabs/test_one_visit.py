"""What one click costs: each handler of the screens that look into a network asks for a thing once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import explorer
from explorer.errors import ExplorerError
from explorer.layers.listing import list_layers
from explorer.workbench import Workbench

ROOT = Path(__file__).parents[3]

# The real page, its handlers called as gradio calls them, with the values that a browser would hold. In a process of
# its own: gradio leaves an event loop behind.
CLICKS = """
import inspect, json
from collections import Counter
from types import SimpleNamespace

import explorer
from explorer import workbench
from explorer.activations.capture import ActivationCache
from explorer.networks.preprocessing import Preprocess
from explorer.session.steps import Session
from explorer.tabs.shell.app import build_app
from explorer.workbench import Workbench

counts = Counter()

def count(owner, name, what):
    real = getattr(owner, name)
    def counted(*given, **named):
        counts[what] += 1
        return real(*given, **named)
    setattr(owner, name, counted)

count(workbench, "read_image", "decoded")
count(workbench, "load_model", "loaded")
count(Preprocess, "__call__", "passes")  # each forward pass begins with it
count(ActivationCache, "capture", "captures")
count(Workbench, "model", "models")
count(Workbench, "picture", "pictures")

bench = Workbench(offline=True)
page = build_app(bench)
elements = {block.elem_id: block for block in page.blocks.values() if getattr(block, "elem_id", None)}
held, found = {}, {}

def handler(screen, name, element):
    # The first event whose handler has this name, in this module, and reads or writes this element.
    return next(
        event for event in page.fns.values()
        if getattr(event.fn, "__name__", "") == name and inspect.unwrap(event.fn).__module__.endswith(screen)
        and elements[element] in [*event.inputs, *event.outputs]
    )

def call(event, clicked):
    given = {part: held.get(part, getattr(part, "value", None)) for part in event.inputs}
    values = [given] if event.inputs_as_dict else list(given.values())
    counts.clear()
    answer = event.fn(*values, *clicked)
    for step in answer if inspect.isgenerator(answer) else [answer]:
        if isinstance(step, dict) and "__type__" not in step:
            for part, update in step.items():
                partly = isinstance(update, dict) and "__type__" in update
                held[part] = update.get("value", given.get(part)) if partly else update
        elif len(event.outputs) == 1:
            held[event.outputs[0]] = step
    return dict(counts)

def twice(screen, name, element, *clicked, key=""):
    event = handler(screen, name, element)
    found[f"{screen}.{name} {key or element}"] = [call(event, clicked), call(event, clicked)]

def keep(elem_id):
    button = elements[elem_id]
    event = next(
        e for e in page.fns.values() if e.targets and e.targets[0] == (button._id, "click") and e.outputs
    )
    before = len(held[session].steps)
    found[f"keep {elem_id}"] = [call(event, ()), call(event, ())]
    assert len(held[session].steps) == before + 2

selection, active = handler("network", "show", "network-layers").inputs
session = next(part for part in page.blocks.values() if isinstance(getattr(part, "value", None), Session))
held[session] = Session()
held[selection] = bench.select("efficientnet_lite0", str(explorer.sample_images()["Cheetah"]))

held[active] = "activations"
twice("activations", "show_selection", "layer")
held[elements["layer"]] = "blocks.2"
for view in ("pca", "channel", "grid"):
    held[elements["view"]] = view
    twice("activations", "show_layer", "layer", key=view)
held[elements["view"]] = "mean"
keep("activation-pin")
twice("activations", "show_stage", "layer", SimpleNamespace(index=1))
held[elements["keep"]] = True
twice("activations", "keep_colours", "keep")
held[elements["layer"]] = "classifier"
twice("activations", "show_layer", "layer", key="vector")
held[active] = "side-by-side"
twice("side_by_side", "fill_list", "several-layers")
twice("side_by_side", "show", "several-layers")
keep("several-pin")
for name, element, pin in (("saliency", "class", "saliency-pin"), ("two-classes", "class-a", "compare-pin")):
    held[active] = name
    twice("explaining", "fill_lists", element)
    twice("explaining", "explain_it", element)
    keep(pin)
held[active] = "network"
twice("network", "show", "network-layers")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def clicks() -> dict[str, list[dict[str, int]]]:
    """Handler → what its first and its second call cost: how often something was asked for or done."""
    done = subprocess.run(
        [sys.executable, "-c", CLICKS], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_click_asks_for_a_network_a_picture_and_a_forward_pass_once(
    clicks: dict[str, list[dict[str, int]]],
) -> None:
    assert len(clicks) == 18
    for handler, calls in clicks.items():
        for cost in calls:
            assert cost["models"] == 1, (handler, calls)
            assert cost.get("pictures", 0) <= 1, (handler, calls)
            assert cost.get("captures", 0) <= 1, (handler, calls)
            assert not cost.get("decoded"), (handler, calls)  # that was when it was chosen


def test_nothing_is_loaded_or_run_twice(clicks: dict[str, list[dict[str, int]]]) -> None:
    for handler, (_, again) in clicks.items():
        assert not again.get("loaded"), handler
        assert not again.get("passes"), handler
    first = {handler: calls[0] for handler, calls in clicks.items()}
    # One forward pass shows all activations; each attribution takes one of its own.
    passes = {handler: cost["passes"] for handler, cost in first.items() if cost.get("passes")}
    assert passes == {
        "activations.show_selection layer": 1,
        "explaining.explain_it class": 1,
        "explaining.explain_it class-a": 2,
    }
    assert [handler for handler, cost in first.items() if cost.get("loaded")] == [
        "activations.show_selection layer"
    ]


def test_a_layer_that_was_let_go_takes_one_more_pass() -> None:
    """A cache too small for all layers keeps the stages, and takes up a layer when it is asked for, once."""
    bench = Workbench(offline=True, activations_bytes=16 * 2**20)
    selection = bench.select("efficientnet_lite0", str(explorer.sample_images()["Cheetah"]))
    visit = bench.open(selection)
    stages = visit.capture()
    deep = next(layer.name for layer in list_layers(visit.model) if layer.name not in stages.activations)
    assert visit.activation(deep).layer == deep
    assert visit.capture(deep) is visit.capture() is visit.capture(*stages.activations)
    assert bench.open(selection).capture(deep) is visit.capture()
    with pytest.raises(ExplorerError, match="is not in efficientnet_lite0"):
        visit.activation("blocks.99")
