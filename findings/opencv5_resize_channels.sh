#!/usr/bin/env bash
# OpenCV 5 resizes arrays of at most 128 channels; OpenCV 4 took 512.
# Feature maps have more (ResNet's last ones 512 to 2048), so code that resized them in one call with OpenCV 4 raises
# with OpenCV 5. Resize in slices of 128 channels.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PY'
import sys

import cv2
import numpy as np

print("OpenCV", cv2.__version__, "NumPy", np.__version__)


def resizes(channels):
    try:
        made = cv2.resize(np.ones((7, 7, channels), np.float32), (14, 14))
    except cv2.error as error:
        print(f"{channels} channels: raises: {error.err or str(error).strip().splitlines()[0]}")
        return False
    print(f"{channels} channels: {made.shape}")
    return made.shape == (14, 14, channels)


seen = [resizes(channels) for channels in (128, 129, 512)]
sys.exit(seen != eval(sys.argv[1]))
PY
look() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install -q "$2" numpy==2.4.6 2> /dev/null
  "$folder/$1/bin/python" "$folder/look.py" "$3"
}
look new opencv-python-headless==5.0.0.93 "[True, False, False]"
look old opencv-python-headless==4.11.0.86 "[True, True, True]"
