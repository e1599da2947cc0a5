"""``attach [RUN]``: the app, on the Watch screen of a run."""

import argparse

from tui.commands.common import add_runs_option, runs_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="", help="folder, name or beginning; the newest without"
    )
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII only")
    parser.add_argument("--theme", metavar="NAME", default=argparse.SUPPRESS, help="colours, instead of the settings'")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from tui.launch import run_app

    return run_app(runs_dir(args), attach=args.run, ascii=args.ascii, theme=args.theme)
