"""``import ARCHIVE OUT``: a model that somebody else has exported."""

import argparse
from pathlib import Path

from tui.commands.common import narrate
from tui.commands.exit_codes import DONE, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="a .zip that genre-tui export has made")
    parser.add_argument("out", metavar="OUT", type=Path, help="the model file to write, NAME.pth; --model takes it")


def run(args: argparse.Namespace) -> int:
    if args.out.exists():
        raise UsageError(f"{args.out} is there already; choose another name")
    from core.export.archive import import_archive

    manifest = import_archive(args.archive, args.out)
    narrate(f"{args.out} written: {manifest.recipe.model}, {len(manifest.genres)} genres: {', '.join(manifest.genres)}")
    return DONE
