"""The house rules that a machine can check: who imports whom, who may do what."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import explorer

ROOT = Path(__file__).parents[1]
WINGS = {"explorer": 0, "training": 1, "notebooks_export": 2}
FILES = sorted(f for extra_tab in WINGS for f in (ROOT / extra_tab).rglob("*.py")) + [
    f for f in [ROOT / "launch.py"] if f.is_file()
]
# Inside the explorer, lower floors know nothing of higher ones.
FLOORS = [
    {"errors", "images", "caches", "reduction", "overlay"},
    {"preprocessing", "catalogue", "download", "checkpoint", "hooks"},
    {"models"},
    {"tracing"},
    {"layers"},
    {"receptive_field", "receptive_field_axis", "receptive_field_graph"},
    {"activations", "attribution", "predictions"},
    {"trust"},
]


@cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text())))


@cache
def imported(file: Path) -> set[str]:
    """The full names of all modules that a file imports, at its top or inside functions."""
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(file: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imported(file))


def may_use_gradio(file: Path) -> bool:
    inside = file.relative_to(ROOT)
    return "tabs" in inside.parts or inside.name in ("tab.py", "launch.py")


def ids(files: list[Path]) -> list[str]:
    return [str(f.relative_to(ROOT)) for f in files]


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_imports_point_one_way(file: Path) -> None:
    extra_tab = file.relative_to(ROOT).parts[0]
    if extra_tab == "launch.py":
        return
    for other, height in WINGS.items():
        if height > WINGS[extra_tab]:
            assert not uses(file, other), f"{extra_tab} must not know {other}"
    assert not uses(file, "launch")
    assert not uses(file, "tests")


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_gradio_opencv_and_pyplot_stay_where_they_belong(file: Path) -> None:
    if not may_use_gradio(file):
        assert not uses(file, "gradio")
        assert not uses(file, "explorer.tabs")
    if file != ROOT / "explorer" / "overlay.py":
        assert not uses(file, "cv2")
    assert not uses(file, "matplotlib.pyplot")
    assert not uses(file, "pylab")
    for reference in ("captum", "pytorch_grad_cam", "torchcam"):
        assert not uses(file, reference), "references are for tests and benchmarks"


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_hooks_are_registered_in_one_place(file: Path) -> None:
    if file == ROOT / "explorer" / "hooks.py":
        return
    for node in nodes(file):
        if isinstance(node, ast.Attribute):
            assert not (node.attr.startswith("register_") and node.attr.endswith("hook")), file
            assert node.attr != "backward" or wing_of(file) == "training", "gradients by torch.autograd.grad"


def wing_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_checkpoints_are_data(file: Path) -> None:
    for node in nodes(file):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert options.get("weights_only") == "True", file
    assert not any(ast.unparse(n) in ("pickle.load", "pickle.loads") for n in calls(file))


def calls(file: Path) -> list[ast.expr]:
    return [n.func for n in nodes(file) if isinstance(n, ast.Call)]


def test_floors_of_the_explorer() -> None:
    floor_of = {name: i for i, names in enumerate(FLOORS) for name in names}
    for name, floor in floor_of.items():
        file = ROOT / "explorer" / f"{name}.py"
        if not file.is_file():
            continue
        for other, above in floor_of.items():
            if above > floor:
                assert not uses(file, f"explorer.{other}"), f"{name} must not know {other}"


@pytest.mark.parametrize("name", ["reduction", "overlay", "convolution"])
def test_what_takes_plain_arrays_knows_no_network(name: str) -> None:
    known = {n for n in imported(ROOT / "explorer" / f"{name}.py") if n.startswith("explorer.")}
    allowed = {
        "explorer.errors",
        "explorer.convolution.size",
        "explorer.convolution.reading",
        "explorer.convolution.pooling",
    }
    assert {".".join(n.split(".")[:2]) for n in known} <= allowed
    assert not uses(ROOT / "explorer" / f"{name}.py", "torch") or name == "convolution"


def test_importing_the_explorer_is_quick_and_needs_no_screen() -> None:
    heavy = ("gradio", "sklearn", "matplotlib.pyplot", "timm", "cv2.gapi.wip", "trackio", "training")
    code = f"import sys, explorer; print([m for m in {heavy!r} if m in sys.modules])"
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
        "explorer.networks.catalogue()\n"
        "explorer.sample_images()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)


def test_public_names_are_sorted_exist_and_are_documented() -> None:
    assert explorer.__all__ == sorted(explorer.__all__)
    assert len(set(explorer.__all__)) == len(explorer.__all__)
    for name in explorer.__all__:
        found = getattr(explorer, name)
        assert inspect.getdoc(found), name
        if inspect.isclass(found):
            for member, value in vars(found).items():
                if not member.startswith("_") and callable(value):
                    assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize(
    "name",
    # As notebooks, tests and other tools call them.
    [
        "load_model",
        "read_image",
        "list_layers",
        "capture_activations",
        "reduce",
        "overlay",
        "predict",
        "attribute",
        "compare_classes",
        "receptive_field",
        "convolve",
        "output_size",
    ],
)
def test_the_public_face(name: str) -> None:
    assert name in explorer.__all__
    assert callable(getattr(explorer, name))


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_files_stay_readable(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400
    assert file.stem not in ("utils", "helpers", "misc", "common")
    module = nodes(file)[0]
    assert isinstance(module, ast.Module)
    assert ast.get_docstring(module) or not module.body, "says what it is about"
    for node in nodes(file):
        if isinstance(node, ast.FunctionDef) and not may_use_gradio(file):  # a page's layout is long
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 70 + docstring_lines(node), f"{node.name} is too long"
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith("Manager")
            bare = not node.name.startswith("_") and not ast.get_docstring(node)
            assert not bare, f"{node.name} has no docstring"


def docstring_lines(node: ast.FunctionDef) -> int:
    return len((ast.get_docstring(node) or "").splitlines())


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_no_function_writes_a_global(file: Path) -> None:
    # A module's global is shared by all users of the page.
    assert not any(isinstance(node, ast.Global) for node in nodes(file))
