"""Work on many files at once, in order, with a bounded number of results in flight; and how many cores there are."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4
"""Results per thread that may wait for the reader."""
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """``function`` of every item, in the order of the items, computed by ``threads`` threads.

    At most ``AHEAD`` results per thread wait for the reader, so memory does not grow with the number of items.
    When the reader stops early or an item raises, only calls that have already begun are waited for.
    """
    pool = ThreadPoolExecutor(threads, "clips")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= threads * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Processor cores this process may use: no more than its CPU affinity and its container's CPU quota allow."""
    quota = cpu_quota()
    return affinity() if quota is None else max(1, min(affinity(), math.ceil(quota)))


def affinity() -> int:
    """Processor cores this process may run on, whatever its quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """The smallest CPU quota of this process's cgroup and the cgroups around it, in cores; None for no limit.

    Reads ``cpu.max`` (cgroup v2) and ``cpu.cfs_quota_us`` with ``cpu.cfs_period_us`` (v1).
    """
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:  # not Linux
        return None
    quotas: list[float] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, colon, own = rest.partition(":")
        if not colon or (controllers and "cpu" not in controllers.split(",")):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        # A container sees its own cgroup mounted as the root, under a path that names the host's.
        for folder in {root, *(root / part for part in _with_parents(own))}:
            quotas += _quota(folder, v2=not controllers)
    return min(quotas, default=None)


def _with_parents(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["/".join(parts[:i]) for i in range(1, len(parts) + 1)]


def _quota(folder: Path, *, v2: bool) -> list[float]:
    try:
        if v2:
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        limit = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such controller, or "max"
        return []
    return [limit] if limit > 0 else []  # v1 says -1 for no limit


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """Has each thread do its own arithmetic instead of sharing it out among as many threads again."""
    import torch  # modules that only want the number of cores do without it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
