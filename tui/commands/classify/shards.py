"""``classify --nproc N``: the files dealt out to N processes on this machine, one a GPU where there are GPUs."""

import argparse
import contextlib
import csv
import itertools
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TypeVar

from core.util.atomic import replacing
from core.util.device import is_surely_cpu
from core.util.errors import UserError
from core.util.parallel import cores
from tui.commands.exit_codes import DONE, FAILED, UsageError


@contextlib.contextmanager
def shared_table(path: Path, processes: int) -> Iterator[list[Path]]:
    """Yields a file for the table of each process; at the end, and not after an error, they are one at ``path``.

    Raises:
        UserError: the file cannot be written.
    """
    if path == Path("-"):
        raise UsageError("--nproc writes a table to a file, not to standard output; give --csv a file")
    with contextlib.ExitStack() as stack:
        try:
            table = stack.enter_context(replacing(path))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="genre-tui-"))
        parts = [Path(folder) / f"{number}.csv" for number in range(processes)]
        yield parts
        _join(parts, table)


def _join(parts: Sequence[Path], table: Path) -> None:
    """The head once, then a row of each in turn: process I has had every N-th file from the I-th on."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(part.open(newline="", encoding="utf-8")) for part in parts]
        tables = [csv.reader(file) for file in files]
        out = csv.writer(stack.enter_context(table.open("w", newline="", encoding="utf-8")))
        heads = [next(rows) for rows in tables]
        out.writerow(heads[0])
        for turn in itertools.zip_longest(*tables):
            out.writerows(row for row in turn if row is not None)


Item = TypeVar("Item")
VALUES = ("model", "overlap", "top", "map", "threshold", "index", "runs")
FLAGS = ("json", "skip_existing")
"""Options that each process is given as they are."""


def add_shard_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--nproc", type=int, default=1, metavar="N", help="processes that share the files, one a GPU")
    group.add_argument("--shard", metavar="I/N", help="the I-th of N shares of the files, for the I-th of N machines")


def share(items: Sequence[Item], shard: str | None) -> Sequence[Item]:
    """Every N-th item from the I-th on, for the shard ``I/N``.

    Raises:
        UsageError: it is no such thing.
    """
    if shard is None:
        return items
    number, _, of = shard.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard takes I/N with I from 1 to N, not {shard!r}")
    return items[int(number) - 1 :: int(of)]


def classify_in_processes(args: argparse.Namespace) -> int:
    """Starts the processes and passes on what they say, line by line, as it comes; the worst of their exit statuses."""
    if args.playlists or args.write_tags or args.shard:
        raise UsageError("--nproc prints and writes tables; it goes with none of --playlists, --write-tags, --shard")
    if args.csv is None:
        return _answered([_command(args, number, None) for number in range(args.nproc)])
    with shared_table(args.csv, args.nproc) as parts:
        status = _answered([_command(args, number, part) for number, part in enumerate(parts)])
        if status not in (DONE, FAILED):
            raise SystemExit(status)  # there are no tables to join
        return status


def _answered(commands: Sequence[Sequence[str]]) -> int:
    """
    Raises:
        UserError: a process was killed.
    """
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands
    ]
    lock = threading.Lock()
    readers = [
        threading.Thread(target=_pass_on, args=(source, target, lock))
        for process in processes
        for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
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
    if killed := [-status for status in statuses if status < 0]:
        raise UserError(f"a process was ended by signal {killed[0]}; part of the files was not classified")
    return max(statuses)


def _command(args: argparse.Namespace, number: int, table: Path | None) -> list[str]:
    given = {name: getattr(args, name, None) for name in VALUES}
    device = args.device
    if device in ("auto", "cuda") and sys.platform.startswith("linux") and not is_surely_cpu(device):
        device = f"cuda:{number}"
    return [
        *(sys.executable, "-m", "tui.cli", "classify"),
        *(f"--{name}={value}" for name, value in given.items() if value is not None),
        *(f"--{name.replace('_', '-')}" for name in FLAGS if getattr(args, name)),
        *([] if table is None else [f"--csv={table}"]),
        f"--device={device}",
        f"--jobs={args.jobs or max(1, cores() // args.nproc)}",
        f"--shard={number + 1}/{args.nproc}",
        *("--", *args.paths),
    ]


def _pass_on(source: IO[str] | None, target: IO[str], lock: threading.Lock) -> None:
    assert source is not None
    for line in source:
        with lock:
            target.write(line)
            target.flush()
