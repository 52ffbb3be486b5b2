"""``python -m benchmarks``: every benchmark in turn, alone on the machine; each prints a table."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "look_inside",
    "startup",
    "page",
    "layer_switch",
    "convolution_lab",
    "receptive_field",
    "export",
    "training",
)

if __name__ == "__main__":
    for module in sys.argv[1:] or MODULES:
        print(f"\n## {module}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=True)
