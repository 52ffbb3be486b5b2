"""Whether a reader's own ``training`` folder hides ours: Python takes the one beside the notebook, without a word."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.machinery import PathFinder

SIBLINGS = ("training", "notebooks_export")
"""The packages that come with this one, by names that a student's own folder may have, too."""
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def warn_if_shadowed() -> None:
    """Warn of each sibling that ``import`` would find elsewhere than beside this package.

    For ``explorer/__init__.py``: the warning names the line that imports the package.
    """
    for name in SIBLINGS:
        if found := find_shadow(name):
            kind = "folder" if os.path.isdir(found) else "file"
            warnings.warn(
                f"'import {name}' finds {found}, so CNN Explorer's own package of that name isn't used: "
                f"rename that {kind}, or start Python in another folder",
                stacklevel=3,
            )


def find_shadow(name: str) -> str | None:
    """The folder or file that ``import name`` takes instead of our package; None if it takes ours.

    Nothing is imported. A plain folder without ``__init__.py`` hides nothing: Python prefers a package anywhere
    on its path to that.

    >>> find_shadow("training")
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None) if module else PathFinder.find_spec(name)
    ours = os.path.join(_HOME, name, "__init__.py")
    if spec is None or spec.origin is None or not os.path.isfile(ours) or _same(spec.origin, ours):
        return None
    folder, file = os.path.split(spec.origin)
    return folder if file.startswith("__init__.") else spec.origin


def _same(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:  # what is found lies in a ZIP, say
        return False
