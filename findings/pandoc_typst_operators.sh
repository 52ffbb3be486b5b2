#!/usr/bin/env bash
# pandoc 3.9 writes \cap, \otimes, \odot and \ominus as sect, times.circle, dot.circle and minus.circle.
# typst 0.15 has none of these names any more (inter, times.o, dot.o, minus.o), and one such formula stops the whole
# document, not only its line. \cup, \oplus and \boxplus go through. Define the old names in the template.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pypandoc_binary==1.17 typst==0.15.2 2> /dev/null
cat > "$folder/look.py" <<'PY'
import importlib.metadata
import pathlib
import sys

import pypandoc
import typst

print("pandoc", pypandoc.get_pandoc_version(), "typst", importlib.metadata.version("typst"))
folder = pathlib.Path(sys.argv[1])


def sets(text):
    file = folder / "page.typ"
    file.write_text(text)
    try:
        typst.compile(str(file))
    except Exception as error:
        return str(error).strip().splitlines()[0]
    return "sets"


names = {r"\cap": "inter", r"\otimes": "times.o", r"\odot": "dot.o", r"\ominus": "minus.o"}
seen = []
for tex in (r"\cup", r"\oplus", r"\boxplus", *names):
    written = pypandoc.convert_text(f"$a {tex} b$", "typst", format="markdown").strip()
    result = sets(f"First line.\n\n{written}")
    print(f"{tex}: pandoc writes {written}, typst: {result}")
    seen.append((result == "sets") == (tex not in names))
    if tex in names:
        seen.append(sets(f"$a {names[tex]} b$") == "sets")
sys.exit(not all(seen))
PY
"$folder/venv/bin/python" "$folder/look.py" "$folder"
