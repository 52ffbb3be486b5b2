"""Open the explorer in the browser: ``python launch.py``."""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def parser() -> argparse.ArgumentParser:
    """The options; reading them loads nothing heavy, so that ``--help`` answers at once."""
    options = argparse.ArgumentParser(description="See what a convolutional network does, in the browser.")
    options.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this computer only)"
    )
    options.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    options.add_argument("--share", action="store_true", help="also open a public link, with a login")
    options.add_argument("--auth", metavar="USER:PASS", help="login to ask for")
    options.add_argument("--no-auth", action="store_true", help="let a public link be open to everybody")
    options.add_argument("--model", metavar="NAME", help="network to open with")
    options.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    options.add_argument("--data-dir", metavar="DIR", help="where data sets and training runs are kept")
    options.add_argument("--offline", action="store_true", help="never try to download anything")
    options.add_argument("--no-browser", action="store_true", help="don't open a browser window")
    options.add_argument("--mcp", action="store_true", help="offer the endpoints to MCP clients, too")
    options.add_argument(
        "--max-upload",
        type=int,
        default=600,
        metavar="MB",
        help="largest file that may be uploaded (default: 600, the weights of a VGG; pictures have 20)",
    )
    return options


def main(arguments: list[str] | None = None) -> int:
    """Build the app, serve it until it is interrupted."""
    options = parser().parse_args(arguments)
    try:
        auth = login(options.auth, share=options.share, open_to_all=options.no_auth)
    except ValueError as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    # Before gradio is imported: nothing is sent to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # gradio sums up the last 10,000 events after each event, for a page of statistics that isn't served here: the
    # longer a class works, the more of the processor that would take (benchmarks/page.py).
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**12))
    # Before torch is imported: threads that wait for work sleep. Spinning, they would take the cores from other
    # users and from training, and a forward pass beside either would take several times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # numpy's matrices are small here, and its threads get into each other's way when many users click at once.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return serve(options, auth)


def login(given: str | None, *, share: bool, open_to_all: bool) -> tuple[str, str] | None:
    """The login to ask for: as given; generated for a public link; else none.

    Raises:
        ValueError: not ``USER:PASS``, or a login together with ``--no-auth``.
    """
    if given is not None:
        user, separator, password = given.partition(":")
        if not (user and separator and password):
            raise ValueError(f"--auth {given!r} is not USER:PASS; give both, for example --auth ada:secret")
        if open_to_all:
            raise ValueError("--auth and --no-auth exclude each other; give one of them")
        return user, password
    if share and not open_to_all:
        return "guest", secrets.token_urlsafe(9)
    return None


def has_mcp() -> bool:
    """Whether the package for MCP clients is here; if not, says how to get it."""
    if importlib.util.find_spec("mcp") is not None:
        return True
    print("--mcp needs one more package: pip install 'gradio[mcp]'. The page works without.", flush=True)
    return False


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """What is made inside stays: Python doesn't search it for garbage, now or later.

    Importing the libraries makes some millions of objects for good; looking through them time and again took a
    fifth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def serve(options: argparse.Namespace, auth: tuple[str, str] | None) -> int:
    """Start the server, say where it is, and wait."""
    with no_garbage_collection():
        app, bench = start(options, auth)
    from explorer.tabs.shell.app import warm_up

    warm_up(bench, options.model)
    print(f"The explorer is at {app.local_url}", flush=True)
    if options.share:
        print(public_link(app.share_url, offline=options.offline), flush=True)
    if auth:
        print(f"Login: {auth[0]}   password: {auth[1]}", flush=True)
    app.block_thread()
    return 0


def public_link(url: str | None, *, offline: bool) -> str:
    """What to say of the public link that was asked for."""
    if url:
        return f"Public link: {url}"
    why = "it needs a connection, and --offline allows none" if offline else "there is no connection"
    return f"No public link could be made: {why}. The address above goes on working."


def start(options: argparse.Namespace, auth: tuple[str, str] | None) -> tuple[Any, Any]:
    """Start the server. Returns the app and what its screens share."""
    from explorer.allocator import keep_freed_pages
    from explorer.tabs.components import CSS, HEAD, theme
    from explorer.tabs.shell.app import build_app, pick_device
    from explorer.workbench import Workbench
    from notebooks_export.tabs import screen as export_tab
    from training.data.opened import DatasetCache
    from training.runs.catalogue import TrainedModels
    from training.runs.folders import DEFAULT_ROOT
    from training.tabs import screen as training_tab
    from training.tabs.lab import Lab

    keep_freed_pages()
    home = Path(options.data_dir).expanduser().resolve() if options.data_dir else None
    if home:
        os.environ["CNN_EXPLORER_CACHE"] = str(home)
    trained = TrainedModels(home / "runs" if home else DEFAULT_ROOT.resolve())
    bench = Workbench(device=pick_device(options.device), offline=options.offline, source=trained)
    # Whoever comes in from elsewhere may not name files of this computer.
    local = options.host in ("127.0.0.1", "localhost", "::1") and not options.share
    datasets = DatasetCache(offline=options.offline)
    lab = Lab(bench, trained, datasets, device=options.device, typed_paths=local)
    app = build_app(
        bench, model=options.model, extra_tabs=[training_tab.extra_tab(lab), export_tab.extra_tab(trained)]
    )
    app.queue(api_open=False, max_size=64, default_concurrency_limit=4)
    settings: dict[str, Any] = {
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
        "footer_links": ["api", "settings"],
        "run_history": False,
        "enable_monitoring": False,
        "max_file_size": f"{options.max_upload}mb",
        "ssr_mode": False,
        "app_kwargs": {"openapi_url": None},
        "mcp_server": options.mcp and has_mcp(),
    }
    app.launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share and not options.offline,  # gradio would try to download a program for it
        auth=auth,
        inbrowser=not options.no_browser,
        prevent_thread_lock=True,
        quiet=True,
        **settings,
    )
    return app, bench


if __name__ == "__main__":
    sys.exit(main())
