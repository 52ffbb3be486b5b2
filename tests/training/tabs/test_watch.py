"""Watching runs: what is drawn beside the chosen one, and that a late look never brings an old one back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.training.samples import TINY
from training.runs import folders as runs
from training.runs.catalogue import TrainedModels
from training.runs.folders import Run
from training.tabs import watch as watching
from training.tabs.watch import Chosen, Watch


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    for seed, name in enumerate(("old", "new")):
        runs.write_status(runs.create(replace(TINY, seed=seed), tmp_path, name), runs.STOPPED)
    return SimpleNamespace(models=TrainedModels(tmp_path), root=tmp_path)


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch(gr.Dropdown([]), *(gr.HTML() for _ in range(12)))


def test_choosing_says_which_and_looking_again_never_does(lab: Any, watch: Watch) -> None:
    chosen = Chosen()
    first = watch.show(lab, chosen, "old")
    assert (first[watch.run]["value"], chosen.name) == ("old", "old")
    seen = first[watch.seen]
    assert watch.look_again(lab, chosen, "old", seen) == {}
    runs.write_status(lab.root / "old", runs.FAILED, "no room")
    again = watch.look_again(lab, chosen, "old", seen)
    assert "No room" in again[watch.head] or "no room" in again[watch.head]
    assert {name for _, name in again[watch.run]["choices"]} >= {"old", "new"}
    assert "value" not in again[watch.run]


def test_a_look_names_what_has_changed_and_nothing_else(lab: Any, watch: Watch) -> None:
    chosen = Chosen()
    seen = watch.show(lab, chosen, "old")[watch.seen]
    assert set(watch.show(lab, chosen, "old")) == set(watch.outputs)
    runs.write_status(lab.root / "new", runs.FAILED)
    # The other run is another line of the list, and the chosen one is as it was.
    again = watch.look_again(lab, chosen, "old", seen)
    assert set(again) == {watch.head, watch.charts, watch.run, watch.timer, watch.seen}
    runs.write_status(lab.root / "old", runs.FAILED)
    assert set(watch.look_again(lab, chosen, "old", again[watch.seen])) == set(watch.outputs)


def test_a_look_under_way_when_another_run_is_chosen_is_dropped(
    lab: Any, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Chosen()
    watch.show(lab, chosen, "old")
    # As asked by a page that hasn't heard of the new one yet …
    watch.show(lab, chosen, "new")
    assert watch.look_again(lab, chosen, "old", None) == {}
    # … and as begun before it was there.
    draw = watching.run_charts
    chosen.name = "old"

    def meanwhile(shown: Any) -> str:
        chosen.name = "new"
        return draw(shown)

    monkeypatch.setattr(watching, "run_charts", meanwhile)
    assert watch.look_again(lab, chosen, "old", None) == {}
    assert watch.look_again(lab, chosen, "new", None)[watch.seen].runs[0][0] == "new"


def test_a_page_goes_on_after_the_program_was_restarted(lab: Any, watch: Watch) -> None:
    assert watch.look_again(lab, Chosen(), "old", None)[watch.seen].runs[0][0] == "old"


def test_what_trains_is_drawn_before_what_waits() -> None:
    def run(name: str, status: str, epochs: int = 0) -> Run:
        return Run(Path(name), TINY, status, "", epochs, 0.0, None)

    waiting = [run(f"w{number}", runs.WAITING) for number in range(4)]
    resumed, trains = run("r", runs.WAITING, 2), run("t", runs.RUNNING)
    mine, over = run("mine", runs.FINISHED, 3), run("over", runs.FINISHED, 3)
    shown = watching._beside(mine, [*waiting, resumed, over, trains, mine])
    assert [found.name for found in shown] == ["mine", "t", "r"]
    assert watching._beside(waiting[0], [*waiting, trains]) == [waiting[0], trains]
