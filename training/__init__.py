"""Train a small network, watch it, stop it, resume it, compare it.

``__init__.pyi`` lists them. Each is imported when it is first asked for: a run that trains doesn't wait for what draws.
"""

import lazy_loader

from explorer.former_names import find_former_modules

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

find_former_modules()  # some of them were training's
