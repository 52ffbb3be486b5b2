#!/usr/bin/env bash
# gradio 6.31 makes a pandas table of the last 10,000 events after each event, with percentiles for each function,
# also where enable_monitoring=False serves nobody the page that shows them. So an event costs the more the longer the
# program has run. GRADIO_ANALYTICS_CACHE_FREQUENCY (1 by default) says after how many events; a huge one stops it.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q gradio==6.31.0 2> /dev/null
cat > "$folder/look.py" <<'PY'
import sys
import time

import gradio as gr
from gradio.queueing import Queue
from gradio_client import Client

print("gradio", gr.__version__)
EVENTS = 60
rows, seconds = [], []
table = Queue._get_df
summary = Queue.compute_analytics_summary


def counted(records):
    rows.append(len(records))
    return table(records)


def timed(self, records):
    start = time.perf_counter()
    try:
        return summary(self, records)
    finally:
        seconds.append(time.perf_counter() - start)


Queue._get_df, Queue.compute_analytics_summary = staticmethod(counted), timed


def same(number: float) -> float:
    return number


with gr.Blocks() as page:
    gr.api(same, api_name="same")
_, url, _ = page.launch(
    server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, enable_monitoring=False
)
client = Client(url, verbose=False)
for number in range(EVENTS):
    client.predict(float(number), api_name="/same")
page.close()
print(f"{EVENTS} events, monitoring off: {len(rows)} tables, {sum(rows)} rows, the last {rows[-1] if rows else 0}")
if seconds:
    print(f"the last summary took {1000 * seconds[-1]:.1f} ms")
sys.exit(not (len(rows) >= EVENTS and rows[-1] >= EVENTS))
PY
"$folder/venv/bin/python" "$folder/look.py"
