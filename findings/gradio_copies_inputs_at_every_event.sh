#!/usr/bin/env bash
# gradio 6.31's page copies a component's whole list of choices at every event, also at those of other components.
# When an event has ended, a status is noted at each of its inputs. From then on every step of every event writes that
# status again, and reads (that is, copies, value by value) all properties of the component first. A list of 1,000
# classes costs 2,000 calls of structuredClone each time. With many outputs the same happens at them; there
# show_progress_on=[] keeps the status away, at inputs nothing does.
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
const copy = window.structuredClone;
window.copies = 0;
window.structuredClone = (value) => { window.copies += 1; return copy(value); };
"""

with gr.Blocks() as page:
    classes = gr.Dropdown([(f"class {i}", i) for i in range(1000)], label="Class")
    with_list, alone = gr.Button("With the list"), gr.Button("Alone")
    with_list.click(lambda chosen: None, classes, None, show_progress="hidden")
    alone.click(lambda: None, None, None, show_progress="hidden")
_, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    seen = browser.new_page()
    seen.add_init_script(COUNT)
    seen.goto(url)

    def copies(button):
        seen.evaluate("window.copies = 0")
        seen.get_by_role("button", name=button).click()
        seen.wait_for_timeout(2000)
        return seen.evaluate("window.copies")

    seen.get_by_role("button", name="Alone").wait_for()
    seen.wait_for_timeout(2000)
    before = copies("Alone")
    copies("With the list")
    after = copies("Alone")
    browser.close()
page.close()
print(f"copies made by an event without inputs and outputs: {before} before, {after} after another event had the list")
sys.exit(not (before < 200 and after > 2000))
PY
"$folder/venv/bin/python" "$folder/look.py"
