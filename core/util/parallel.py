"""Work on many files at once, the number of cores, a trainer's process-wide settings, and its rank under torchrun."""

import ctypes
import gc
import math
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4
"""Most results per thread that wait for the reader."""
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply ``function`` to every item in ``threads`` threads; yields results in the order of the items.

    At most ``AHEAD`` results per thread wait for the reader, so memory does not grow with the number of items.
    If the reader stops early or an item raises, only running calls are waited for.
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
    """Cores that this process may use according to its CPU affinity and its container's CPU quota."""
    quota = cpu_quota()
    return affinity() if quota is None else max(1, min(affinity(), math.ceil(quota)))


def affinity() -> int:
    """Cores that this process may run on, regardless of its quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """The smallest CPU quota of this process's cgroup and its parents, in cores; None for no limit.

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
        # In a container its own cgroup is mounted as the root, while the path is that of the host.
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
    """Disable parallelism inside PyTorch operators, for use in several threads."""
    import torch  # modules that only need the number of cores do not need it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies: torchrun's children would train on without a lock."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tune_process() -> None:
    """Make CUDA deterministic, and let CPU threads leave time for other processes.

    - CUDA's matrix products are deterministic only with a fixed workspace.
    - Libraries start as many threads as the CPU affinity allows; a container's CPU quota may allow fewer.
    - OpenMP threads sleep while they wait instead of spinning: on two cores, with a viewer beside the trainer,
      spinning took half of the CPU time that a batch needed.
    - Freed memory is kept for the next batch. Given back, as glibc does with large blocks, it has to be zeroed by the
      kernel again and again, which took a fifth of the time of a batch in float32.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if cores() < affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # other libraries than glibc have none
            mallopt(M_MMAP_THRESHOLD, 1 << 30)
            mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Disable garbage collection during imports, which create a million objects: importing torch is a sixth faster."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True)
class DistInfo:
    rank: int = 0
    """Only rank 0 writes the journal, answers requests and saves checkpoints."""
    size: int = 1
    local_rank: int = 0
    """The rank on this machine, which is the index of its GPU."""
    restarts: int = 0
    """How often torchrun has restarted all processes because one of them died."""
    restarts_left: int = 0

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    @property
    def is_single(self) -> bool:
        return self.size == 1


def dist_info() -> DistInfo:
    """The rank and number of processes; rank 0 of 1 without torchrun."""
    if not under_torchrun():
        return DistInfo()
    env = os.environ
    restarts, most = int(env["TORCHELASTIC_RESTART_COUNT"]), int(env["TORCHELASTIC_MAX_RESTARTS"])
    return DistInfo(int(env["RANK"]), int(env["WORLD_SIZE"]), int(env["LOCAL_RANK"]), restarts, most - restarts)


def under_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
