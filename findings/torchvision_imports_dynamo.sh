#!/usr/bin/env bash
# `import torchvision` 0.29.1 imports torch.compile's front end (torch._dynamo, 400 modules, sympy among them) through
# torchvision.ops.roi_align, which only wants to know whether something is being compiled; making an optimizer of torch
# 2.14 does the same. It takes about as long as importing torch itself, in every process that trains.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 2> /dev/null
cat > "$folder/look.py" <<'PY'
import sys
import time

start = time.perf_counter()
import torch

torch_s = time.perf_counter() - start
alone = "torch._dynamo" in sys.modules
start = time.perf_counter()
import torchvision

torchvision_s = time.perf_counter() - start
both = "torch._dynamo" in sys.modules
print("torch", torch.__version__, "torchvision", torchvision.__version__)
print(f"import torch: {torch_s:.1f} s, torch._dynamo loaded: {alone}")
print(f"import torchvision: {torchvision_s:.1f} s more, torch._dynamo loaded: {both}")
sys.exit(alone or not both)
PY
"$folder/venv/bin/python" "$folder/look.py"
