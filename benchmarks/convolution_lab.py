"""How long one step of the convolution lab takes, beside a notebook's way to draw the same.

    python -m benchmarks.convolution_lab [--runs 50]

``step`` is all our own work for one step of the animation: the window, its products, the drawing of input,
products and output. ``edit`` is what a changed cell or setting costs: the typed cells are read, everything is
convolved anew and drawn. ``matplotlib`` draws input, products and output of the same window as three images
into a PNG, as a notebook would. With Chromium installed, ``key to picture`` is a step as the user feels it:
an arrow key pressed in a headless browser until the caption has changed. Medians in milliseconds.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import numpy as np

from explorer.convolution.arithmetic import Convolution, convolve
from explorer.convolution.page.windows import draw_outputs, draw_step
from explorer.convolution.presets import presets
from explorer.tabs.convolution.matrix_editor import input_value, kernel_value, read_input, read_kernels


def contenders() -> dict[str, Convolution]:
    rng = np.random.default_rng(0)
    return {
        "the sheet, 5×6, three 2×2 kernels": next(iter(presets().values())).convolve(),
        "16×16 numbers, 3×3 kernel": convolve(
            rng.integers(0, 9, (1, 16, 16)), rng.integers(-2, 3, (1, 1, 3, 3))
        ),
        "64×64 picture, 7×7 kernel": convolve(
            rng.integers(0, 256, (1, 64, 64)), rng.normal(size=(1, 1, 7, 7))
        ),
    }


def median_ms(work: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def step(conv: Convolution, numbers: count[int]) -> str:
    window = conv.windows[next(numbers) * 37 % len(conv.windows)]
    drawn = draw_step(conv, window.kernel_index, window.row, window.column)
    return drawn + (draw_outputs(conv, window.kernel_index) if len(conv.maps) > 1 else "")


def edit(conv: Convolution, numbers: count[int]) -> str:
    x = read_input(input_value(conv.channels))
    kernels, biases = read_kernels(kernel_value(conv.kernels, conv.bias.tolist()))
    return step(convolve(x, kernels, biases, conv.stride, conv.padding), numbers)


def notebook_step(conv: Convolution, numbers: count[int]) -> bytes:
    from matplotlib.figure import Figure

    window = conv.windows[next(numbers) * 37 % len(conv.windows)]
    figure = Figure(figsize=(9, 3))
    shown = (conv.channels[0], window.products.reshape(window.products.shape[-2:]), conv.maps[0])
    for axes, values in zip(figure.subplots(1, 3), shown, strict=True):
        axes.imshow(values)
        if values.size <= 256:
            for (row, column), value in np.ndenumerate(values):
                axes.text(column, row, f"{value:g}", ha="center", va="center")
    file = io.BytesIO()
    figure.savefig(file)
    return file.getvalue()


def key_to_picture_ms(runs: int) -> float | None:
    """Arrow key to changed caption in Chromium, on the lab alone; None without a browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    import gradio as gr
    from playwright.sync_api import sync_playwright

    from explorer.session.steps import Session
    from explorer.tabs import components
    from explorer.tabs.convolution import lab as convolution

    with gr.Blocks(analytics_enabled=False) as app, gr.Tabs(), gr.Tab("Convolution"):
        convolution.build(gr.State(Session()))
    _, url, _ = app.launch(
        prevent_thread_lock=True, quiet=True, run_history=False, theme=components.theme(), css=components.CSS
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(url)
            page.locator(".cv-stepper").focus()
            while page.get_by_text("row 1, column 1.").count():  # until the page listens to keys
                page.keyboard.press("ArrowRight")
                page.wait_for_timeout(200)
            page.wait_for_timeout(1500)
            felt = statistics.median(_timed_key(page) for _ in range(runs))
            browser.close()
            return felt
    finally:
        app.close(verbose=False)


def _timed_key(page: object) -> float:
    return page.evaluate(  # type: ignore[attr-defined]
        """() => new Promise((resolve, reject) => {
          setTimeout(() => reject(new Error("no answer to a key in 10 s")), 10000);
          const stepper = document.querySelector(".cv-stepper"), start = performance.now();
          const output = () => stepper.querySelector("svg[data-goto]");
          const key = output().dataset.column === "0" ? "ArrowRight" : "ArrowLeft";
          new MutationObserver((_, observer) => {
            observer.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - start));
          }).observe(stepper, {subtree: true, childList: true, attributes: true, characterData: true});
          stepper.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        })"""
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--runs", type=int, default=50)
    runs = options.parse_args().runs
    for name, conv in contenders().items():
        numbers = count()
        ours, changed = (median_ms(partial(work, conv, numbers), runs) for work in (step, edit))
        theirs = median_ms(partial(notebook_step, conv, numbers), max(3, runs // 10))
        print(
            f"{name}: step {ours:.1f}, edit {changed:.1f}, matplotlib {theirs:.0f} ({theirs / ours:.0f} times)"
        )
    felt = key_to_picture_ms(runs)
    print("key to picture: no Chromium here" if felt is None else f"key to picture: {felt:.0f}")


if __name__ == "__main__":
    main()
