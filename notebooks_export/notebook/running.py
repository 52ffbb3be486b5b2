"""What a notebook says of how it is run again: beside the program, and in Colab, which doesn't have the
program."""

from __future__ import annotations

POINTER = "How to run it again, in Jupyter or in Colab, is said at its end."

IN_COLAB = """\
import os, shutil, sys
from pathlib import Path

for name in ("program", "notebook"):
    if Path(f"{name}.zip").exists():
        shutil.unpack_archive(f"{name}.zip", name)
for found in [*Path("program").rglob("launch.py")]:
    sys.path.insert(0, str(found.parent.resolve()))
    %pip install -q -r "{found.parent}/requirements.txt"
for found in [*Path("notebook").rglob("notebook.ipynb")]:
    os.chdir(found.parent)  # the pictures and networks that it reads lie beside it"""

HOW = f"""\
## To run this notebook again

It calls the program that made it, CNN Explorer: the folder with `launch.py` and `requirements.txt`.

**Jupyter, on your computer.** Put this notebook, and the folders that came with it, into the program's
folder. There, run `pip install -r requirements.txt`, start Jupyter, and run all cells. Where the program is
installed (`pip install .` in its folder), the notebook runs from any folder.

**Colab.** Make a ZIP of the program's folder and call it `program.zip`; call the ZIP that this notebook
came in, if there was one, `notebook.zip`. Upload both to Colab's files (the folder on the left). Put this
into a new cell above all others, run it, restart the session and run it again if Colab asks for that, then
run all cells:

```python
{IN_COLAB}
```"""
