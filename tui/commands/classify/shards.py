"""``classify --nproc N`` and ``--shard I/N``: the files shared by processes of this machine, or by machines."""

import argparse
import contextlib
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from core.inference.batch.known_labels import Comparison
from core.util.atomic import open_output
from core.util.device import is_surely_cpu
from core.util.errors import UserError
from core.util.parallel import cores
from tui.commands.common import writing
from tui.commands.exit_codes import DONE, FAILED, UsageError
from tui.shell.printing import print_data, print_json, print_line, print_note, write_notes


@contextlib.contextmanager
def shared_table(path: Path, processes: int) -> Iterator[list[Path]]:
    """Yields a file for the table of each process; unless an error ends the block, they are then joined at ``path``.

    Raises:
        UserError: the file cannot be written.
    """
    if path == Path("-"):
        raise UsageError("--nproc writes a table to a file, not to standard output; give --csv a file")
    with contextlib.ExitStack() as stack:
        stack.enter_context(writing(path))
        table = stack.enter_context(open_output(path, "w", newline=""))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="genre-tui-"))
        parts = [Path(folder) / f"{number}.csv" for number in range(processes)]
        yield parts
        _join(parts, table)


def _join(parts: Sequence[Path], table: IO[str]) -> None:
    """The header once, then a row of each in turn: process I classified every N-th file from the I-th on."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(part.open(newline="", encoding="utf-8")) for part in parts]
        tables = [csv.reader(file) for file in files]
        out = csv.writer(table)
        heads = [next(rows) for rows in tables]
        out.writerow(heads[0])
        for turn in itertools.zip_longest(*tables):
            out.writerows(row for row in turn if row is not None)


Item = TypeVar("Item")
VALUES = (
    *("model", "overlap", "top", "map", "threshold", "index", "runs"),
    *("labels", "path_column", "label_column", "multiple", "label_map", "min_clips", "tree", "level"),
)
FLAGS = ("json", "skip_existing")
"""Options passed on to each process unchanged."""


def add_shard_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--nproc", type=int, default=1, metavar="N", help="processes that share the work, one per GPU (1)"
    )
    group.add_argument("--shard", metavar="I/N", help="only the I-th of N shares of the files, for N machines")
    group.add_argument("--comparisons", type=Path, help=argparse.SUPPRESS)  # for the process that started this one


def share(items: Sequence[Item], shard: str | None) -> Sequence[Item]:
    """Every N-th item from the I-th on, for the shard ``I/N``.

    Raises:
        UsageError: the shard is malformed.
    """
    if shard is None:
        return items
    number, _, of = shard.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard takes I/N with I from 1 to N, not {shard!r}")
    return items[int(number) - 1 :: int(of)]


def classify_in_processes(args: argparse.Namespace) -> int:
    """Starts the processes and prints their lines as they come; returns the highest exit status."""
    if args.playlists or args.write_tags or args.shard:
        raise UsageError("--nproc cannot be combined with --playlists, --write-tags or --shard")
    with tempfile.TemporaryDirectory(prefix="genre-tui-") as folder:
        comparisons = [Path(folder) / f"{number}.json" for number in range(args.nproc)]
        if args.csv is None:
            status = _answered([_command(args, number, comparisons[number], None) for number in range(args.nproc)])
        else:
            with shared_table(args.csv, args.nproc) as parts:
                commands = [_command(args, number, comparisons[number], part) for number, part in enumerate(parts)]
                status = _answered(commands)
                if status not in (DONE, FAILED):
                    raise SystemExit(status)  # there are no tables to join
        if status in (DONE, FAILED):
            shares = [msgspec.json.decode(path.read_bytes(), type=list[Comparison]) for path in comparisons]
            print_comparisons([sum(same[1:], same[0]) for same in zip(*shares, strict=True)], args)
        return status


def print_comparisons(comparisons: Sequence[Comparison], args: argparse.Namespace) -> None:
    """The accuracy of each folder whose genres are known, after the results."""
    for comparison in comparisons:
        if args.json:
            print_json(comparison)
        else:
            for line in comparison.lines():
                (print_note if args.csv == Path("-") else print_line)(line)


def _answered(commands: Sequence[Sequence[str]]) -> int:
    """Runs the processes and prints their lines as they come.

    Raises:
        UserError: a process was killed, or standard output cannot be written.
        BrokenPipeError: the reader of standard output has gone.
    """
    processes = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )
        for command in commands
    ]
    lock = threading.Lock()
    failures: list[Exception] = []

    def pass_on(source: IO[str], write: Callable[[str], None]) -> None:
        for line in source:
            try:
                with lock:
                    write(line)
            except (BrokenPipeError, UserError) as error:
                failures.append(error)
                for process in processes:
                    process.terminate()
                return

    readers = [
        threading.Thread(target=pass_on, args=(source, write))
        for process in processes
        for source, write in ((process.stdout, lambda line: print_data(line, end="")), (process.stderr, write_notes))
    ]
    try:
        for reader in readers:
            reader.start()
        statuses = [process.wait() for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for reader in readers:
            reader.join()
    if failures:
        raise failures[0]
    if killed := [-status for status in statuses if status < 0]:
        raise UserError(f"a process was ended by signal {killed[0]}; some of the files were not classified")
    return max(statuses)


def _command(args: argparse.Namespace, number: int, comparisons: Path, table: Path | None) -> list[str]:
    given = {name: getattr(args, name, None) for name in VALUES}
    device = args.device
    if device in ("auto", "cuda") and sys.platform.startswith("linux") and not is_surely_cpu(device):
        device = f"cuda:{number}"
    return [
        *(sys.executable, "-m", "tui.cli", "classify"),
        *(f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None),
        *(f"--{name.replace('_', '-')}" for name in FLAGS if getattr(args, name)),
        *([] if table is None else [f"--csv={table}"]),
        f"--device={device}",
        f"--jobs={args.jobs or max(1, cores() // args.nproc)}",
        f"--comparisons={comparisons}",
        f"--shard={number + 1}/{args.nproc}",
        *("--", *args.paths),
    ]
