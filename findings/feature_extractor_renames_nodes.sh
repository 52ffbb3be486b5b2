#!/usr/bin/env bash
# torchvision's create_feature_extractor takes node names, not module names. Where submodules are called conv_1 and
# conv_2, torch.fx numbers the nodes conv and conv_1, so asking for "conv_1" returns what conv_2 puts out: no error,
# and often even the same shape. get_graph_node_names has the names that count.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 2> /dev/null
cat > "$folder/look.py" <<'PY'
import sys

import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

print("torch", torch.__version__, "torchvision", torchvision.__version__)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_1 = nn.Conv2d(3, 3, 1)
        self.conv_2 = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv_2(self.conv_1(x))


torch.manual_seed(0)
net, image = Net().eval(), torch.rand(1, 3, 4, 4)
names = get_graph_node_names(net)[1]
with torch.no_grad():
    asked = create_feature_extractor(net, ["conv_1"])(image)["conv_1"]
    first = net.conv_1(image)
    second = net.conv_2(first)
print("modules: conv_1, conv_2; nodes:", ", ".join(names))
print("asked for conv_1, got conv_1:", torch.equal(asked, first), "got conv_2:", torch.equal(asked, second))
sys.exit(not torch.equal(asked, second))
PY
"$folder/venv/bin/python" "$folder/look.py"
