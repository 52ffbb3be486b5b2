"""The README's commands and its example are what works."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_and_says_cheetah(capsys):
    example = re.search(r"```python\n(import explorer.*?)```", README, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "README.md", "exec"), {})
    sentence = capsys.readouterr().out
    assert "label='cheetah'" in sentence
    assert "ReceptiveField(layer='blocks.4.2.add'" in sentence


def test_the_gate_runs_the_readme_s_own_test_command():
    command = "pip install -r requirements.txt -r requirements-dev.txt && python -m pytest -n 2"
    assert command in README.splitlines()
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_file_it_shows_is_there():
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / name).is_file()


def test_requirements_are_pinned_and_constraints_agree():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    normal = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if line and not line.startswith(("#", "-c")):
                name, version = line.split("==")
                assert normal[name.lower().replace("_", "-")] == version, line
