"""What several commands share."""

import argparse
import sys
from pathlib import Path

from core.runs.folder import RunFolder, default_runs_dir, find


def add_runs_option(parser: argparse.ArgumentParser) -> None:
    # The same option stands before the command; what is said there holds unless it is said again.
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where the runs live (GENRE_TUI_RUNS, or ./runs)",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN and --runs."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, its name, or a unique beginning of the name")
    add_runs_option(parser)


def runs_dir(args: argparse.Namespace) -> Path:
    chosen: Path | None = args.runs
    return chosen or default_runs_dir()


def run_folder(args: argparse.Namespace) -> RunFolder:
    """The run that the arguments name.

    Raises:
        UserError: there is none, or there are several.
    """
    return find(runs_dir(args), args.run)


def narrate(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
