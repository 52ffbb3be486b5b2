"""What holds for every event of the whole page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
print(json.dumps([(event.fn.__qualname__, bool(event.queue), says_errors(event.fn)) for event in events]))
"""


def test_events_beside_the_queue_have_no_messages_to_lose(tmp_path: Path) -> None:
    """gradio's page hides what is raised in an event with ``queue=False``: who may refuse goes through it."""
    listed = subprocess.run(
        [sys.executable, "-c", LIST_EVENTS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    events = json.loads(listed.stdout.splitlines()[-1])
    assert sum(says_errors for _, _, says_errors in events) > 30
    assert [name for name, queued, says_errors in events if says_errors and not queued] == []
