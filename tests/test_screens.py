"""What holds for every event of the whole page."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

# The page as launch.py builds it. In a process of its own: gradio leaves an event loop behind.
LIST_EVENTS = """
import json, sys
from pathlib import Path
from explorer.tabs import components
from explorer.tabs.shell.app import build_app
from explorer.workbench import Workbench
from notebooks_export.tabs import screen as export_tab
from training.runs.catalogue import TrainedModels
from training.data.opened import DatasetCache
from training.tabs import screen as training_tab
from training.tabs.lab import Lab

trained = TrainedModels(Path(sys.argv[1]))
bench = Workbench(offline=True, source=trained)
lab = Lab(bench, trained, DatasetCache(offline=True), device="cpu", typed_paths=True)
page = build_app(
    bench, model="efficientnet_lite0", extra_tabs=[training_tab.extra_tab(lab), export_tab.extra_tab(trained)]
)

def says_errors(handler):
    # Functions that components.on_screen made: their code stands there, and they wrap another.
    code = getattr(handler, "__code__", None)
    return bool(code and code.co_filename == components.__file__ and hasattr(handler, "__wrapped__"))

events = [event for event in page.fns.values() if hasattr(event.fn, "__qualname__")]
print(json.dumps([
    {
        "name": event.fn.__qualname__,
        "queued": bool(event.queue),
        "says errors": says_errors(event.fn),
        "an endpoint": event.api_visibility != "private",
        "progress": event.show_progress,
        "progress on": event.show_progress_on,
        "runs once more": event.trigger_mode == "always_last",
        "targets": event.targets,
    }
    for event in events
], default=str))
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every event of the page, with what it is."""
    listed = subprocess.run(
        [sys.executable, "-c", LIST_EVENTS, str(tmp_path_factory.mktemp("runs"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(listed.stdout.splitlines()[-1])
    assert len(found) > 100
    return found


def test_events_beside_the_queue_have_no_messages_to_lose(events: list[dict[str, Any]]) -> None:
    """gradio's page hides what is raised in an event with ``queue=False``: who may refuse goes through it."""
    refusing = [event for event in events if event["says errors"]]
    assert len(refusing) > 30
    assert [event["name"] for event in refusing if not event["queued"]] == []


def test_events_without_visible_progress_burden_no_component_with_it(events: list[dict[str, Any]]) -> None:
    """Else gradio's page copies every output's properties at every step of any event, and puts "Error" in them."""
    quiet = [event for event in events if event["progress"] == "hidden" and not event["an endpoint"]]
    assert len(quiet) > 80
    assert [event["name"] for event in quiet if event["progress on"] != []] == []


def test_no_event_has_two_listeners_that_run_once_more(events: list[dict[str, Any]]) -> None:
    """gradio's page sets off all listeners of an event again for each that was held back: two do that for ever."""
    held_back = [
        tuple(target)
        for event in events
        for target in event["targets"]
        if event["runs once more"]
        and target[0] is not None  # what follows on another event has one listener each
    ]
    assert len(held_back) > 20
    assert [target for target, listeners in Counter(held_back).items() if listeners > 1] == []


def test_gradios_summary_of_all_events_is_not_made_after_each() -> None:
    code = (
        "import launch\n"
        "launch.serve = lambda options, auth: 0\n"
        "launch.main(['--offline'])\n"
        "import gradio\n"
        "page = gradio.Blocks().queue()\n"
        "print(page._queue.ANAYLTICS_CACHE_FREQUENCY)\n"  # gradio's own spelling
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(shown.stdout) > 10**9
