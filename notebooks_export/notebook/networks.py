"""The networks that steps name: of the catalogue, of a run (``RUN@EPOCH``), or of a file (``NAME:SHA-256``)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel, load_model
from explorer.session.network_file import open_network, read_labels
from explorer.session.steps import Session
from notebooks_export.kinds.cell import written
from training import epochs_of, load_trained, shipped_runs, trained_runs
from training.loop.checkpoint import CONFIG, load_checkpoint, weights_path


def check_networks(session: Session, used: Mapping[str, int], runs: str | Path) -> None:
    """Raises ExplorerError for a run or a file that is gone; ``used`` tells a step of each network."""
    known = trained_runs(runs) if any("@" in reference for reference in used) else {}
    for reference, number in used.items():
        name, _, epoch = reference.rpartition("@")
        if name and (name not in known or int(epoch) not in epochs_of(known[name])):
            raise ExplorerError(
                f"the network {reference!r} of step {number}",
                f"is gone from the training runs in {Path(runs).name or '.'}",
                "put the run's folder back, or remove the step",
            )
        if ":" in reference:
            _labels(session, reference, number)


def network_name(reference: str) -> str:
    """The variable that is to hold it."""
    return "trained" if "@" in reference else reference.partition(":")[0]


def network_code(reference: str) -> str:
    """The call that loads it, from files beside the notebook where it is one's own."""
    name, at, epoch = reference.rpartition("@")
    if at:
        return f"training.load_trained(training.trained_runs()[{name!r}], epoch={int(epoch)})"
    architecture, colon, digest = reference.partition(":")
    if not colon:
        return f"explorer.load_model({reference!r})"
    path = _path(digest)
    labels = f"labels=Path('{path}.txt').read_text('utf-8').splitlines()"
    return written("explorer.load_model", repr(architecture), f"'{path}.safetensors'", labels)


def load_network(session: Session, reference: str, runs: str | Path) -> LoadedModel:
    """What :func:`network_code` loads, without any files beside.

    Raises:
        ExplorerError: as :func:`check_networks`, :func:`explorer.load_model` and :func:`training.load_trained`.
    """
    name, at, epoch = reference.rpartition("@")
    if at:
        return load_trained(trained_runs(runs)[name], int(epoch))
    architecture, colon, digest = reference.partition(":")
    if not colon:
        return load_model(reference)
    return open_network(architecture, session.files[digest], f"the network {digest[:12]}… of the session")


def network_files(session: Session, used: Collection[str], runs: str | Path) -> dict[str, bytes]:
    """What the notebook needs beside it for them: path → content."""
    files: dict[str, bytes] = {}
    known = trained_runs(runs) if any("@" in reference for reference in used) else {}
    for reference in used:
        name, at, epoch = reference.rpartition("@")
        if at and known[name] not in shipped_runs():
            files |= _run_files(known[name], int(epoch))
        _, colon, digest = reference.partition(":")
        if colon and not at:
            labels = _labels(session, reference)
            files[f"{_path(digest)}.safetensors"] = session.files[digest]
            files[f"{_path(digest)}.txt"] = "".join(f"{label}\n" for label in labels).encode()
    return files


def _labels(session: Session, reference: str, number: int | None = None) -> tuple[str, ...]:
    architecture, _, digest = reference.partition(":")
    what = f"the network {architecture}:{digest[:12]}…" + (f" of step {number}" if number else "")
    if digest not in session.files:
        rule, remedy = "is not in the session any more", "remove the step, or keep it again from the screen"
        raise ExplorerError(what, rule, remedy)
    return read_labels(session.files[digest], what)


def _path(digest: str) -> str:
    return f"networks/{digest[:16]}"


def _run_files(folder: Path, epoch: int) -> dict[str, bytes]:
    """A run's recipe and one epoch's weights, where :func:`training.trained_runs` finds them from beside.

    Where the images lay on this computer is nobody else's business: of that path the last part goes along.
    """
    load_checkpoint(folder, epoch)  # whole, or refused here and not by the notebook of who is handed it
    weights = weights_path(folder, epoch)
    content = weights.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    listed = header["__metadata__"]
    listed["config"] = _without_folder(listed["config"])
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)  # tensors begin at multiples of eight
    return {
        f"runs/{folder.name}/{CONFIG}": _without_folder((folder / CONFIG).read_text("utf-8")).encode(),
        f"runs/{folder.name}/{weights.name}": len(head).to_bytes(8, "little") + head + content[end:],
    }


def _without_folder(config: str) -> str:
    knobs = json.loads(config)
    if knobs.get("data_dir"):
        knobs["data_dir"] = Path(knobs["data_dir"]).name
    return json.dumps(knobs, indent=1)
