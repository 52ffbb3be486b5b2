"""A saved session as notebook, PDF and ZIP: ``python -m notebooks_export SESSION --out DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from explorer.errors import ExplorerError


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m notebooks_export", description="Make notebook, PDF and ZIP of a saved session."
    )
    options.add_argument("session", metavar="SESSION", help="a session saved in the Export tab")
    options.add_argument("--out", metavar="DIR", required=True, help="folder to write into")
    options.add_argument("--surname", help="with --matriculation-number: also make the ZIP to hand in")
    options.add_argument("--matriculation-number", metavar="NUMBER")
    options.add_argument(
        "--runs", metavar="DIR", help="where the training runs are that the session names (default: ./runs)"
    )
    options.add_argument("--anew", action="store_true", help="compute every step again before")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 2 after saying what is wrong."""
    options = parser().parse_args(arguments)
    try:
        for path in export(options):
            print(path)
    except (ExplorerError, OSError) as error:
        print(f"notebooks_export: {error}", file=sys.stderr)
        return 2
    return 0


def export(options: argparse.Namespace) -> list[Path]:
    """Write what the options ask for; returns the files. Nothing is written before all of it is made."""
    from explorer.whole_file import write_whole
    from notebooks_export.notebook.perform import perform
    from notebooks_export.submission import build_submission, export_files, open_session
    from training.runs.folders import DEFAULT_ROOT

    runs = DEFAULT_ROOT if options.runs is None else Path(options.runs)
    if options.runs is not None and not runs.is_dir():
        raise ExplorerError(f"--runs {options.runs!r}", "is not a folder", "name the one that holds the runs")

    def tell(done: int, total: int, title: str) -> None:
        print(f"{done + 1}/{total} {title}", file=sys.stderr)

    session = perform(open_session(options.session), anew=options.anew, runs=runs, on_step=tell)
    if options.surname is None and options.matriculation_number is None:
        files = export_files(session, runs=runs)
    else:
        made = build_submission(
            session,
            surname=options.surname or "",
            matriculation_number=options.matriculation_number or "",
            runs=runs,
        )
        files = {made.filename: made.content}
    for name, content in files.items():
        path = Path(options.out) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return [Path(options.out) / name for name in files]


if __name__ == "__main__":
    sys.exit(main())
