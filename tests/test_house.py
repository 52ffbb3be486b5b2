"""The house rules that a machine can check: one test a rule, read from the folders themselves."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import explorer
import notebooks_export
import training
from notebooks_export.kinds.registry import TEXT
from notebooks_export.notebook.build import build_notebook
from tests.notebooks_export.samples import performed

ROOT = Path(__file__).parents[1]
PACKAGES = ("explorer", "training", "notebooks_export")
"""From the ground up: each knows those before it."""
FLOORS = {
    "explorer": (
        *("images", "networks", "layers", "convolution", "practice", "fields", "saliency", "activations"),
        *("session", "workbench", "tabs"),
    ),
    "training": ("networks", "data", "fast", "loop", "runs", "report", "tabs"),
    "notebooks_export": ("paper", "kinds", "notebook", "sheet", "submission", "tabs"),
}
"""Rooms from the ground up. Files beside them are the ground itself: they know no room."""
KNOW_ROOMS = {"explorer/__init__.py", "training/__init__.py", "notebooks_export/__init__.py"} | {
    "training/__main__.py",
    "notebooks_export/__main__.py",
    "training/words.py",  # names networks that are written as a line of layers
}
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


@cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@cache
def imported(file: Path) -> frozenset[str]:
    """The full names of all modules and names that a file imports, at its top or inside functions."""
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def uses(file: Path, *modules: str) -> bool:
    return any(name == m or name.startswith(f"{m}.") for name in imported(file) for m in modules)


def arrows(package: str) -> Iterator[tuple[Path, str, str]]:
    """(file, its room, a room that it imports), within a package; files beside the rooms have the room ""."""
    rooms = set(FLOORS[package])
    for file in sorted((ROOT / package).rglob("*.py")):
        own = file.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for name in imported(file):
            home, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if home == package and other in rooms and other != own:
                yield file, own if own in rooms else "", other


def test_floors_name_every_room() -> None:
    for package, floors in FLOORS.items():
        folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert folders <= set(floors)
        for name in floors:
            assert name in folders or (ROOT / package / f"{name}.py").is_file()


def test_packages_know_those_below() -> None:
    wrong = [
        f"{place(file)} knows {other}"
        for file in FILES
        for other in (*PACKAGES[PACKAGES.index(file.relative_to(ROOT).parts[0]) + 1 :], "launch", "tests")
        if uses(file, other)
    ]
    assert wrong == []


def test_rooms_know_those_below() -> None:
    """No arrow up, and so no circle between rooms."""
    wrong = []
    for package, floors in FLOORS.items():
        height = {room: number for number, room in enumerate(floors)}
        wrong += [
            f"{place(file)} knows {package}/{other}"
            for file, own, other in arrows(package)
            if height[other] > height.get(own, -1) and place(file) not in KNOW_ROOMS
        ]
    assert wrong == []


def side(name: str) -> str:
    """Which side of its lab a file or a module is on: ``page``, ``paper``, or neither."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] == "notebooks_export" or "tabs" in parts:
        return ""
    return next((part for part in parts if part in ("page", "paper")), "")


def test_page_and_paper_never_meet_and_the_core_knows_neither() -> None:
    wrong = [
        f"{place(file)} knows {name}"
        for file in FILES
        if "tabs" not in file.parts and "notebooks_export" not in file.parts and place(file) not in KNOW_ROOMS
        for name in imported(file)
        if side(name) not in ("", side(place(file)))
    ]
    assert wrong == []


def test_folders_say_what_they_are_for_and_export_nothing() -> None:
    wrong = []
    for file in FILES:
        if file.name != "__init__.py" or place(file) in KNOW_ROOMS:
            continue
        body = ast.parse(file.read_text(encoding="utf-8")).body
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        if len(body) != 1 or not docstring or "\n" in docstring:
            wrong.append(place(file))
    assert wrong == []


def test_no_module_has_the_name_of_its_folder_and_none_says_nothing() -> None:
    empty = ("utils", "helpers", "misc", "common")
    assert [place(f) for f in FILES if f.stem == f.parent.name or f.stem in empty] == []


def test_gradio_stays_on_the_page() -> None:
    others = [file for file in FILES if "tabs" not in file.parts]
    assert [place(file) for file in others if uses(file, "gradio", "explorer.tabs", "training.tabs")] == []


def test_the_hand_in_needs_no_training_page() -> None:
    files = [
        file for file in FILES if place(file).startswith("notebooks_export/") and "tabs" not in file.parts
    ]
    assert [place(file) for file in files if uses(file, "training.tabs")] == []


def test_opencv_stays_with_the_images() -> None:
    assert [place(file) for file in FILES if uses(file, "cv2") and file.parent.name != "images"] == []


def test_figures_are_made_without_pyplot() -> None:
    """It isn't safe with threads, and its figures stay in memory."""
    assert [place(file) for file in FILES if uses(file, "matplotlib.pyplot", "pylab")] == []


def test_references_are_for_tests_and_benchmarks() -> None:
    references = ("captum", "pytorch_grad_cam", "torchcam")
    assert [place(file) for file in FILES if uses(file, *references)] == []


def test_hooks_are_registered_in_one_place() -> None:
    wrong = [
        f"{place(file)}: {node.attr}"
        for file in FILES
        if file != ROOT / "explorer" / "networks" / "hooks.py"
        for node in nodes(file)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("register_")
        and node.attr.endswith("hook")
    ]
    assert wrong == []


