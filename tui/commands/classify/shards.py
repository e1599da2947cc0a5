"""``classify --nproc N`` and ``--shard I/N``: the files shared by processes of this machine, or by machines."""

import argparse
import math
import os
import time
from collections.abc import Generator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from queue import Queue
from typing import TypeVar

import msgspec

from core.inference.batch.find_files import Found
from core.inference.types import Result, Unreadable
from core.inference.workers.share_worker import Classified, Defect, Finished, Message, Ready, Share
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from core.util.parallel import cores
from core.util.text import printable
from tui.shell.printing import UsageError, print_note, print_notes

Item = TypeVar("Item")
SLURM = "slurm"
AHEAD = 1000
"""Results of a process that wait for those of the others."""


def add_shard_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--nproc",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the work; they take the GPUs in turn (1)",
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        help="only the I-th of N shares of the files, for N machines; slurm: the share of this task of srun",
    )
    group.add_argument(
        "--join",
        action="store_true",
        help="PATH... are the --json results of all shards: put them together instead of classifying",
    )


def share(items: Sequence[Item], shard: str | None) -> Sequence[Item]:
    """Every N-th item from the I-th on, for the shard ``I/N``.

    Raises:
        UsageError: the shard is malformed.
    """
    if shard is None:
        return items
    number, _, of = (_of_slurm() if shard == SLURM else shard).partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard takes I/N with I from 1 to N, not {shard!r}")
    return items[int(number) - 1 :: int(of)]


def _of_slurm() -> str:
    task, tasks = os.environ.get("SLURM_PROCID", ""), os.environ.get("SLURM_NTASKS", "")
    if not (task.isdecimal() and tasks.isdecimal()):
        raise UsageError("--shard slurm works in a task that srun started: SLURM_PROCID and SLURM_NTASKS are not set")
    return f"{int(task) + 1}/{tasks}"


class Processes:
    """Processes that each classify every N-th file; their results are in the order of the files.

    Attributes:
        ready: what they say of the model.
        began: when the first of them was ready and began to classify, by `time.monotonic`.
    """

    def __init__(self, args: argparse.Namespace, model: Path, found: Sequence[Found], cache: Path | None) -> None:
        """Start them and wait until the model is loaded.

        Raises:
            UserError: it cannot be.
        """
        self._found, self.began = found, math.inf
        paths = [path_to_json(item) for item in found if not isinstance(item, Unreadable)]
        self._messages: list[Queue[Message | Refused]] = [Queue(AHEAD) for _ in range(args.nproc)]
        self._processes: list[JsonlProcess[Share, Message]] = []
        for number, messages in enumerate(self._messages):
            process = JsonlProcess[Share, Message](
                "core.inference.workers.share_worker",
                Message,
                partial(self._receive, messages),
                crashed="a process was ended, so some of the files were not classified",
            )
            self._processes.append(process)
            process.ask(
                Share(
                    paths=paths[number :: args.nproc],
                    model=path_to_json(model),
                    device=args.device,
                    number=number,
                    jobs=args.jobs or max(1, cores() // args.nproc),
                    processes=args.nproc,
                    overlap=args.overlap,
                    nearest=args.nearest,
                    cache=None if cache is None else path_to_json(cache),
                    skip_existing=args.skip_existing,
                )
            )
        try:
            for messages in self._messages:
                first = _next(messages)
                assert isinstance(first, Ready)
                self.ready = first
        except BaseException:
            self.close()
            raise

    def _receive(self, messages: "Queue[Message | Refused]", message: Message | Refused, _: object) -> None:
        if isinstance(message, Ready):
            self.began = min(self.began, time.monotonic())
        messages.put(message)

    def results(self) -> Generator[Result]:
        """
        Raises:
            UserError: a process was killed.
        """
        turns = cycle(self._messages)
        try:
            for item in self._found:
                if isinstance(item, Unreadable):
                    yield item
                    continue
                messages = next(turns)
                while isinstance(message := _next(messages), Defect):
                    print_notes(message.traceback)
                assert isinstance(message, Classified)
                if message.prediction is None:
                    yield Unreadable(path=printable(item), error=message.error)
                else:
                    yield msgspec.structs.replace(message.prediction, path=printable(item))
            for messages in self._messages:
                last = _next(messages)
                if isinstance(last, Finished) and last.trouble:
                    print_note(f"the prediction cache could not be written: {last.trouble}")
        finally:
            self.close()

    def close(self) -> None:
        for process in self._processes:
            process.close()


def _next(messages: "Queue[Message | Refused]") -> Message:
    message = messages.get()
    if isinstance(message, Refused):
        raise UserError(message.error)
    return message
