"""The options that say where the genres of a dataset come from, for every command that reads one."""

import argparse

from core.dataset.settings import KINDS, LabelSettings
from core.util.files import typed_path
from tui.shell.printing import UsageError

DATA_HELP = (
    "music in a folder per genre, with a table or with tags; a public collection; an archive of these; or a feature "
    "pack"
)


def add_label_options(
    parser: argparse.ArgumentParser,
    title: str = "labels",
    description: str = "Without options, whatever is found is used and named.",
    map_option: str = "--map",
) -> None:
    """
    Args:
        map_option: name of the option that merges genres, where the command has another ``--map``.
    """
    group = parser.add_argument_group(title, description)
    group.add_argument(
        "--labels",
        metavar="FILE|tags|folders",
        help="a table of files and genres (CSV, TSV, JSON lines, Parquet, or a public collection's own); the files' "
        "tags; or the folders' names",
    )
    group.add_argument("--path-column", metavar="COLUMN", help="column of the table that names the files")
    group.add_argument("--label-column", metavar="COLUMN", help="column of the table that holds the genres")
    group.add_argument(
        "--multiple",
        choices=("first", "specific", "frequent", "drop"),
        help="which of several genres of a file counts; drop leaves such files out (first)",
    )
    group.add_argument(
        map_option,
        dest="label_map",
        metavar="FILE",
        help="table of two columns that merges names, such as Hip Hop,hiphop",
    )
    group.add_argument("--min-clips", type=int, metavar="N", help="leave out genres with fewer files (1)")
    group.add_argument("--tree", metavar="FILE", help="table of genres and their parents: child,parent")
    group.add_argument("--level", choices=("top", "leaf"), help="take the roots of the tree, or the finest genres")


def label_settings(args: argparse.Namespace) -> LabelSettings:
    """The settings that the options make, with absolute paths.

    Raises:
        UsageError: a value is invalid.
    """
    given = {
        "path_column": args.path_column,
        "label_column": args.label_column,
        "multiple": args.multiple,
        "min_clips": args.min_clips,
        "level": args.level,
        "map": _absolute(args.label_map),
        "tree": _absolute(args.tree),
    }
    source = args.labels
    if source is not None:
        given["source"] = source if source in KINDS else _absolute(source)
    try:
        return LabelSettings(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error


def named_labels(args: argparse.Namespace) -> LabelSettings | None:
    """The same; None where no option says anything about labels."""
    settings = label_settings(args)
    return None if settings == LabelSettings() and args.labels is None else settings


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(typed_path(path))
