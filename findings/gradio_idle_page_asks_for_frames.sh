#!/usr/bin/env bash
# An open page of gradio 6.31 asks for an animation frame sixty times a second for as long as it is open: the clock of
# its loading screen goes on after the screen is gone. On a computer without a GPU that is some percent of a core.
# Needs Chromium on the PATH.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q gradio==6.31.0 playwright==1.65.2 2> /dev/null
cat > "$folder/look.py" <<'PY'
import shutil
import sys

import gradio as gr
from playwright.sync_api import sync_playwright

print("gradio", gr.__version__)
COUNT = """
const ask = window.requestAnimationFrame;
window.frames_asked = 0;
window.requestAnimationFrame = (callback) => { window.frames_asked += 1; return ask(callback); };
"""
with gr.Blocks() as page:
    gr.Markdown("Nothing moves here.")
_, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    seen = browser.new_page()
    seen.add_init_script(COUNT)
    seen.goto(url)
    seen.get_by_text("Nothing moves here.").wait_for()
    seen.wait_for_timeout(3000)
    seen.evaluate("window.frames_asked = 0")
    seen.wait_for_timeout(3000)
    asked = seen.evaluate("window.frames_asked") / 3
    browser.close()
page.close()
print(f"frames asked for by an idle page: {asked:.0f} a second; one would expect 0")
sys.exit(not asked > 20)
PY
"$folder/venv/bin/python" "$folder/look.py"