def test_gradients_are_taken_without_touching_parameters() -> None:
    """By torch.autograd.grad; ``backward`` is for training."""
    wrong = [
        place(file)
        for file in FILES
        if not place(file).startswith("training/")
        for node in nodes(file)
        if isinstance(node, ast.Attribute) and node.attr == "backward"
    ]
    assert wrong == []


def calls(file: Path) -> Iterator[ast.Call]:
    return (node for node in nodes(file) if isinstance(node, ast.Call))


def test_checkpoints_are_data() -> None:
    wrong = []
    for file in FILES:
        for call in calls(file):
            function = ast.unparse(call.func)
            options = {k.arg: ast.unparse(k.value) for k in call.keywords}
            if function == "torch.load" and options.get("weights_only") != "True":
                wrong.append(f"{place(file)}: {ast.unparse(call)}")
            if function in ("pickle.load", "pickle.loads"):
                wrong.append(f"{place(file)}: {function}")
    assert wrong == []


def test_no_function_writes_a_global() -> None:
    """A module's global is shared by all users of the page."""
    assert [place(f) for f in FILES if any(isinstance(node, ast.Global) for node in nodes(f))] == []


def test_what_becomes_html_is_escaped_by_construction() -> None:
    """By MarkupSafe: ``html.escape`` has to be remembered at each place, and was forgotten once."""
    # Error messages go through gradio, which shows them as HTML, and to other programs, which read text.
    allowed = ROOT / "explorer" / "tabs" / "components.py"
    assert [place(file) for file in FILES if uses(file, "html") and file != allowed] == []


def test_files_fit_a_head() -> None:
    assert [place(f) for f in FILES if len(f.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_functions_fit_a_screen() -> None:
    """But for the layout of a page, which is long."""
    wrong = []
    for file in FILES:
        for node in nodes(file):
            if isinstance(node, ast.FunctionDef) and "tabs" not in file.parts:
                lines = (
                    (node.end_lineno or 0) - node.lineno - len((ast.get_docstring(node) or "").splitlines())
                )
                if lines >= 70:
                    wrong.append(f"{place(file)}: {node.name}")
    assert wrong == []


def test_modules_and_classes_say_what_they_are() -> None:
    wrong = []
    for file in FILES:
        module = nodes(file)[0]
        assert isinstance(module, ast.Module)
        if module.body and not ast.get_docstring(module):
            wrong.append(place(file))
        for node in nodes(file):
            if isinstance(node, ast.ClassDef):
                bare = not node.name.startswith("_") and not ast.get_docstring(node)
                if bare or node.name.endswith("Manager"):
                    wrong.append(f"{place(file)}: {node.name}")
    assert wrong == []


@pytest.mark.parametrize("room", ["activations/reduction.py", "images/overlay.py", "convolution/size.py"])
def test_what_takes_plain_arrays_knows_no_network(room: str) -> None:
    assert not uses(ROOT / "explorer" / room, "torch", "explorer.networks", "explorer.layers")


@pytest.mark.parametrize("package", [explorer, training, notebooks_export], ids=PACKAGES)
def test_public_names_exist_and_are_documented(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert len(names) == len(set(names))  # ruff keeps their order
    for name in names:
        found = getattr(package, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), name
        if inspect.isclass(found):
            for member, value in vars(found).items():
                if not member.startswith("_") and callable(value):
                    assert inspect.getdoc(value), f"{name}.{member}"


def test_cells_call_public_names_alone() -> None:
    """So that no file that moves can break a notebook."""
    session = performed()
    assert len({step.kind for step in session.steps} - {TEXT}) > 25
    cells = [cell.source for cell in build_notebook(session).cells if cell.cell_type == "code"]
    trees = [node for cell in cells for node in ast.walk(ast.parse(cell))]
    modules = {node.module for node in trees if isinstance(node, ast.ImportFrom)}
    assert modules <= {"PIL", "pathlib"}
    assert {a.name for node in trees if isinstance(node, ast.Import) for a in node.names} <= {
        *("explorer", "training", "io", "numpy")
    }
    public = {"explorer": explorer, "training": training}
    used = {
        (node.value.id, node.attr)
        for node in trees
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in public
    }
    assert len(used) > 50
    assert [f"{p}.{name}" for p, name in sorted(used) if name not in public[p].__all__] == []


@pytest.mark.parametrize(
    "name",
    # As notebooks, tests and other tools call them.
    [
        *("load_model", "read_image", "list_layers", "capture_activations", "reduce", "overlay", "predict"),
        *("attribute", "compare_classes", "receptive_field", "convolve", "output_size", "from_module"),
    ],
)
def test_the_public_face(name: str) -> None:
    assert name in explorer.__all__
    assert callable(getattr(explorer, name))


@pytest.mark.parametrize(
    ("imported", "unneeded"),
    [
        (
            "explorer, training, notebooks_export",
            ("torch", "numpy", "PIL", "matplotlib", "pydantic", "explorer.tabs"),
        ),
        ("explorer.images.decode", ("torch", "matplotlib", "cv2")),
        # A run that trains: no page, no picture laid over another, no factorisation.
        ("training.__main__", ("gradio", "matplotlib", "sklearn", "scipy", "cv2", "timm", "explorer.fields")),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(imported: str, unneeded: tuple[str, ...]) -> None:
    code = f"import sys, {imported}; print([m for m in {unneeded!r} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert shown.stdout.strip() == "[]"


def test_importing_the_explorer_downloads_and_loads_nothing() -> None:
    code = (
        "import socket\n"
        "def no(*a, **k): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = no\n"
        "import explorer\n"
        "explorer.catalogue()\n"
        "explorer.sample_images()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)
